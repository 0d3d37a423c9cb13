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
        self._partial = mask is not None and not mask.all()
        if mask is not None and self._partial:
            self._unseen, self._nearest = _nearest(mask)
            inside = _inside(mask)
            self._box = _box(inside < 1.0)
            self._inside = inside[self._box].copy()
            self._outside = np.float32(1.0) - self._inside

    def is_of(self, mask: Array | None) -> bool:
        """Whether it was made of the same mask, as on a rig it is for every frame; compared pixel by pixel."""
        if mask is None or self._mask is None:
            return mask is self._mask
        return np.array_equal(mask, self._mask)

    def extend(self, infrared: Array) -> Array:
        """The (H, W) infrared image with, where it does not see, the nearest pixel that it sees: without a border."""
        if not self._partial:
            return infrared
        extended = np.array(infrared, order="C")
        pixels = extended.reshape(-1)
        pixels[self._unseen] = pixels[self._nearest]
        return extended

    def blend(self, visible: Array, other: Array) -> Array:
        """The other (H, W) image where infrared sees, the visible luma where it does not, and a ramp between."""
        if not self._partial:
            return other
        blended: Array = other.copy()
        blended[self._box] = cv2.blendLinear(other[self._box], visible[self._box], self._inside, self._outside)
        return blended


def _inside(mask: Array) -> Array:
    """How far inside the mask each pixel is: 0 outside, 1 from the feather's width on, (H, W) float32."""
    distance = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 3)
    inside: Array = np.minimum(distance / np.float32(FEATHER), 1.0).astype(np.float32)
    return inside


def _box(where: Array) -> tuple[slice, slice]:
    """The rows and columns that hold all true pixels; there is at least one."""
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _nearest(mask: Array) -> tuple[Array, Array]:
    """The pixels that infrared does not see, and the nearest that it sees for each (the first if it sees none).

    Pixels are counted row by row.
    """
    seen = mask > 0
    _, labels = cv2.distanceTransformWithLabels(
        (~seen).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    pixels = np.zeros(labels.max() + 1, np.intp)
    pixels[labels[seen]] = np.flatnonzero(seen)
    return np.flatnonzero(~seen), pixels[labels[~seen]]
