"""Warping: where every output pixel comes from is computed once, and applied to every frame by one remap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.calibration.cameras import Floats, distort_points, undistort_points
from tardal_ros.calibration.rig import Rig
from tardal_ros.types import Array, CameraInfo, freeze

_SUBPIXELS = 32
"""cv2.remap's fixed-point maps hold 1/32 pixels."""


class Warp:
    """A fixed-point map, precomputed once.

    Attributes:
        mask: (H, W) uint8, read-only; 255 where the input image really shows that output pixel: what would be
            interpolated with the outside counts as not seen.
    """

    def __init__(self, pixels: Floats, size: tuple[int, int]) -> None:
        """Precomputes it.

        Args:
            pixels: (H, W, 2) float64, the input pixel that each output pixel shows; NaN or outside where there is none.
            size: Width and height of the input image.
        """
        rounded = np.rint(pixels * _SUBPIXELS) / _SUBPIXELS
        seen = np.all((rounded >= 0) & (rounded <= np.array(size) - 1), axis=-1)
        # Two pixels outside, even interpolation finds nothing but the border.
        inside = np.where(seen[..., None], rounded, -2.0).astype(np.float32)
        self._map = cv2.convertMaps(inside[..., 0], inside[..., 1], cv2.CV_16SC2)
        self.mask: NDArray[np.uint8] = freeze(seen.astype(np.uint8) * np.uint8(255))

    def apply(self, image: Array) -> Array:
        """Warps one image; where the mask is 0 the result is 0.

        Args:
            image: (H', W') or (H', W', 3) of the size the map was made for.

        Returns:
            (H, W) or (H, W, 3) of the same type, read-only.
        """
        whole, fraction = self._map
        return freeze(cv2.remap(image, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT))


def rectifying_warp(info: CameraInfo) -> Warp:
    """The map from a camera's raw image to its rectified one."""
    return Warp(distort_points(info, pixel_rays(info, rectify=True)), (info.width, info.height))


def registering_warp(rig: Rig, infrared: str, visible: str, rectify: bool) -> Warp:
    """The map from a raw infrared image onto the pixels of a visible one: both lenses and the plane in one step.

    Args:
        rig: The rig.
        infrared: Stream of the infrared camera.
        visible: Stream of the visible camera.
        rectify: Whether onto the visible camera's rectified pixels instead of its raw ones.
    """
    source = rig.cameras[infrared].info
    rays = pixel_rays(rig.cameras[visible].info, rectify)
    pixels = distort_points(source, rig.transfer(rays, visible, infrared))
    return Warp(pixels, (source.width, source.height))


def pixel_rays(info: CameraInfo, rectify: bool) -> Floats:
    """The ray of every pixel of a camera's raw or rectified image.

    Returns:
        (H, W, 2) float64 rays in the camera's optical frame (not the rectified one); NaN where there is none.
    """
    columns, rows = np.meshgrid(np.arange(info.width, dtype=np.float64), np.arange(info.height, dtype=np.float64))
    if not rectify:
        return undistort_points(info, np.stack([columns, rows], axis=-1))
    # Rectified pixels are P R ray (REP-104).
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(info.p[:, :3] @ info.r).T
    depth = np.where(rays[..., 2] > 1e-9, rays[..., 2], np.nan)
    result: Floats = rays[..., :2] / depth[..., None]
    return result
