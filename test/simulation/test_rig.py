from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration import load_rig
from tardal_ros.simulation import INFRARED, VISIBLE, default_rig

RIG_FILE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
RIG = default_rig()
LANDING = {stream: RIG.unproject(stream) for stream in RIG.cameras}


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([VISIBLE, INFRARED]), st.floats(0, 1), st.floats(0, 1))
def test_unproject_undoes_project(stream: str, across: float, down: float) -> None:
    info = RIG.cameras[stream].info
    x, y = round(across * (info.width - 1)), round(down * (info.height - 1))
    pixel = RIG.project(stream, LANDING[stream][y, x][None])
    np.testing.assert_allclose(pixel, [[x, y]], atol=1e-4)


def test_infrared_stands_where_the_rig_says() -> None:
    # A point of the plane straight ahead of the infrared camera's centre is seen by both at known pixels.
    camera = RIG.cameras[INFRARED]
    ahead = camera.rotation @ [0.0, 0.0, 1.0]
    reach = (RIG.plane_distance - camera.translation[2]) / ahead[2]
    point = camera.translation + reach * ahead
    seen = RIG.project(INFRARED, point[None, :2] / point[2])
    np.testing.assert_allclose(seen, [camera.info.k[:2, 2]], atol=1e-9)


@pytest.mark.parametrize("stream", [VISIBLE, INFRARED])
def test_shipped_rig_file_has_the_same_numbers(stream: str) -> None:
    ours, theirs = RIG.cameras[stream], load_rig(RIG_FILE).cameras[stream]
    assert theirs.frame_id == ours.frame_id
    assert (theirs.info.width, theirs.info.height) == (ours.info.width, ours.info.height)
    assert theirs.info.distortion_model == ours.info.distortion_model
    for name in ("k", "d", "r", "p"):
        np.testing.assert_allclose(getattr(theirs.info, name), getattr(ours.info, name), err_msg=name)


def test_shipped_rig_file_maps_pixels_as_the_simulation_does() -> None:
    landing = LANDING[VISIBLE][40:740:100, 60:980:90]
    pixels = np.stack(np.meshgrid(np.arange(60, 980, 90), np.arange(40, 740, 100)), axis=-1).astype(float)
    seen = RIG.project(INFRARED, landing.reshape(-1, 2)).reshape(landing.shape)
    mapped = load_rig(RIG_FILE).map_pixels(pixels, VISIBLE, INFRARED)
    np.testing.assert_allclose(mapped, seen, atol=1e-3)
