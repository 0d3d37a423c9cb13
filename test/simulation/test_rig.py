from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration import load_rig
from tardal_ros.errors import RigError
from tardal_ros.simulation import INFRARED, INFRARED_RIGHT, VISIBLE, VISIBLE_RIGHT, RigGeometry, default_rig

RIG_FILE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
RIG = default_rig()
RAYS = {stream: camera.rays() for stream, camera in RIG.cameras.items()}


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(RAYS)), st.floats(0, 1), st.floats(0, 1), st.floats(1.0, 200.0))
def test_rays_undo_project(stream: str, across: float, down: float, reach: float) -> None:
    camera = RIG.cameras[stream]
    x, y = round(across * (camera.info.width - 1)), round(down * (camera.info.height - 1))
    local = reach * np.array([*RAYS[stream][y, x], 1.0])
    pixel = RIG.project(stream, (camera.rotation @ local + camera.translation)[None])
    np.testing.assert_allclose(pixel, [[x, y]], atol=1e-4)


def test_eyes_stand_as_the_paper_says() -> None:
    places = {stream: camera.translation for stream, camera in RIG.cameras.items()}
    assert np.linalg.norm(places[VISIBLE_RIGHT] - places[VISIBLE]) == pytest.approx(0.12, abs=1e-3)
    assert np.linalg.norm(places[INFRARED_RIGHT] - places[INFRARED]) == pytest.approx(0.20, abs=1e-3)
    for one, other in ((INFRARED, VISIBLE), (INFRARED_RIGHT, VISIBLE_RIGHT)):
        assert np.linalg.norm(places[one] - places[other]) == pytest.approx(0.04, abs=2e-3)
    assert [(c.info.width, c.info.height) for c in RIG.cameras.values()] == [(1024, 768), (640, 512)] * 2
    assert len({tuple(camera.info.d) for camera in RIG.cameras.values()}) == 4


@pytest.mark.parametrize("stream", list(RAYS))
def test_shipped_rig_file_has_the_same_numbers(stream: str) -> None:
    ours, theirs = RIG.cameras[stream], load_rig(RIG_FILE).cameras[stream]
    assert theirs.frame_id == ours.frame_id
    assert (theirs.info.width, theirs.info.height) == (ours.info.width, ours.info.height)
    assert theirs.info.distortion_model == ours.info.distortion_model
    for name in ("k", "d", "r", "p"):
        np.testing.assert_allclose(getattr(theirs.info, name), getattr(ours.info, name), err_msg=name)
    np.testing.assert_allclose(theirs.pose.rotation, ours.rotation, atol=1e-10)


def test_a_smaller_rig_sees_the_same() -> None:
    half = RIG.scaled(0.5)
    points = np.random.default_rng(0).uniform((-3, -2, 10), (3, 2, 60), (50, 3))
    for stream in RAYS:
        # The edges of pixels, not their centres, scale.
        np.testing.assert_allclose(
            half.project(stream, points) + 0.5, 0.5 * (RIG.project(stream, points) + 0.5), atol=1e-9
        )
    assert half.cameras[INFRARED].info.width == 320


def broken(stream: str = INFRARED, info: dict[str, Any] | None = None, **pose: Any) -> RigGeometry:
    camera = RIG.cameras[stream]
    changed = replace(camera, info=replace(camera.info, **(info or {})), **pose)
    return replace(RIG, cameras=MappingProxyType({**RIG.cameras, stream: changed}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"info": {"width": 0}}, "infrared/left has 0x512 pixels"),
        ({"info": {"k": np.diag([-5.0, 5.0, 1.0])}}, "focal lengths -5 and 5"),
        ({"info": {"k": np.diag([np.nan, 5.0, 1.0])}}, "not finite"),
        ({"info": {"distortion_model": "equidistant"}}, "'equidistant'"),
        ({"info": {"d": np.array([-3.0, 0.0, 0.0, 0.0, 0.0])}}, "folds its image over"),
        ({"rotation": -np.eye(3)}, "rotation that is none"),
        ({"translation": np.array([0.0, 40.0, 0.0])}, "stands 40 m from visible/left"),
    ],
)
def test_impossible_geometry_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RigError, match=words):
        broken(**change)


def test_a_rig_needs_its_reference_and_a_size() -> None:
    with pytest.raises(RigError, match="no camera visible/left"):
        replace(RIG, cameras=MappingProxyType({INFRARED: RIG.cameras[INFRARED]}))
    with pytest.raises(RigError, match=r"scaled by 0"):
        RIG.scaled(0.0)


def test_distortion_is_real() -> None:
    # Without it the corners of the images would lie elsewhere: the maps of the lens are worth having.
    for stream, camera in RIG.cameras.items():
        straight = cv2.undistortPoints(np.zeros((1, 1, 2)), camera.info.k, np.zeros(5)).ravel()
        moved = np.abs(RAYS[stream][0, 0] - straight) * camera.info.k[0, 0]
        assert moved.max() > 8
