"""Fusing each pixel by itself."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array


class VisibleMethod:
    """The visible luma as it is: what there is without fusing."""

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Copies the first of two (H, W) uint8 images."""
        return np.array(visible)


class InfraredMethod:
    """Infrared as it is: what there is without fusing."""

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Copies the second of two (H, W) uint8 images."""
        return np.array(infrared)


class AverageMethod:
    """The mean of the two, halves rounded up: what any other method has to beat."""

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        mean: Array = (visible | infrared) - ((visible ^ infrared) >> 1)  # without leaving eight bits
        return mean


class MaximumMethod:
    """The brighter of the two."""

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        return cv2.max(visible, infrared)
