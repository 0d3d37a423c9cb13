"""The lens models of sensor_msgs/CameraInfo: from rays to raw pixels and back.

A ray is (x, y) for the direction (x, y, 1) in the camera's optical frame (REP-103: x right, y down, z forward). Pixel
coordinates are OpenCV's: (0, 0) is the centre of the first pixel. Where a lens model has no answer the result is NaN:
polynomials fit to a calibration board fold over further out, and would show the same ray at two pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tardal_ros.types import CameraInfo

Floats = NDArray[np.float64]

COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
"""How many distortion coefficients each model takes."""

_WIDEST = np.radians(89.9)
_TANGENTIAL_STEPS = 10
_PRECISE = 1e-8


def distort_points(info: CameraInfo, rays: Floats) -> Floats:
    """Where the camera images rays.

    Args:
        info: The camera.
        rays: (..., 2) float64 rays.

    Returns:
        (..., 2) float64 raw pixels; NaN beyond the radius at which the lens model folds over.
    """
    x, y = rays[..., 0], rays[..., 1]
    radius = np.hypot(x, y)
    inside = radius <= _radial_table(info)[0][-1]
    scale = np.where(inside, _radial_scale(info, np.where(inside, radius, 0.0)), np.nan)
    dx, dy = _tangential(info, x, y)
    return np.stack([x * scale + dx, y * scale + dy], axis=-1) * _focal(info) + _centre(info)


def undistort_points(info: CameraInfo, pixels: Floats) -> Floats:
    """The rays that a camera images at raw pixels.

    The radial part is inverted by table, which is exact up to the fold; the tangential part by fixed-point iteration.

    Args:
        info: The camera.
        pixels: (..., 2) float64 raw pixels.

    Returns:
        (..., 2) float64 rays; NaN where no ray of the lens model reaches the pixel.
    """
    distorted = (pixels - _centre(info)) / _focal(info)
    radii, images = _radial_table(info)
    tangential = np.zeros_like(distorted)
    rays = distorted
    for _ in range(_TANGENTIAL_STEPS):
        radial = distorted - tangential
        image = np.hypot(radial[..., 0], radial[..., 1])
        radius = np.interp(image, images, radii, right=np.nan)
        rays = radial * np.divide(radius, image, out=np.ones_like(image), where=image > 0)[..., None]
        before, tangential = tangential, np.stack(_tangential(info, rays[..., 0], rays[..., 1]), axis=-1)
        if not np.any(np.abs(tangential - before) > _PRECISE):
            break
    return rays


def fold_radius(info: CameraInfo) -> float:
    """How far from the principal point the lens model folds over, in focal lengths; inf if it never does."""
    radii, images = _radial_table(info)
    return np.inf if radii[-1] >= np.tan(_WIDEST) else float(images[-1])


def _focal(info: CameraInfo) -> Floats:
    return np.array([info.k[0, 0], info.k[1, 1]])


def _centre(info: CameraInfo) -> Floats:
    return np.array([info.k[0, 2], info.k[1, 2]])


def _radial_scale(info: CameraInfo, radius: Floats) -> Floats:
    """Imaged radius over ray radius: Kannala-Brandt for `equidistant`, else OpenCV's (rational) Brown model."""
    if info.distortion_model == "equidistant":
        theta = np.arctan(radius)
        image = theta * np.polyval([*info.d[3::-1], 1.0], theta * theta)
        ratio: Floats = np.divide(image, radius, out=np.ones_like(radius), where=radius > 0)
        return ratio
    k1, k2, _, _, k3, k4, k5, k6 = np.pad(info.d, (0, 8 - len(info.d)))
    r2 = radius * radius
    scale: Floats = np.polyval([k3, k2, k1, 1.0], r2) / np.polyval([k6, k5, k4, 1.0], r2)
    return scale


def _has_tangential(info: CameraInfo) -> bool:
    return info.distortion_model != "equidistant" and bool(np.any(info.d[2:4]))


def _tangential(info: CameraInfo, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if not _has_tangential(info):
        return np.zeros_like(x), np.zeros_like(y)
    p1, p2 = info.d[2:4]
    r2 = x * x + y * y
    return 2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y


def _radial_table(info: CameraInfo) -> tuple[Floats, Floats]:
    """Ray radii and the radii at which they are imaged, both increasing, from the axis to the fold."""
    radii = np.tan(np.linspace(0.0, _WIDEST, 8192))
    with np.errstate(all="ignore"):
        images = radii * _radial_scale(info, radii)
        falling = np.flatnonzero(~(np.diff(images) > 0))
    end = falling[0] + 1 if len(falling) else len(radii)
    return radii[:end], images[:end]
