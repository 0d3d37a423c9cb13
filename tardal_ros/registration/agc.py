"""Automatic gain control: which raw infrared counts become black and white, steadily from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.types import Array, ToneRange

LOW = 1.0
HIGH = 99.5
SMOOTHING = 0.9
MIN_SPAN = 64.0

MAX_STEP = 0.03
"""How far black and white may each move from one frame to the next, as a part of the range between them.

A pixel of unchanged counts, neither black nor white, thereby changes by at most 255 * 0.03 / (1 - 2 * 0.03) = 8.2
grey levels; only a scene cut changes it by more.
"""

_EIGHT_BIT = ToneRange(0.0, 255.0)
_SAMPLES = 20_000


class Agc:
    """Percentile AGC with temporal smoothing, for raw 16-bit infrared; give it every received frame.

    The range follows the percentiles of each frame exponentially, and by at most `MAX_STEP` a frame, so that a hot
    object that comes or goes does not make the background flicker. Where the range shows at least half of the frame as
    plain black or plain white (another scene, or the counts jumped after a shutter event), there is nothing to keep
    steady and the range is taken anew.
    """

    def __init__(
        self, low: float = LOW, high: float = HIGH, smoothing: float = SMOOTHING, min_span: float = MIN_SPAN
    ) -> None:
        """Sets it up, without a memory.

        Args:
            low: Percentile of the counts that becomes black, 0 to below `high`.
            high: Percentile of the counts that becomes white, up to 100.
            smoothing: How much of the previous range stays at the next frame, 0 (each frame by itself) to below 1.
            min_span: Least number of counts between black and white, so that a flat scene does not show its noise.

        Raises:
            RigError: An argument is out of its range.
        """
        if not 0.0 <= low < high <= 100.0:
            raise RigError(f"AGC percentiles low {low} and high {high} must be 0 <= low < high <= 100")
        if not 0.0 <= smoothing < 1.0:
            raise RigError(f"AGC smoothing {smoothing} must be 0 or more and below 1")
        if not 1.0 <= min_span <= 65535.0:
            raise RigError(f"AGC min_span {min_span} must be 1 to 65535 counts")
        self._percentiles = (low, high)
        self._smoothing = smoothing
        self._min_span = min_span
        self._range: ToneRange | None = None

    def update(self, image: Array) -> ToneRange:
        """Looks at the next frame.

        Args:
            image: (H, W) uint16 counts, or uint8, which needs no AGC.

        Returns:
            The counts that become black and white in this frame; 0 and 255 for uint8.

        Raises:
            RigError: The image is empty or of another type.
        """
        if _is_eight_bit(image):
            return _EIGHT_BIT
        target, median = _tone_range(image, *self._percentiles, self._min_span)
        now = self._range
        if now is None or self._smoothing == 0.0 or not now.low <= median <= now.high:
            self._range = target
        else:
            limit = MAX_STEP * (now.high - now.low)
            self._range = ToneRange(
                now.low + self._step(target.low - now.low, limit), now.high + self._step(target.high - now.high, limit)
            )
        return self._range

    def reset(self) -> None:
        """Forgets earlier frames."""
        self._range = None

    def _step(self, difference: float, limit: float) -> float:
        return min(max((1.0 - self._smoothing) * difference, -limit), limit)


def to_grey8(image: Array, tone: ToneRange | None = None) -> NDArray[np.uint8]:
    """Makes an infrared image eight bits deep.

    Args:
        image: (H, W) uint8 or uint16.
        tone: The counts that become 0 and 255; by default the percentiles of this image alone.

    Returns:
        (H, W) uint8; an 8-bit image is returned as it is.

    Raises:
        RigError: The image is empty or of another type.
    """
    if _is_eight_bit(image):
        return image
    if tone is None:
        tone, _ = _tone_range(image, LOW, HIGH, MIN_SPAN)
    gain = 255.0 / max(tone.high - tone.low, 1.0)
    # convertScaleAbs reflects what is below zero: the saturating subtraction of the next whole count prevents that,
    # and the rest of the offset is then positive.
    floor = float(np.ceil(tone.low))
    grey = cv2.convertScaleAbs(
        cv2.subtract(image, np.array([floor, 0.0, 0.0, 0.0])), alpha=gain, beta=(floor - tone.low) * gain
    )
    return grey.astype(np.uint8, copy=False)


def _is_eight_bit(image: Array) -> bool:
    if image.dtype not in (np.uint8, np.uint16):
        raise RigError(f"infrared images must be 8 or 16 bit unsigned, not {image.dtype}")
    if image.size == 0:
        raise RigError("the infrared image is empty")
    return image.dtype == np.uint8


def _tone_range(image: Array, low: float, high: float, min_span: float) -> tuple[ToneRange, float]:
    """The range of one image and its median count, from a sample of its pixels."""
    stride = max(1, int(np.sqrt(image.size / _SAMPLES)))
    sample = image[::stride, ::stride].ravel()
    ranks = [round(percent / 100.0 * (sample.size - 1)) for percent in (low, 50.0, high)]
    black, median, white = (float(count) for count in np.partition(sample, ranks)[ranks])
    spare = max(min_span - (white - black), 0.0) / 2.0
    return ToneRange(black - spare, white + spare), median
