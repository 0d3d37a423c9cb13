"""Blending where infrared ends, so that a half-covered pair fuses without a seam."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

FEATHER = 16.0


class Feather:
    """Fades from the visible luma, where infrared does not see, to what infrared shows, over a few pixels.

    Args:
        mask: (H, W) uint8, non-zero where infrared sees; None where it sees everywhere. A copy of it is kept.
    """

    def __init__(self, mask: Array | None) -> None:
        self._mask = None if mask is None else mask.copy()
        self._weights = None if mask is None or mask.all() else _weights(mask)
        self._nearest = None if mask is None or mask.all() else _nearest(mask)

    def is_of(self, mask: Array | None) -> bool:
        """Whether it was made of the same mask, as on a rig it is for every frame; compared pixel by pixel."""
        if mask is None or self._mask is None:
            return mask is self._mask
        return np.array_equal(mask, self._mask)

    def extend(self, infrared: Array) -> Array:
        """The (H, W) infrared image with, where it does not see, the nearest pixel that it sees: without a border."""
        return infrared if self._nearest is None else infrared.take(self._nearest)

    def blend(self, visible: Array, other: Array) -> Array:
        """The other (H, W) image where infrared sees, the visible luma where it does not, and a ramp between."""
        if self._weights is None:
            return other
        inside, outside = self._weights
        return cv2.blendLinear(other, visible, inside, outside)


def _weights(mask: Array) -> tuple[Array, Array]:
    seen = (mask > 0).astype(np.uint8)
    distance = cv2.distanceTransform(seen, cv2.DIST_L2, 3)
    inside = np.minimum(distance / np.float32(FEATHER), 1.0).astype(np.float32)
    return inside, np.float32(1.0) - inside


def _nearest(mask: Array) -> Array:
    """Which pixel, counted row by row, is the nearest that infrared sees, (H, W); 0 where it sees none at all."""
    seen = mask > 0
    unseen = np.where(seen, 0, 1).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(unseen, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    pixels = np.zeros(labels.max() + 1, np.intp)
    pixels[labels[seen]] = np.flatnonzero(seen)
    nearest: Array = pixels[labels]
    return nearest
