"""Fusing at a fraction of the resolution, and the way back up."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

RADIUS = 2
# Variance (squared grey levels) that is added to each guide's: one that varies less counts as flat and guides little.
FLAT = 5.0


def shrink(image: Array, scale: float) -> Array:
    """An (H, W) image at a fraction of its size, at least one pixel."""
    height, width = image.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def guided_upsample(fused: Array, small: tuple[Array, Array], full: tuple[Array, Array]) -> Array:
    """Brings a fused image up to full size, with the fine detail of the two images that it was made of.

    In small windows the fused image is written as a * visible + b * infrared + rest (fast guided filter, He and Sun
    2015, with two guides). The three vary slowly and are interpolated; the images are there at full size. With the
    visible luma alone as guide, what only infrared shows would stay as coarse as it was fused.

    Args:
        fused: (h, w) uint8, fused at the small size.
        small: Visible luma and infrared, (h, w) uint8, that it was fused of.
        full: The same two at full size, (H, W) uint8.

    Returns:
        (H, W) uint8.
    """
    target = fused.astype(np.float32)
    visible, infrared = (image.astype(np.float32) for image in small)
    gains = _gains(target, visible, infrared)
    rest = target - gains[0] * visible - gains[1] * infrared
    size = (full[0].shape[1], full[0].shape[0])
    result: Array = cv2.resize(rest, size, interpolation=cv2.INTER_LINEAR)
    for gain, image in zip(gains, full, strict=True):
        part = cv2.multiply(image, cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR), dtype=cv2.CV_32F)
        result = cv2.add(result, part, dst=result)
    return cv2.convertScaleAbs(np.maximum(result, 0.0, out=result))


def _gains(target: Array, visible: Array, infrared: Array) -> tuple[Array, Array]:
    """What a step of each guide changes in the target: least squares in every window, damped by `FLAT`."""
    mean_t, mean_v, mean_i = _mean(target), _mean(visible), _mean(infrared)
    vv = _mean(visible * visible) - mean_v * mean_v + FLAT
    ii = _mean(infrared * infrared) - mean_i * mean_i + FLAT
    vi = _mean(visible * infrared) - mean_v * mean_i
    vt = _mean(visible * target) - mean_v * mean_t
    it = _mean(infrared * target) - mean_i * mean_t
    determinant = vv * ii - vi * vi
    return _mean((vt * ii - it * vi) / determinant), _mean((it * vv - vt * vi) / determinant)


def _mean(image: Array) -> Array:
    return cv2.boxFilter(image, -1, (2 * RADIUS + 1, 2 * RADIUS + 1), borderType=cv2.BORDER_REFLECT)
