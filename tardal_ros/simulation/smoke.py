"""Smoke: thick in the visible, almost clear in the infrared."""

from __future__ import annotations

import numpy as np

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.styles import Styles, pick
from tardal_ros.simulation.texture import Image, fractal, smoothstep

_SHAPE = (112, 136)
_INFRARED_OPACITY = 0.08
_MOMENTS, _RATE = 64, 12.0


class Smoke:
    """A plume that rises and churns."""

    def __init__(self, rng: np.random.Generator, climate: Climate, styles: Styles) -> None:
        """Prepares its noise."""
        self._climate, self._skins = climate, dict[int, Skin]()
        self._shape = shape = _SHAPE
        self._tint = pick(rng, styles.smoke)
        self._warmth = climate.air + 2.0
        v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        x, y = u / shape[1] * 2.0 - 1.0, v / shape[0]
        spread = 0.80 - 0.25 * y
        self._envelope = 1.6 - 1.6 * (x / spread) ** 2 - 1.6 * ((y - 0.58) / 0.42) ** 4
        self._border = smoothstep(0.0, 0.12, np.minimum(np.minimum(1 - np.abs(x), 2 * y), 3 * (1 - y)))
        self._bank = _endless(fractal(rng, (shape[0] * 5, shape[1] * 2), 0.45 * shape[1], 6, 0.6), shape[0])

    def at(self, time: float) -> Skin:
        """The plume after `time` seconds; it churns in a circle."""
        moment = int(time * _RATE) % _MOMENTS
        if moment not in self._skins:
            self._skins[moment] = cut_out(self._paint(moment), self._climate, 0.5)
        return self._skins[moment]

    def _paint(self, moment: int) -> Sprite:
        height, width = self._shape
        turn = self._bank.shape[0] - height
        rise = moment * turn // _MOMENTS
        slower = (rise + height // 2) % turn
        first = self._bank[rise : rise + height, :width]
        second = self._bank[slower : slower + height, width:]
        density = self._envelope + 0.25 * first + 0.25 * second
        alpha = 0.97 * smoothstep(0.0, 0.75, density) * self._border
        lit = (1.0 + 0.11 * second + 0.08 * first) * alpha
        heat = alpha * np.float32(_INFRARED_OPACITY)
        colour = np.dstack([lit[..., None] * np.array(self._tint, np.float32), alpha]).astype(np.float32)
        return Sprite(colour, np.dstack([heat * np.float32(self._warmth), heat]).astype(np.float32))


def _endless(noise: Image, overlap: int) -> Image:
    """Noise whose last `overlap` rows are its first ones, so that a window can slide down it in a circle."""
    turn = noise.shape[0] - overlap
    weight = np.linspace(0.0, 1.0, overlap, dtype=np.float32)[:, None]
    start = weight * noise[:overlap] + (1.0 - weight) * noise[turn:]
    return np.concatenate([start, noise[overlap:turn], start])
