"""Luma and chroma of the visible image."""

from __future__ import annotations

import cv2

from tardal_ros.types import Array


def luma(visible: Array) -> Array:
    """The Y of an (H, W, 3) BGR image (ITU-R BT.601), (H, W); a grey image is its own luma."""
    if visible.ndim == 2:
        return visible
    return cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY)


def with_luma(visible: Array, old: Array, new: Array) -> Array:
    """The visible image with another luma and its own chroma.

    With Cb and Cr kept, R, G and B each change by just what Y changes. Adding that leaves the image as it was wherever
    the luma did not change, which a way there and back through 8-bit YCbCr would not.

    Args:
        visible: (H, W, 3) BGR, or (H, W) grey.
        old: (H, W), its luma.
        new: (H, W), the luma to give it.

    Returns:
        An image like `visible`.
    """
    if visible.ndim == 2:
        return new
    brighter, darker = cv2.subtract(new, old), cv2.subtract(old, new)
    result = cv2.add(visible, cv2.merge([brighter] * 3))
    return cv2.subtract(result, cv2.merge([darker] * 3), dst=result)
