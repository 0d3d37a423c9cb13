"""From what arrives at a sensor to its image: noise, blur, exposure; drift, pattern, dead pixels, the shutter."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.texture import Image

_SHIFTS = 64
_KELVIN = 273.15
COUNTS_PER_KELVIN = 100.0
"""Raw infrared counts are hundredths of a kelvin of apparent temperature."""

SHUTTER_PERIOD = 30.0
"""Seconds from one shutter event of an infrared camera to the next."""

SHUTTER_TIME = 0.4
"""Seconds for which a shutter event freezes the image."""

_TARGET = 154.0
_FLARE = 0.20  # Part of the light that the lens spreads over the whole image, in display values.
_GAINS = 0.6, 2.6


class _Noise:
    """A bank of noise, read through a window that jumps from image to image."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], deviation: float, colours: int = 1) -> None:
        shape = (size[1] + _SHIFTS, size[0] + _SHIFTS, colours)[: 2 + (colours > 1)]
        self._bank = (rng.standard_normal(shape, np.float32) * np.float32(deviation)).round().astype(np.int16)
        self._size, self._seed = size, int(rng.integers(2**31))

    def at(self, time: float) -> NDArray[np.int16]:
        rng = np.random.default_rng([round(time * 1e6) & 0xFFFFFFFF, self._seed])
        x, y = rng.integers(0, _SHIFTS, 2)
        return np.asarray(self._bank[y : y + self._size[1], x : x + self._size[0]], np.int16)


class VisibleSensor:
    """A colour sensor with automatic exposure."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], climate: Climate) -> None:
        """Prepares its noise, and rain on the way to it."""
        self._noise = _Noise(rng, size, climate.visible_noise, 3)
        self._glare = climate.hazard == "glare"
        self._rain = [_streaks(rng, size) for _ in range(6)] if climate.hazard == "rain" else []
        self._cap = 1.9 if climate.lamps and not climate.hazard else _GAINS[1]

    def sense(self, light: Image, time: float) -> NDArray[np.uint8]:
        """The image, (H, W, 3) uint8, of the light (the same) on the sensor's plane."""
        image = cv2.GaussianBlur(light, (3, 3), 0.6)
        if self._rain:
            streaks = self._rain[int(time * 1e3) % len(self._rain)]
            cv2.add(image, cv2.cvtColor(streaks, cv2.COLOR_GRAY2BGR), dst=image)
        if self._glare:
            bright = cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA)
            veil = cv2.GaussianBlur(np.maximum(bright, 150) - np.uint8(150), (0, 0), 9.0)
            spread = cv2.resize(veil, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
            image = cv2.addWeighted(image, 1.0, spread, 1.8, 0.0)
        # Exposure judges a coarse image of the moment; over-exposed lamps count no more than white walls.
        coarse = cv2.resize(image, (32, 24), interpolation=cv2.INTER_AREA)
        mean = max(float(np.minimum(coarse, 200).mean()), 1.0)
        gain = float(np.clip((_TARGET / mean) ** 0.7, _GAINS[0], self._cap))
        exposed = cv2.convertScaleAbs(image, alpha=(1.0 - _FLARE) * gain, beta=_FLARE * gain * mean)
        return np.asarray(cv2.add(exposed, self._noise.at(time), dtype=cv2.CV_8U), np.uint8)


class InfraredSensor:
    """An uncooled thermal sensor of 50 mK, in counts of hundredths of a kelvin."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        """Prepares its noise, its fixed pattern and its dead pixels."""
        self._noise = _Noise(rng, size, 0.05 * COUNTS_PER_KELVIN)
        width, height = size
        columns, pixels = rng.standard_normal((1, width)), rng.standard_normal((height, width))
        self._pattern = (5.0 * columns + 5.0 * pixels).astype(np.float32)
        self._offset = rng.uniform(0.0, SHUTTER_PERIOD)
        self._wander = rng.uniform(0.0, 2.0 * np.pi)
        dead = rng.integers(0, (height, width), (max(width * height // 30000, 1), 2))
        self._dead, self._stuck = (dead[:, 0], dead[:, 1]), rng.choice([27000, 31500], len(dead)).astype(np.uint16)
        self._blur = 0.5 + 0.3 * width / 640.0

    def moment(self, time: float) -> float:
        """The time of what the camera shows: while its shutter is closed, the moment at which it closed."""
        since = (time + self._offset) % SHUTTER_PERIOD
        return max(0.0, time - since) if since < SHUTTER_TIME else time

    def sense(self, warmth: Image, time: float) -> NDArray[np.uint16]:
        """The image, (H, W) uint16, of apparent temperatures (H, W) in degrees Celsius at this `moment`."""
        since = (time + self._offset) % SHUTTER_PERIOD
        grown = 0.35 + 0.65 * since / SHUTTER_PERIOD
        drift = 18.0 * (since / SHUTTER_PERIOD) + 6.0 * np.sin(0.05 * time + self._wander)
        counts = cv2.GaussianBlur(warmth, (0, 0), self._blur) * np.float32(COUNTS_PER_KELVIN)
        counts = cv2.scaleAdd(self._pattern, grown, counts) + np.float32(_KELVIN * COUNTS_PER_KELVIN + drift)
        image = np.asarray(cv2.add(counts, self._noise.at(time), dtype=cv2.CV_16U), np.uint16)
        image[self._dead] = self._stuck
        return image


def _streaks(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Rain of one moment."""
    image = np.zeros((size[1], size[0]), np.uint8)
    for x, y, long in rng.uniform(0.0, 1.0, (int(size[0] * size[1] / 1500), 3)):
        start = (int(x * size[0]), int(y * size[1]))
        end = (start[0] + int(0.008 * size[0]), start[1] + int((0.01 + 0.05 * long) * size[1]))
        cv2.line(image, start, end, int(16 + 40 * long), 1 + (long > 0.8), cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (3, 3), 0.0), np.uint8)
