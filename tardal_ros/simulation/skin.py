"""Skins: what a flat face of a thing shows in both spectra, at any size and in any air."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.texture import Image

Bytes = NDArray[np.uint8]

AIR_STEPS, AIR_PER_METRE = 2048, 4
"""How finely the air is tabulated by distance."""

SEEN, FELT, SOLID = range(3)
"""What there is to know of a thing: its colours, its apparent temperatures, and where it hides what is behind."""


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

    def table(self, kind: int) -> Image:
        """(`AIR_STEPS`, 3) float32 by distance: light on things, what of it arrives, what the air adds."""
        metres = (np.arange(AIR_STEPS, dtype=np.float32) + 0.5) / AIR_PER_METRE
        if kind == SEEN:
            return np.stack(self.visible(metres), axis=1)
        through, added = self.infrared(metres)
        return np.stack([np.ones_like(through), through, added], axis=1)


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

    @cached_property
    def opaque(self) -> bool:
        """Whether it covers its face all over."""
        return self.heat.ndim == 2

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in texels."""
        return self.heat.shape[1], self.heat.shape[0]

    def texels(self, kind: int, size: tuple[int, int]) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
        """What is drawn, (H, W, channels), and what of it shines by itself.

        Args:
            kind: `SEEN` gives BGRA in uint8; `FELT` in float32 degrees Celsius and how much it covers; `SOLID` in
                float32 how much it covers in both spectra.
            size: Width and height to shrink it to.
        """
        if kind == SEEN:
            return _with_alpha(_shrunk(self.colour, size)), (
                None if self.glow is None else _with_alpha(_shrunk(self.glow, size))
            )
        heat = _shrunk(self.heat, size)
        cover = np.ones_like(heat) if self.opaque else heat[..., 1]
        if kind == FELT:
            return np.dstack([heat if self.opaque else heat[..., 0], cover]).astype(np.float32), None
        if not self.opaque:
            cover = np.minimum(cover, _shrunk(self.colour, size)[..., 3] / np.float32(255.0))
        return np.asarray(cover[..., None], np.float32), None

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


def _shrunk(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _with_alpha(colour: Bytes) -> Bytes:
    return colour if colour.shape[2] == 4 else np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA), np.uint8)
