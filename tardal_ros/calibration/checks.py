"""Refuses geometry that no real camera has, before it turns every image into nonsense."""

from __future__ import annotations

import numpy as np

from tardal_ros.calibration.cameras import COEFFICIENTS, Floats, distort_points, fold_radius, undistort_points
from tardal_ros.calibration.rig import REFERENCE, Rig
from tardal_ros.errors import RigError
from tardal_ros.types import CameraInfo

_LARGEST_SIDE = 16384
_LARGEST_BASELINE = 10.0


def check_camera(info: CameraInfo, where: str) -> None:
    """Checks one camera's geometry.

    Args:
        info: The camera.
        where: What to call it in the error, such as "rig.yaml: infrared/left.camera_info".

    Raises:
        RigError: The first thing that cannot be, named as in a camera_info file.
    """
    sides = (info.width, info.height)
    if not all(0 < side <= _LARGEST_SIDE for side in sides):
        raise RigError(f"{where}: image size {sides[0]}x{sides[1]} must be 1 to {_LARGEST_SIDE} pixels a side")
    if not all(np.isfinite(part).all() for part in (info.k, info.d, info.r, info.p)):
        raise RigError(f"{where} holds a number that is not finite")
    _check_intrinsics(info.k, sides, f"{where}.camera_matrix")
    _check_intrinsics(info.p[:, :3], sides, f"{where}.projection_matrix")
    _check_rotation(info.r, f"{where}.rectification_matrix")
    _check_distortion(info, where)


def _check_rotation(matrix: Floats, where: str) -> None:
    # To the precision of a printed file.
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=5e-3) or np.linalg.det(matrix) < 0:
        raise RigError(f"{where} must be a rotation: orthonormal rows, determinant +1")


def check_rig(rig: Rig, where: str) -> None:
    """Checks how the cameras and the plane lie to each other.

    Raises:
        RigError: A singular homography, an implausible position, a plane that cannot be seen, or a camera that sees
            nothing of the visible image.
    """
    for stream, camera in rig.cameras.items():
        if camera.homography is not None:
            _check_homography(camera.homography, f"{where}: {stream}.homography")
        elif np.linalg.norm(camera.pose.translation) > _LARGEST_BASELINE:
            raise RigError(
                f"{where}: {stream}.pose.translation must be in metres and at most {_LARGEST_BASELINE:g} m long"
            )
        elif 1.0 - camera.pose.translation @ rig.plane < 1e-3:
            raise RigError(f"{where}: plane lies behind or through the camera {stream}; put it in front of all cameras")
    for stream in rig.cameras:
        _check_overlap(rig, stream, where)


def _check_intrinsics(matrix: Floats, size: tuple[int, int], where: str) -> None:
    fx, fy, centre = matrix[0, 0], matrix[1, 1], matrix[:2, 2]
    expected = np.array([[fx, 0.0, centre[0]], [0.0, fy, centre[1]], [0.0, 0.0, 1.0]])
    if not np.allclose(matrix, expected, atol=1e-6):
        raise RigError(f"{where} must have the form [fx, 0, cx, 0, fy, cy, 0, 0, 1]")
    longest = max(size)
    if not (0.05 * longest < fx < 100 * longest and 0.05 * longest < fy < 100 * longest):
        raise RigError(f"{where}: focal lengths {fx:g}, {fy:g} cannot be, in pixels of a {size[0]}x{size[1]} image")
    if np.any(centre < -0.5 * np.array(size)) or np.any(centre > 1.5 * np.array(size)):
        raise RigError(
            f"{where}: principal point {centre[0]:g}, {centre[1]:g} is far off the {size[0]}x{size[1]} image"
        )


def _check_distortion(info: CameraInfo, where: str) -> None:
    counts = COEFFICIENTS.get(info.distortion_model)
    if counts is None:
        raise RigError(f"{where}.distortion_model '{info.distortion_model}' must be one of {', '.join(COEFFICIENTS)}")
    if len(info.d) not in counts:
        raise RigError(
            f"{where}.distortion_coefficients has {len(info.d)} numbers,"
            f" but {info.distortion_model} takes {' or '.join(map(str, counts))}"
        )
    # Corners beyond the fold are masked; a lens that folds before the nearest edge was never calibrated.
    left, top = info.k[0, 2] / info.k[0, 0], info.k[1, 2] / info.k[1, 1]
    right, bottom = info.width / info.k[0, 0] - left, info.height / info.k[1, 1] - top
    if fold_radius(info) < min(left, top, right, bottom):
        raise RigError(
            f"{where}.distortion_coefficients fold the image over inside its edges; calibrate the lens again"
        )

    grid = _grid(info)
    if np.any(np.abs(distort_points(info, undistort_points(info, grid)) - grid) > 0.5):
        raise RigError(f"{where}.distortion_coefficients cannot be undone; calibrate the lens again")


def _check_homography(matrix: Floats, where: str) -> None:
    # Rows and columns are brought to one scale first: pixels make a sound homography look badly conditioned.
    scaled = matrix / np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    scaled = scaled / np.maximum(np.abs(scaled).max(axis=1, keepdims=True), 1e-300)
    if np.linalg.cond(scaled) > 1e6:
        raise RigError(f"{where} is singular; it must take undistorted {REFERENCE} pixels to this camera's, one to one")


def _check_overlap(rig: Rig, stream: str, where: str) -> None:
    """The camera and visible/left must share something, be it one point of a coarse grid."""
    reference, camera = rig.cameras[REFERENCE].info, rig.cameras[stream].info
    pixels = rig.map_pixels(_grid(reference), REFERENCE, stream)
    if not np.any(np.all((pixels >= 0) & (pixels <= [camera.width - 1, camera.height - 1]), axis=-1)):
        raise RigError(
            f"{where}: {stream} sees nothing of what {REFERENCE} sees;"
            " check the direction of its pose or homography, and the plane"
        )


def _grid(info: CameraInfo) -> Floats:
    """(65, 65, 2) pixels all over the image."""
    return np.stack(np.meshgrid(np.linspace(0, info.width - 1, 65), np.linspace(0, info.height - 1, 65)), axis=-1)
