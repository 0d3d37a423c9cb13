"""What metrics share: masks, and statistics in a window around each pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tardal_ros.types import Array


def as_mask(seen: Array | None) -> Array | None:
    """1 where infrared sees and 0 elsewhere, as OpenCV takes it."""
    return None if seen is None else (seen != 0).view(np.uint8)


def whole_windows(seen: Array | None, size: int) -> Array | None:
    """Where a window of this size has seen pixels only; what is beyond the border of the image does not matter."""
    mask = as_mask(seen)
    return None if mask is None else cv2.erode(mask, np.ones((size, size), np.uint8))


def inside(image: Array, size: int) -> Array:
    """The part where a window of this size does not reach over the border."""
    height, width = image.shape
    margin = size // 2
    return image[margin : max(height - margin, margin), margin : max(width - margin, margin)]


def count(values: Array, mask: Array | None) -> int:
    """How many values a mask leaves."""
    return values.size if mask is None else int(cv2.countNonZero(mask)) if mask.size else 0


def total(values: Array, mask: Array | None) -> float:
    """Sum in double precision, the same wherever the array lies in memory (which OpenCV's are not)."""
    return float((values if mask is None else values * mask).sum(dtype=np.float64))


def mean(values: Array, mask: Array | None) -> float:
    """NaN if no value is left."""
    number = count(values, mask)
    return total(values, mask) / number if number else math.nan


@dataclass(frozen=True, eq=False)
class Local:
    """An image, and its mean and variance in a window around each pixel; mirrored at the borders.

    Attributes:
        image: (H, W) float.
        mean: The same.
        variance: The same.
        kernel: The window, of a column and of a row.
    """

    image: Array
    mean: Array
    variance: Array
    kernel: Array

    @classmethod
    def of(cls, image: Array, kernel: Array) -> Local:
        """Measures an image."""
        means = blur(image, kernel)
        variance = blur(image * image, kernel)
        variance -= means * means
        return cls(image, means, np.maximum(variance, 0.0, out=variance), kernel)

    def covariance(self, other: Local) -> Array:
        """With another image around each pixel."""
        together = blur(self.image * other.image, self.kernel)
        together -= self.mean * other.mean
        return together


def blur(image: Array, kernel: Array) -> Array:
    """The mean in a window around each pixel."""
    return cv2.sepFilter2D(image, -1, kernel, kernel)
