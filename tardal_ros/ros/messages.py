"""Times, headers and camera_info: ROS messages to our types and back.

Reading only touches attributes, so it takes the messages of rclpy and those of the rosbags library alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.types import Array, CameraInfo

_DISTORTION_SIZES = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}


def to_stamp_ns(time: Any) -> int:
    """Returns a builtin_interfaces/Time as nanoseconds."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def to_time(stamp: int) -> Any:
    """Returns nanoseconds as a builtin_interfaces/Time.

    Raises:
        RigError: The message cannot hold this time.
    """
    from builtin_interfaces.msg import Time

    seconds, nanoseconds = divmod(int(stamp), 1_000_000_000)
    if not 0 <= seconds < 1 << 31:
        raise RigError(f"A stamp of {stamp} ns does not fit a ROS time; it must lie between 1970 and 2038.")
    return Time(sec=seconds, nanosec=nanoseconds)


def make_header(stamp: int, frame_id: str) -> Any:
    """Returns a std_msgs/Header for a stamp in nanoseconds."""
    from std_msgs.msg import Header

    return Header(stamp=to_time(stamp), frame_id=frame_id)


def from_camera_info(msg: Any) -> CameraInfo | None:
    """Returns the geometry in a sensor_msgs/CameraInfo, None if the camera is uncalibrated (REP-104: K is zero).

    Raises:
        RigError: The calibration is absurd, or holds for another image size than the camera now sends (binning, ROI).
    """
    k, d, r, p = (np.array(getattr(msg, name), np.float64) for name in "kdrp")
    if not k.any():
        return None
    width, height = int(msg.width), int(msg.height)
    if not width or not height:
        raise RigError(f"camera_info has a calibration for {width}x{height} pixels; its size must be the image's.")
    if not all(np.isfinite(values).all() for values in (k, d, r, p)):
        raise RigError("camera_info holds numbers that are not finite; calibrate the camera again.")
    if k[0] <= 0 or k[4] <= 0:
        raise RigError(f"camera_info has focal lengths of {k[0]:g} and {k[4]:g} pixels; both must be above zero.")
    _check_distortion(msg.distortion_model, d)
    _check_full_resolution(msg, width, height)
    # Some drivers leave the rectifying rotation zero, meaning none.
    r = r.reshape(3, 3) if r.any() else np.eye(3)
    return CameraInfo(
        width=width,
        height=height,
        k=k.reshape(3, 3),
        d=d if d.size else np.zeros(5),
        r=r,
        p=p.reshape(3, 4),
        distortion_model=msg.distortion_model or "plumb_bob",
    )


def to_camera_info(info: CameraInfo, header: Any) -> Any:
    """Returns the geometry as a sensor_msgs/CameraInfo."""
    from sensor_msgs.msg import CameraInfo as CameraInfoMsg

    return CameraInfoMsg(
        header=header,
        width=info.width,
        height=info.height,
        distortion_model=info.distortion_model,
        d=[float(value) for value in info.d],
        k=info.k.ravel().astype(float),
        r=info.r.ravel().astype(float),
        p=info.p.ravel().astype(float),
    )


def message_definition(type_name: str) -> str:
    """Returns the .msg text of an installed interface, named as in `vision_msgs/msg/LabelInfo`.

    Raises:
        RigError: The interface's package is not installed.
    """
    from pathlib import Path

    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    package, kind, name = type_name.split("/")
    try:
        return (Path(get_package_share_directory(package)) / kind / f"{name}.msg").read_text(encoding="utf-8")
    except (PackageNotFoundError, OSError):
        raise RigError(f"Interface {type_name} is not installed; source the workspace that holds {package}.") from None


def _check_distortion(model: str, coefficients: Array) -> None:
    if not coefficients.size:
        return
    sizes = _DISTORTION_SIZES.get(model)
    if sizes is None:
        known = ", ".join(_DISTORTION_SIZES)
        raise RigError(f"camera_info has the unknown distortion model {model!r}; use one of {known}.")
    if coefficients.size not in sizes:
        expected = " or ".join(map(str, sizes))
        raise RigError(f"camera_info has {coefficients.size} distortion coefficients, but {model} takes {expected}.")


def _check_full_resolution(msg: Any, width: int, height: int) -> None:
    if max(msg.binning_x, msg.binning_y) > 1:
        raise RigError(
            f"camera_info says that pixels are binned {msg.binning_x}x{msg.binning_y}, which is not supported; "
            "calibrate at the resolution that the camera sends."
        )
    roi = (msg.roi.x_offset, msg.roi.y_offset, msg.roi.width, msg.roi.height)
    if roi not in ((0, 0, 0, 0), (0, 0, width, height)):
        raise RigError(
            f"camera_info has a region of interest {roi}, which is not supported; "
            "calibrate at the region that the camera sends."
        )
