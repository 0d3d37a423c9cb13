"""What a detector may look at: the fused image, one of the spectra it was made of, or all channels of both."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.types import Array, Frame, Fused

INPUTS = ("fused", "visible", "infrared", "stack")
STACK = 4
"""Channels of `stack`: blue, green, red and infrared."""


def look(item: Fused, name: str) -> Array:
    """The image to detect on; the boxes on it are boxes on the fused image, since all lie on the same pixels.

    Args:
        item: A fused image with the pair it was made of. Where it came over a topic it has none, and is itself the
            spectrum asked for.
        name: One of `INPUTS`.

    Returns:
        (H, W) grey, (H, W, 3) BGR, or for `stack` (H, W, 4) BGR and infrared; uint8.

    Raises:
        RigError: A stack is asked for and there is no pair, or its images do not lie on each other.
    """
    if name == "stack":
        return _stack(item)
    return seen(item, name).image


def seen(item: Fused, name: str) -> Frame:
    """The same as a picture for people: of a stack, what they see of it is the fused image."""
    if item.pair is None or name in ("fused", "stack"):
        return item.frame
    return (item.pair.visible if name == "visible" else item.pair.infrared).left


def check_channels(detector: str, channels: int, name: str) -> None:
    """Refuses a detector that cannot look at an input.

    Args:
        detector: Its weights, for the message.
        channels: How many channels it takes; one of three takes grey images too.
        name: One of `INPUTS`.

    Raises:
        RigError: It takes more or fewer channels.
    """
    if channels != STACK and name == "stack":
        raise RigError(
            f"input is `stack`, which has {STACK} channels, but the detector {detector} takes {channels}: give weights "
            "of a four-channel model, or set input to fused, visible or infrared."
        )
    if channels == STACK and name != "stack":
        raise RigError(
            f"The detector {detector} takes {STACK} channels, but input is `{name}`: set input to stack, or give "
            "weights of a three-channel model."
        )


def _stack(item: Fused) -> Array:
    if item.pair is None:
        raise RigError("A stack needs the pair that a fused image was made of, and this one came without: feed pairs.")
    visible, infrared = item.pair.visible.left.image, item.pair.infrared.left.image
    if visible.dtype != np.uint8 or infrared.dtype != np.uint8 or infrared.shape != visible.shape[:2]:
        raise RigError(
            f"A stack takes 8-bit images on the same pixels, not visible {visible.dtype} of shape {visible.shape} and "
            f"infrared {infrared.dtype} of shape {infrared.shape}: register the pair first."
        )
    bgr = cv2.cvtColor(visible, cv2.COLOR_GRAY2BGR) if visible.ndim == 2 else visible
    return np.dstack([bgr, infrared])
