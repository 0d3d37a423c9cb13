"""Boxes drawn on the image, for people to look at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.types import Detections

_Colour = tuple[int, int, int]

# BGR by class id, in the published class order: people, car, bus, lamp, motorcycle, truck.
PALETTE: tuple[_Colour, ...] = tuple(
    (code & 255, code >> 8 & 255, code >> 16) for code in (0xFF0000, 0xC1C337, 0x2FA7B4, 0xF541C4, 0xF84F2C, 0x7D2CC8)
)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: NDArray[np.uint8], detections: Detections) -> NDArray[np.uint8]:
    """Draws boxes with class, track and score onto a copy of the image.

    Args:
        image: (H, W) grey or (H, W, 3) BGR, uint8.
        detections: Boxes in pixels of this image.

    Returns:
        (H, W, 3) BGR, uint8.
    """
    canvas = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else np.array(image, order="C")
    canvas = np.asarray(canvas, np.uint8)
    for index in reversed(range(len(detections))):  # the best on top
        colour = PALETTE[int(detections.class_ids[index]) % len(PALETTE)]
        left, top, right, bottom = (round(float(edge)) for edge in detections.xyxy[index])
        # The edges lie between pixels: the last pixel inside is one before the right and bottom edge.
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, _line_width(canvas))
        _label(canvas, _text(detections, index), (left, top), colour)
    return canvas


def _text(detections: Detections, index: int) -> str:
    name = detections.names[int(detections.class_ids[index])]
    track = detections.track(index)
    return f"{name}{'' if track is None else f' {track}'} {detections.scores[index]:.0%}"


def _label(canvas: NDArray[np.uint8], text: str, corner: tuple[int, int], colour: _Colour) -> None:
    """Writes on a filled ground above the corner, moved so that it stays in the image."""
    scale, pen = _font_scale(canvas), _line_width(canvas, 900)
    (width, height), below = cv2.getTextSize(text, _FONT, scale, pen)
    left = max(0, min(corner[0], canvas.shape[1] - width))
    baseline = max(height, corner[1] - below)
    cv2.rectangle(canvas, (left, baseline - height), (left + width - 1, baseline + below - 1), colour, cv2.FILLED)
    luma = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    cv2.putText(canvas, text, (left, baseline), _FONT, scale, _BLACK if luma > 128 else _WHITE, pen, cv2.LINE_AA)


def _line_width(canvas: NDArray[np.uint8], per: int = 350) -> int:
    return max(1, round(max(int(length) for length in canvas.shape) / per))


def _font_scale(canvas: NDArray[np.uint8]) -> float:
    return max(0.35, max(int(length) for length in canvas.shape) / 2000)
