"""Skins: what a flat face of a thing shows in both spectra, at any size and in any air."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.texture import Image

Bytes = NDArray[np.uint8]

SHADES = 14
"""Into how many steps of distance the air between camera and face is cut."""

_NEAREST, _FARTHEST = 3.0, 220.0


def shade_of(distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """The step of distance, of distances in metres."""
    along = np.log(np.maximum(distance, _NEAREST) / _NEAREST) / np.log(_FARTHEST / _NEAREST)
    return np.asarray(np.clip(along * SHADES, 0, SHADES - 1), np.int64)


def distance_of(shade: int) -> float:
    """The middle distance of a step, in metres."""
    return float(_NEAREST * (_FARTHEST / _NEAREST) ** ((shade + 0.5) / SHADES))


@dataclass(frozen=True, eq=False)
class Air:
    """What lies between the camera and a thing: haze, and at night the reach of our own headlights.

    Attributes:
        climate: The condition.
    """

    climate: Climate

    def visible(self, distance: Image | float) -> tuple[Image, Image, Image]:
        """Of distances: how much light falls on things (1 = as painted), what of it arrives, and the veil before it."""
        through = np.exp(-np.asarray(distance, np.float32) / self.climate.haze)
        beam = np.zeros_like(through)
        if self.climate.lamps and not self.climate.hazard:
            beam = 0.55 * np.exp(-((np.asarray(distance, np.float32) / 26.0) ** 1.2))
        return 1.0 + beam / max(self.climate.ambient), through, self.climate.veil * (1.0 - through)

    def infrared(self, distance: Image | float) -> tuple[Image, Image]:
        """Of distances: what arrives of a thing's warmth, and what the air itself adds."""
        through = np.exp(-np.asarray(distance, np.float32) / self.climate.infrared_haze)
        return through, self.climate.air * (1.0 - through)


@dataclass(frozen=True, eq=False)
class Skin:
    """A painted face.

    Attributes:
        colour: (H, W, 3) uint8, lit, BGR; (H, W, 4) with transparency, multiplied by alpha.
        heat: (H, W) float32, apparent temperature in degrees Celsius; (H, W, 2) with transparency, times alpha.
        glow: (H, W, 3) uint8, what of the colour shines by itself; None for nothing.
    """

    colour: Bytes
    heat: Image
    glow: Bytes | None = None
    _made: dict[tuple[int, ...], NDArray[np.generic]] = field(default_factory=dict)

    @property
    def opaque(self) -> bool:
        """Whether it covers its face all over."""
        return self.heat.ndim == 2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in texels."""
        return self.heat.shape[1], self.heat.shape[0]

    def solid(self) -> Image:
        """(H, W) float32, where there is something solid: what neither spectrum sees through."""
        if self.opaque:
            return np.ones(self.heat.shape, np.float32)
        return np.asarray(np.minimum(self.heat[..., 1], self.colour[..., 3] / 255.0), np.float32)

    def seen(self, halvings: tuple[int, int], shade: int, air: Air) -> Bytes:
        """The colour, its width and height halved so many times, as it arrives through the air; with a rim."""
        key = (0, *halvings, shade)
        if key not in self._made:
            # A negative step means no air at all.
            light, through, veil = (
                (float(part) for part in air.visible(distance_of(shade))) if shade >= 0 else (1, 1, 0)
            )
            colour = self.colour.astype(np.float32)
            cover = colour[..., 3:] / 255.0 if colour.shape[2] == 4 else np.float32(1.0)
            rgb = colour[..., :3]
            glow = 0.0 if self.glow is None else self.glow.astype(np.float32)
            lit = ((rgb - glow) * light + glow) * through + veil * cover
            if colour.shape[2] == 4:
                lit = np.dstack([lit, colour[..., 3]])
            self._made[key] = np.clip(_framed(_halved(lit, halvings), self.opaque) + 0.5, 0, 255).astype(np.uint8)
        return self._made[key]  # type: ignore[return-value]

    def felt(self, halvings: tuple[int, int], shade: int, air: Air) -> Image:
        """The heat, likewise."""
        key = (1, *halvings, shade)
        if key not in self._made:
            through, added = (float(part) for part in air.infrared(distance_of(shade)))
            heat = self.heat * np.float32(through)
            if self.opaque:
                heat = heat + np.float32(added)
            else:
                heat = np.dstack([heat[..., 0] + added * self.heat[..., 1], self.heat[..., 1]]).astype(np.float32)
            self._made[key] = _framed(_halved(heat, halvings), self.opaque)
        return self._made[key]  # type: ignore[return-value]

    def mirrored(self) -> Skin:
        """The same, left and right exchanged."""
        glow = None if self.glow is None else np.ascontiguousarray(self.glow[:, ::-1])
        return Skin(np.ascontiguousarray(self.colour[:, ::-1]), np.ascontiguousarray(self.heat[:, ::-1]), glow)


def cut_out(sprite: Sprite, climate: Climate, sunlit: float = 0.5) -> Skin:
    """A skin with transparency, of a sprite painted in white light."""
    light = np.array([*climate.ambient, 0.0], np.float32) + np.float32(climate.sun * sunlit)
    light[3] = 1.0
    colour = np.clip(sprite.colour * light, 0.0, 1.0) * 255.0 + 0.5
    return Skin(colour.astype(np.uint8), sprite.heat)


def painted(colour: Image, heat: Image, climate: Climate, sunlit: float = 0.5, glow: Image | None = None) -> Skin:
    """An opaque skin.

    Args:
        colour: (H, W, 3), BGR, what white light would show, 0 to 1.
        heat: (H, W), apparent temperature in degrees Celsius.
        climate: Gives the light.
        sunlit: How squarely the sun shines on it, 0 to 1.
        glow: (H, W, 3), light that comes from it, BGR, 0 to 1.
    """
    light = np.array(climate.ambient, np.float32) + np.float32(climate.sun * sunlit)
    lit = colour * light
    if glow is None:
        return Skin((np.clip(lit, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8), np.asarray(heat, np.float32))
    own = (np.clip(glow, 0.0, 1.0) * 255.0).astype(np.uint8)
    total = (np.clip(lit * (1.0 - glow.max(axis=2, keepdims=True)) + glow, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return Skin(total, np.asarray(heat, np.float32), np.minimum(own, total))


def _halved(image: Image, halvings: tuple[int, int]) -> Image:
    size = max(image.shape[1] >> halvings[0], 1), max(image.shape[0] >> halvings[1], 1)
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _overhang() -> int:
    """Whether a warp with a transparent border draws beyond the middle of the last texel; OpenCV's versions differ."""
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    drawn, ones = np.zeros((8, 8), np.uint8), np.ones((4, 4), np.uint8)
    cv2.warpPerspective(ones, half, (8, 8), dst=drawn, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    return int(drawn[2, 4])


_REST = 1 - _overhang()


def _framed(image: Image, opaque: bool) -> Image:
    """A rim, such that opaque faces are drawn all over (`Eye`), and cut-outs end softly."""
    if opaque:
        return np.asarray(cv2.copyMakeBorder(image, 1, _REST, 1, _REST, cv2.BORDER_REPLICATE))
    return np.asarray(cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_CONSTANT))
