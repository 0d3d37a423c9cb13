"""Fusing at a fraction of the resolution, and the way back up."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

RADIUS = 2
# Variance (squared grey levels) below which the luma counts as flat and guides nothing.
FLAT = 25.0


def shrink(image: Array, scale: float) -> Array:
    """An (H, W) image at a fraction of its size, at least one pixel."""
    height, width = image.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def guided_upsample(fused: Array, small_luma: Array, luma: Array) -> Array:
    """Brings a fused image up to the size of the visible luma, with the luma's own fine detail.

    The fused image is written as gain * luma + offset + rest, fitted in small windows (fast guided filter, He and Sun
    2015); the three vary slowly and are interpolated, the luma is there at full size. The rest is what the luma cannot
    explain: what infrared added.

    Args:
        fused: (h, w), fused at the small size.
        small_luma: (h, w), the luma at the small size.
        luma: (H, W), the luma at full size.

    Returns:
        (H, W) uint8.
    """
    size = (luma.shape[1], luma.shape[0])
    target = fused.astype(np.float32)
    guide = small_luma.astype(np.float32)
    mean_guide, mean_target = _mean(guide), _mean(target)
    variance = _mean(guide * guide) - mean_guide * mean_guide
    covariance = _mean(guide * target) - mean_guide * mean_target
    gain = _mean(covariance / (variance + FLAT))
    rest = target - gain * guide
    gains, rests = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in (gain, rest))
    full = cv2.add(cv2.multiply(luma, gains, dtype=cv2.CV_32F), rests)
    return cv2.convertScaleAbs(np.maximum(full, 0.0))


def _mean(image: Array) -> Array:
    return cv2.boxFilter(image, -1, (2 * RADIUS + 1, 2 * RADIUS + 1), borderType=cv2.BORDER_REFLECT)
