"""Where the visible image of a pair stands out more than the infrared one: the mask of DGFusion's loss."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError

Image = NDArray[np.uint8]

_LEVELS = 256
_STEPS = np.arange(_LEVELS)
_DISTANCES = np.abs(_STEPS[:, None] - _STEPS)


def saliency_table(image: Image) -> NDArray[np.int64]:
    """How far each grey level is from all pixels, `S(k) = sum_i H(i) * |k - i|` (Zhai & Shah, ACM Multimedia 2006).

    Args:
        image: (H, W) uint8.

    Returns:
        (256,), in grey levels times pixels.
    """
    table: NDArray[np.int64] = _DISTANCES @ np.bincount(image.ravel(), minlength=_LEVELS)
    return table


def saliency_mask(visible: Image, infrared: Image) -> Image:
    """Where the visible image stands out at least as much as infrared, and at all.

    The saliency of each picture by `saliency_table` is stretched to [0, 1] over it: s_v and s_t. The masks that
    DGFusion was trained with are `s_v / (s_v - s_t)`, saturated to 8 bits. A weight of the visible image would be
    `s_v / (s_v + s_t)`; by the wrong sign, which TarDAL's paper prints as well, the ratio is 1 or more where s_v > s_t,
    0 or less where s_v < s_t, infinite where both are equal, and 0 / 0 where both are 0. So the published masks are
    binary, 255 where `s_v >= s_t and s_v > 0`, and that is what is computed.

    Nothing stands out of a constant picture: the mask is 0 if the visible one is, and 255 wherever the visible one
    stands out at all if infrared is.

    Args:
        visible: (H, W, 3) BGR or (H, W) grey, uint8; of colours, the mean of the channels counts, rounded.
        infrared: (H, W) uint8, on the visible pixels.

    Returns:
        (H, W) uint8, 255 where the visible image stands out, else 0.

    Raises:
        RigError: The pictures are of different sizes.
    """
    if visible.shape[:2] != infrared.shape:
        have, want = (f"{image.shape[1]}x{image.shape[0]}" for image in (visible, infrared))
        raise RigError(f"The visible image is {have} and infrared {want}: register the two first.")
    grey = visible if visible.ndim == 2 else _mean_of_channels(visible)
    ours, theirs = _stretched(grey), _stretched(infrared)
    # Ranks among the saliencies of the visible image compare like the saliencies themselves, in 8 bits: the image has
    # no more levels, and no pixel of infrared is above its highest, 1. Rank 0 is saliency 0, which never counts.
    ranks = np.unique(ours)
    rank = np.searchsorted(ranks, ours).astype(np.uint8)
    least = np.maximum(np.searchsorted(ranks, theirs), 1).astype(np.uint8)
    return np.asarray(cv2.compare(cv2.LUT(grey, rank), cv2.LUT(infrared, least), cv2.CMP_GE), np.uint8)


def _mean_of_channels(image: Image) -> Image:
    # A third of a whole number is never halfway between two, so that it does not matter which way halves are rounded.
    return np.asarray(cv2.transform(image, np.full((1, 3), 1 / 3)), np.uint8)


def _stretched(image: Image) -> NDArray[np.float64]:
    """The saliency of each grey level: 0 for the least of those in the image, 1 for the highest."""
    table = saliency_table(image)
    # As a sum of distances it is convex: lowest at the median and highest at the darkest or brightest level there is.
    low, high = table.min(), max(table[image.min()], table[image.max()])
    stretched: NDArray[np.float64] = (table - low) / max(high - low, 1)
    return stretched
