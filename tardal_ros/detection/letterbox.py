"""Fitting an image of any size into a network's input, and boxes back onto the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# The grey that ultralytics models are trained to see around an image.
_PADDING = 114


@dataclass(frozen=True)
class Letterbox:
    """Where an image lies inside its padded version.

    Attributes:
        scale: Horizontal and vertical factor from image pixels to padded pixels.
        offset: Padding left of and above the image, in pixels.
    """

    scale: tuple[float, float]
    offset: tuple[int, int]

    def to_image(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps (N, 4) box edges from the padded image onto the image, without clipping them."""
        edges = (np.asarray(xyxy, np.float64) - np.tile(self.offset, 2)) / np.tile(self.scale, 2)
        return np.asarray(edges, np.float32)


def letterbox(
    image: NDArray[np.uint8], size: tuple[int, int], stride: int | None
) -> tuple[NDArray[np.uint8], Letterbox]:
    """Scales an image to fit, keeping its aspect (to the pixel), and pads it evenly with grey.

    Args:
        image: (H, W, C) uint8.
        size: Height and width that the result must not exceed, in pixels.
        stride: Pad each side only to the next multiple of this; None pads to all of `size`.

    Returns:
        The padded image, (h, w, C) uint8, and where the image lies in it.
    """
    height, width = image.shape[:2]
    factor = min(size[0] / height, size[1] / width)
    fitted = max(1, round(height * factor)), max(1, round(width * factor))
    if fitted != (height, width):
        image = np.asarray(cv2.resize(image, fitted[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    target = size if stride is None else (_round_up(fitted[0], stride), _round_up(fitted[1], stride))
    top, left = (target[0] - fitted[0]) // 2, (target[1] - fitted[1]) // 2
    padded = np.full((*target, image.shape[2]), _PADDING, np.uint8)
    padded[top : top + fitted[0], left : left + fitted[1]] = image
    return padded, Letterbox((fitted[1] / width, fitted[0] / height), (left, top))


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
