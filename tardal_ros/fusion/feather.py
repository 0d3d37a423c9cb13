"""Blending where infrared ends, so that a half-covered pair fuses without a seam."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

FEATHER = 16.0


class Feather:
    """Fades from the visible luma, where infrared does not see, to what infrared shows, over a few pixels.

    The weights are kept for as long as the mask stays the same, as it does on a rig.
    """

    def __init__(self) -> None:
        self._mask: Array | None = None
        self._weights: tuple[Array, Array] | None = None

    def set_mask(self, mask: Array | None) -> None:
        """Takes the mask of the pair at hand: (H, W), 255 where infrared sees; None where it sees everywhere."""
        if mask is self._mask or (mask is not None and self._mask is not None and np.array_equal(mask, self._mask)):
            return
        self._mask = mask
        self._weights = None if mask is None or mask.all() else _weights(mask)

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
