from types import SimpleNamespace

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.ros import messages
from tardal_ros.types import CameraInfo

K = [500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0]


def camera_info(**changes):
    fields = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.1, -0.2, 0.0, 0.0, 0.0], "k": list(K),
        "r": np.eye(3).ravel().tolist(), "p": [*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0], "binning_x": 0, "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


def region(*values):
    return SimpleNamespace(**dict(zip(("x_offset", "y_offset", "width", "height"), values, strict=True)))


def test_camera_info_is_read_field_by_field():
    info = messages.from_camera_info(camera_info())

    assert (info.width, info.height, info.distortion_model) == (640, 480, "plumb_bob")
    np.testing.assert_array_equal(info.k, np.reshape(K, (3, 3)))
    np.testing.assert_array_equal(info.d, [0.1, -0.2, 0, 0, 0])
    np.testing.assert_array_equal(info.p[:, :3], info.k)


def test_an_uncalibrated_camera_has_no_geometry():
    assert messages.from_camera_info(camera_info(k=[0.0] * 9, p=[0.0] * 12, d=[])) is None


def test_harmless_gaps_are_filled():
    info = messages.from_camera_info(camera_info(r=[0.0] * 9, d=[], distortion_model="", roi=region(0, 0, 640, 480)))

    np.testing.assert_array_equal(info.r, np.eye(3))
    np.testing.assert_array_equal(info.d, np.zeros(5))
    assert info.distortion_model == "plumb_bob"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0}, "0x480"),
        ({"k": [float("nan"), *K[1:]]}, "not finite"),
        ({"d": [float("inf")] * 5}, "not finite"),
        ({"k": [-1.0, *K[1:]]}, "focal lengths of -1"),
        ({"distortion_model": "fisheye62"}, "'fisheye62'"),
        ({"d": [0.1, 0.2, 0.3]}, "3 distortion coefficients"),
        ({"binning_x": 2}, "2x0"),
        ({"roi": region(10, 0, 320, 240)}, "region of interest"),
    ],
)
def test_an_absurd_calibration_is_refused(changes, words):
    with pytest.raises(RigError, match=words):
        messages.from_camera_info(camera_info(**changes))


def test_times_and_headers_keep_every_nanosecond():
    pytest.importorskip("std_msgs.msg")
    header = messages.make_header(1_700_000_000_123_456_789, "eye_optical")

    assert messages.to_stamp_ns(header.stamp) == 1_700_000_000_123_456_789
    assert header.frame_id == "eye_optical"


@pytest.mark.parametrize("stamp", [-1, 2**31 * 1_000_000_000])
def test_a_stamp_that_no_message_holds_is_refused(stamp):
    pytest.importorskip("builtin_interfaces.msg")
    with pytest.raises(RigError, match="1970 and 2038"):
        messages.to_time(stamp)


def test_camera_info_comes_back_from_its_message():
    pytest.importorskip("sensor_msgs.msg")
    info = CameraInfo(640, 480, np.reshape(K, (3, 3)), np.array([0.1, 0.2, 0.0, 0.0]), distortion_model="equidistant")
    back = messages.from_camera_info(messages.to_camera_info(info, messages.make_header(5, "eye")))

    assert (back.width, back.height, back.distortion_model) == (640, 480, "equidistant")
    for name in "kdrp":
        np.testing.assert_array_equal(getattr(back, name), getattr(info, name))


def test_the_definition_of_an_installed_interface_is_found(tmp_path, monkeypatch):
    pytest.importorskip("ament_index_python")
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/rig_msgs").touch()
    (tmp_path / "share/rig_msgs/msg").mkdir(parents=True)
    (tmp_path / "share/rig_msgs/msg/Skew.msg").write_text("float64 seconds\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))

    assert messages.message_definition("rig_msgs/msg/Skew") == "float64 seconds\n"
    for name in ("rig_msgs/msg/Slip", "other_msgs/msg/Skew"):
        with pytest.raises(RigError, match=name):
            messages.message_definition(name)
