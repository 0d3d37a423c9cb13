from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration import Rig, dump_rig, load_rig
from tardal_ros.calibration.rig_file import _rotation
from tardal_ros.capture import load_geometry, to_geometry, to_rig
from tardal_ros.errors import RigError
from tardal_ros.simulation import INFRARED, VISIBLE, RigGeometry, Scene, default_rig
from tardal_ros.simulation import Camera as Eye

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"


def assert_same_geometry(one: RigGeometry, other: RigGeometry) -> None:
    assert list(one.cameras) == list(other.cameras)
    for stream, ours in one.cameras.items():
        theirs = other.cameras[stream]
        assert ours.frame_id == theirs.frame_id
        assert (ours.info.width, ours.info.height) == (theirs.info.width, theirs.info.height)
        assert ours.info.distortion_model == theirs.info.distortion_model
        for name in ("k", "d", "r", "p"):
            np.testing.assert_array_equal(getattr(ours.info, name), getattr(theirs.info, name))
        np.testing.assert_allclose(ours.rotation, theirs.rotation, atol=1e-10)
        np.testing.assert_array_equal(ours.translation, theirs.translation)
    np.testing.assert_allclose(one.plane_normal, other.plane_normal)
    assert one.plane_distance == pytest.approx(other.plane_distance)


def test_the_shipped_file_is_the_default_rig() -> None:
    assert_same_geometry(load_geometry(SHIPPED), default_rig())


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=3),
    st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3),
    st.one_of(st.just(float("inf")), st.floats(2.0, 500.0)),
    st.floats(0.1, 2.0),
)
def test_there_and_back_is_the_same_rig(turn: list[float], place: list[float], distance: float, scale: float) -> None:
    truth = default_rig().scaled(scale)
    quaternion = np.array([*turn, 1.0]) / np.linalg.norm([*turn, 1.0])
    moved = replace(truth.cameras[INFRARED], rotation=_rotation(quaternion), translation=np.array(place))
    truth = replace(truth, cameras={**truth.cameras, INFRARED: moved}, plane_distance=distance)
    assert_same_geometry(to_geometry(to_rig(truth)), truth)


def test_a_point_falls_on_the_same_pixels_by_either_description() -> None:
    rig = load_rig(SHIPPED)
    geometry = to_geometry(rig)
    # Points of the plane, on which the rig file's mapping is exact.
    points = np.column_stack([np.random.default_rng(2).uniform(-6.0, 6.0, (100, 2)), np.full(100, 30.0)])
    mapped = rig.map_pixels(geometry.project(VISIBLE, points), VISIBLE, INFRARED)
    np.testing.assert_allclose(mapped, geometry.project(INFRARED, points), atol=1e-3)


def test_a_rig_of_ones_own_can_be_rendered(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rig = to_rig(default_rig().scaled(0.125))
    wide = replace(
        rig.cameras[INFRARED],
        info=replace(
            rig.cameras[INFRARED].info,
            distortion_model="rational_polynomial",
            d=np.array([-0.1, 0.01, 0, 0, 0, 0.02, 0, 0]),
        ),
    )
    dump_rig(Rig({VISIBLE: rig.cameras[VISIBLE], INFRARED: wide}), path)
    scene = Scene(0, "day", rig=load_geometry(path))
    images = scene.render(1.0)
    assert {stream: image.shape[:2] for stream, image in images.items()} == {VISIBLE: (96, 128), INFRARED: (64, 80)}
    assert images[VISIBLE].std() > 10 and images[INFRARED].std() > 30


def edited(**edits: Any) -> Callable[[dict[str, Any]], None]:
    """Sets what stands at dotted keys of infrared/left, or deletes it (None)."""

    def edit(data: dict[str, Any]) -> None:
        for keys, value in edits.items():
            *parents, key = keys.split("__")
            block = data[INFRARED]
            for parent in parents:
                block = block[parent]
            if value is None:
                del block[key]
            else:
                block[key] = value

    return edit


IDENTITY = {"rows": 3, "cols": 3, "data": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]}
WIDE = {"rows": 3, "cols": 3, "data": [100.0, 0.0, 320.0, 0.0, 100.0, 256.0, 0.0, 0.0, 1.0]}
FLAT = {"rows": 1, "cols": 4, "data": [0.0, 0.0, 0.0, 0.0]}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (edited(pose=None, homography=IDENTITY), "infrared/left has a homography.*give its pose"),
        (
            edited(camera_info__distortion_model="equidistant", camera_info__distortion_coefficients=FLAT),
            "infrared/left has the lens model 'equidistant'.*calibrate it as one of them",
        ),
        (
            edited(
                camera_info__camera_matrix=WIDE,
                camera_info__distortion_coefficients=FLAT,
                camera_info__projection_matrix=None,
            ),
            "infrared/left has a lens too wide to draw.*check k and d",
        ),
        (edited(camera_info__image_width=9000), "infrared/left has 9000x512 pixels: choose 8 to 8192"),
        (edited(pose__translation=[50.0, 0.0, 0.0]), "infrared/left.pose.translation must be in metres"),
    ],
)
def test_what_cannot_be_simulated_is_told_with_file_and_camera(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], words: str
) -> None:
    data = yaml.safe_load(SHIPPED.read_text())
    edit(data)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(RigError, match=words) as caught:
        load_geometry(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_the_simulated_camera_is_no_copy_that_could_be_written_to() -> None:
    eye = load_geometry(SHIPPED).cameras[INFRARED]
    assert isinstance(eye, Eye)
    assert not eye.rotation.flags.writeable and not eye.translation.flags.writeable
