"""Filters that several methods share: the guided filter, and what it is made of."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array


def box_mean(image: Array, radius: int) -> Array:
    """The mean of (H, W) float32 in windows of 2 * radius + 1 pixels; beyond its border, an image is its reflection."""
    return cv2.boxFilter(image, -1, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)


def guided_filter(guide: Array, image: Array, radius: int, flat: float) -> Array:
    """Smooths an image, but not across the edges of another (He, Sun and Tang, IEEE TPAMI 2013).

    Args:
        guide: (H, W) float32.
        image: (H, W) float32.
        radius: Windows are of 2 * radius + 1 pixels.
        flat: The epsilon of the paper: the variance of the guide, in its units squared, below which it is no edge.

    Returns:
        (H, W) float32.
    """
    mean_guide, mean_image = box_mean(guide, radius), box_mean(image, radius)
    covariance = box_mean(guide * image, radius) - mean_guide * mean_image
    # Rounding must not make it negative.
    variance = np.maximum(box_mean(guide * guide, radius) - mean_guide * mean_guide, 0.0)
    gain = covariance / (variance + np.float32(flat))
    offset = mean_image - gain * mean_guide
    result: Array = box_mean(gain, radius) * guide + box_mean(offset, radius)
    return result
