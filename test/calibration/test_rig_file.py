from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration import Camera, Pose, Rig, dump_rig, load_rig
from tardal_ros.calibration.rig_file import _quaternion, _rotation
from tardal_ros.errors import RigError
from tardal_ros.simulation.rig import default_rig
from tardal_ros.types import CameraInfo

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
Edit = Callable[[dict[str, Any]], object]


def rig_data() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(EXAMPLE.read_text()))


def written(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "rig.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def assert_same_rig(one: Rig, other: Rig) -> None:
    assert list(one.cameras) == list(other.cameras)
    np.testing.assert_allclose(one.plane, other.plane, atol=1e-15)
    for a, b in zip(one.cameras.values(), other.cameras.values(), strict=True):
        assert (a.frame_id, a.info.distortion_model) == (b.frame_id, b.info.distortion_model)
        assert (a.info.width, a.info.height) == (b.info.width, b.info.height)
        for name in ("k", "d", "r", "p"):
            np.testing.assert_array_equal(getattr(a.info, name), getattr(b.info, name))
        assert (a.homography is None) == (b.homography is None)
        if a.homography is not None and b.homography is not None:
            np.testing.assert_array_equal(a.homography, b.homography)
        np.testing.assert_allclose(a.pose.rotation, b.pose.rotation, atol=1e-12)
        np.testing.assert_array_equal(a.pose.translation, b.pose.translation)


def test_the_shipped_file_is_the_rendered_rig() -> None:
    rig, truth = load_rig(EXAMPLE), default_rig()
    assert set(rig.cameras) == set(truth.cameras)
    np.testing.assert_allclose(rig.plane, truth.plane_normal / truth.plane_distance)
    for stream, camera in truth.cameras.items():
        ours = rig.cameras[stream]
        assert ours.frame_id == camera.frame_id
        assert (ours.info.width, ours.info.height) == (camera.info.width, camera.info.height)
        for name in ("k", "d", "r", "p"):
            np.testing.assert_array_equal(getattr(ours.info, name), getattr(camera.info, name))
        np.testing.assert_allclose(ours.pose.rotation, camera.rotation, atol=1e-10)
        np.testing.assert_array_equal(ours.pose.translation, camera.translation)


def test_the_shipped_file_maps_as_the_renderer_projects() -> None:
    rig, truth = load_rig(EXAMPLE), default_rig()
    rays = np.random.default_rng(0).uniform(-0.3, 0.3, (200, 2))
    points = np.column_stack([rays, np.ones(len(rays))]) * truth.plane_distance
    for stream in rig.cameras:
        mapped = rig.map_pixels(truth.project("visible/left", points), "visible/left", stream)
        np.testing.assert_allclose(mapped, truth.project(stream, points), atol=0.01)


def test_a_written_rig_reads_back(tmp_path: Path) -> None:
    example = load_rig(EXAMPLE)
    left = example.cameras["visible/left"]
    fisheye = CameraInfo(
        640, 480, np.diag([300.0, 300.0, 1.0]) + np.array([[0, 0, 320.0], [0, 0, 240.0], [0, 0, 0]]),
        d=np.array([0.1, -0.02, 1e-05, 0.0]), distortion_model="equidistant",
        p=np.array([[300.0, 0, 320.0, -30.0], [0, 300.0, 240.0, 0], [0, 0, 1.0, 0]]),
    )  # fmt: skip
    rig = Rig(
        {
            **example.cameras,
            "visible/right": Camera("right", left.info, Pose(np.eye(3), np.array([0.2, 0.0, 0.0]))),
            "infrared/right": Camera(
                "ir_right", fisheye, homography=np.array([[0.6, 0, 1], [0, 0.6, 2], [0, 1e-7, 1]])
            ),
        },
        np.array([0.1, 0.0, 0.5]),
    )
    path = tmp_path / "rig.yaml"
    dump_rig(rig, path)
    back = load_rig(path)
    assert_same_rig(back, Rig({name: rig.cameras[name] for name in back.cameras}, rig.plane))
    dump_rig(Rig(rig.cameras), path)
    assert not load_rig(path).plane.any()
    assert [each.name for each in tmp_path.iterdir()] == ["rig.yaml"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_quaternion_and_matrix_are_one_rotation(numbers: list[float]) -> None:
    quaternion = np.array(numbers) / np.linalg.norm(numbers)
    rotation = _rotation(quaternion)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(_rotation(_quaternion(rotation)), rotation, atol=1e-9)


def test_quaternion_convention() -> None:
    quarter = np.sqrt(0.5)
    np.testing.assert_allclose(_rotation(np.array([0, 0, quarter, quarter])) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("distance", ["infinity", ".inf", "1e300"])
def test_a_plane_at_infinity(tmp_path: Path, distance: str) -> None:
    text = EXAMPLE.read_text().replace("distance: 30.0", f"distance: {distance}")
    np.testing.assert_allclose(load_rig(written(tmp_path, text)).plane, 0.0, atol=1e-200)


def test_optional_keys_have_the_usual_defaults(tmp_path: Path) -> None:
    data = rig_data()
    del data["plane"]
    for key in ("camera_name", "rectification_matrix", "projection_matrix"):
        del data["visible/left"]["camera_info"][key]
    rig = load_rig(written(tmp_path, data))
    info = rig.cameras["visible/left"].info
    np.testing.assert_array_equal(info.r, np.eye(3))
    np.testing.assert_array_equal(info.p[:, :3], info.k)
    assert not rig.plane.any()


def test_numbers_as_other_tools_write_them(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("-0.0003, 0.0]", "-3e-4, 0]")
    assert load_rig(written(tmp_path, text)).cameras["visible/left"].info.d[3] == -3e-4


def put(path: str, value: object) -> Edit:
    """An edit that sets a value, or deletes the key where the value is `...`."""

    def edit(data: dict[str, Any]) -> None:
        *parents, key = path.split(".")
        for parent in parents:
            data = data[parent]
        if value is ...:
            del data[key]
        else:
            data[key] = value

    return edit


def matrix(rows: int, cols: int, *data: object) -> dict[str, object]:
    return {"rows": rows, "cols": cols, "data": list(data)}


VL, IL = "visible/left", "infrared/left"
K_KEY = f"{VL}.camera_info.camera_matrix"
D_KEY = f"{VL}.camera_info.distortion_coefficients"
ABSURD: dict[str, tuple[Edit, str]] = {
    "no visible camera": (put(VL, ...), "'visible/left' is missing"),
    "no infrared camera": (put(IL, ...), "'infrared/left' is missing"),
    "unknown stream": (put("thermal", {}), "unknown key 'thermal'"),
    "unknown key": (put(f"{VL}.camera_info.fov", 3), "camera_info unknown key 'fov'"),
    "camera is a list": (put(VL, [1]), "visible/left must be a mapping"),
    "missing key": (put(f"{VL}.camera_info.camera_matrix", ...), "'camera_matrix' is missing"),
    "frame_id is empty": (put(f"{VL}.frame_id", " "), "visible/left.frame_id must be a name"),
    "pose of the reference": (put(f"{VL}.pose", {}), "unknown key 'pose'"),
    "neither pose nor homography": (put(f"{IL}.pose", ...), "either 'pose' or 'homography'"),
    "both pose and homography": (put(f"{IL}.homography", matrix(3, 3, *range(9))), "either 'pose' or 'homography'"),
    "width is zero": (put(f"{VL}.camera_info.image_width", 0), "image size 0x768"),
    "height is negative": (put(f"{VL}.camera_info.image_height", -768), "image size 1024x-768"),
    "width is huge": (put(f"{VL}.camera_info.image_width", 10**30), "image size"),
    "width is a float": (put(f"{VL}.camera_info.image_width", 1024.5), "image_width must be a whole number"),
    "width is a bool": (put(f"{VL}.camera_info.image_width", True), "image_width must be a whole number"),
    "focal length is zero": (put(f"{K_KEY}.data", [0, 0, 500, 0, 900, 380, 0, 0, 1]), "focal lengths 0, 900"),
    "focal length is negative": (put(f"{K_KEY}.data", [-900, 0, 500, 0, 900, 380, 0, 0, 1]), "focal lengths"),
    "focal length in metres": (put(f"{K_KEY}.data", [0.008, 0, 500, 0, 0.008, 380, 0, 0, 1]), "focal lengths"),
    "principal point far off": (put(f"{K_KEY}.data", [900, 0, 5000, 0, 900, 380, 0, 0, 1]), "principal point 5000"),
    "camera matrix by columns": (put(f"{K_KEY}.data", [900, 0, 0, 0, 900, 0, 500, 380, 1]), "must have the form"),
    "camera matrix too short": (put(f"{K_KEY}.data", [900, 0, 500]), "camera_matrix.data must be a list of 9"),
    "camera matrix of the wrong shape": (put(f"{K_KEY}.rows", 4), "camera_matrix must have rows: 3 and cols: 3"),
    "not a number": (put(f"{K_KEY}.data", ["wide", 0, 500, 0, 900, 380, 0, 0, 1]), "'wide' is not a number"),
    "a bool": (put(f"{K_KEY}.data", [True, 0, 500, 0, 900, 380, 0, 0, 1]), "'True' is not a number"),
    "too large for a float": (put(f"{K_KEY}.data", [10**400, 0, 500, 0, 900, 380, 0, 0, 1]), "is not a number"),
    "nan": (put(f"{K_KEY}.data", [float("nan"), 0, 500, 0, 900, 380, 0, 0, 1]), "not finite"),
    "inf as text": (put(f"{D_KEY}.data", ["inf", 0, 0, 0, 0]), "distortion_coefficients.data holds a number"),
    "unknown lens": (put(f"{VL}.camera_info.distortion_model", "fisheye"), "'fisheye' must be one of plumb_bob"),
    "coefficients of another lens": (put(D_KEY, matrix(1, 8, *[0] * 8)), "has 8 numbers, but plumb_bob takes 4 or 5"),
    "coefficients not 1xN": (put(f"{D_KEY}.cols", 4), "must have rows: 1 and cols: 5"),
    "lens folds over": (put(f"{D_KEY}.data", [-3.0, 0, 0, 0, 0]), "fold the image over"),
    "lens overflows": (put(f"{D_KEY}.data", [1e300, -1e300, 0, 0, 1e308]), "distortion_coefficients"),
    "tangential too strong": (put(f"{D_KEY}.data", [0, 0, 3.0, 2.0, 0]), "cannot be undone"),
    "rectification no rotation": (
        put(f"{VL}.camera_info.rectification_matrix", matrix(3, 3, 2, 0, 0, 0, 1, 0, 0, 0, 1)),
        "rectification_matrix must be a rotation",
    ),
    "rectification mirrors": (
        put(f"{VL}.camera_info.rectification_matrix", matrix(3, 3, -1, 0, 0, 0, 1, 0, 0, 0, 1)),
        "rectification_matrix must be a rotation",
    ),
    "projection is zero": (
        put(f"{VL}.camera_info.projection_matrix", matrix(3, 4, *[0] * 12)),
        "projection_matrix must have the form",
    ),
    "quaternion of zeros": (put(f"{IL}.pose.rotation", [0, 0, 0, 0]), "quaternion x, y, z, w of length 1, not 0"),
    "quaternion is a matrix": (put(f"{IL}.pose.rotation", [1, 0, 0, 0, 1, 0, 0, 0, 1]), "must be a list of 4"),
    "translation in millimetres": (put(f"{IL}.pose.translation", [-40, 5, 10]), "must be in metres"),
    "translation too short": (put(f"{IL}.pose.translation", [0, 0]), "must be a list of 3"),
    "looks the other way": (put(f"{IL}.pose.rotation", [0, 1, 0, 0]), "infrared/left sees nothing"),
    "plane through the camera": (put("plane.distance", 0), "plane.distance must be above 0"),
    "plane behind by distance": (put("plane.distance", -3), "plane.distance must be above 0"),
    "plane distance is nan": (put("plane.distance", float("nan")), "plane.distance must be above 0"),
    "plane behind by normal": (put("plane.normal", [0, 0, -1]), "sees nothing"),
    "plane between the cameras": (
        lambda data: (put("plane.distance", 0.5)(data), put(f"{IL}.pose.translation", [0, 0, 0.6])(data)),
        "plane lies behind or through the camera infrared/left",
    ),
    "plane normal is zero": (put("plane.normal", [0, 0, 0]), "plane.normal must not be zero"),
    "plane is a number": (put("plane", 30), "plane must be a mapping"),
}


@pytest.mark.parametrize("case", ABSURD)
@pytest.mark.filterwarnings("error")
def test_absurd_files_get_one_clear_sentence(tmp_path: Path, case: str) -> None:
    edit, message = ABSURD[case]
    data = rig_data()
    edit(data)
    path = written(tmp_path, data)
    with pytest.raises(RigError) as caught:
        load_rig(path)
    text = str(caught.value)
    assert message in text
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    "data",
    [[0.0] * 9, [1, 2, 3, 2, 4, 6, 0, 0, 1], [1, 0, 5, 0, 1, 5, 0, 0, 0], [1, 0, 5, 0, 0, 0, 0, 0, 1]],
)
def test_singular_homography(tmp_path: Path, data: list[float]) -> None:
    rig = rig_data()
    del rig[IL]["pose"]
    rig[IL]["homography"] = matrix(3, 3, *data)
    with pytest.raises(RigError, match=r"infrared/left\.homography is singular"):
        load_rig(written(tmp_path, rig))


def test_homography_in_the_wrong_direction_or_off_the_image(tmp_path: Path) -> None:
    rig = rig_data()
    del rig[IL]["pose"]
    rig[IL]["homography"] = matrix(3, 3, 1, 0, 5000, 0, 1, 0, 0, 0, 1)
    with pytest.raises(RigError, match=r"infrared/left sees nothing.*homography"):
        load_rig(written(tmp_path, rig))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("a: [1, 2", r"is not YAML: .*line"),
        ("\x00\x01\x02", "is not a YAML rig file"),
        ("[" * 600, "is not a YAML rig file"),
        ("a: &x [1]\nb: *x", "anchors and aliases"),
        ("plane: {distance: 1}\nplane: {distance: 2}", "'plane' is there twice"),
        ("when: 2020-99-99", "is not a YAML rig file"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("x" * 70000, "larger than 64 KiB"),
    ],
)
def test_files_that_are_no_rig_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RigError, match=message) as caught:
        load_rig(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_binary_missing_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    for bad in (path, tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(RigError, match="rig file") as caught:
            load_rig(bad)
        assert str(bad) in str(caught.value)
