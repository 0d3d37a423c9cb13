"""Opaque faces, painted part over part in metres."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.skin import Skin, cut_out, painted
from tardal_ros.simulation.texture import Image, fractal


class Mural:
    """Where a face is painted; (0, 0) is its upper left corner, and lengths are in metres."""

    def __init__(self, rng: np.random.Generator, width: float, height: float, density: float) -> None:
        """Prepares an empty wall.

        Args:
            rng: Gives the texture.
            width: In metres.
            height: In metres.
            density: Texels per metre.
        """
        self.rng, self._density = rng, density
        shape = self.shape = max(round(height * density), 2), max(round(width * density), 2)
        self.colour = np.zeros((*shape, 3), np.float32)
        self.heat = np.zeros(shape, np.float32)
        self.light = np.zeros((*shape, 3), np.float32)
        stains, grain = fractal(rng, shape, max(shape) / 2.5, 7, 0.7), rng.standard_normal(shape, np.float32)
        self._wear, self._unevenness = stains + np.float32(0.45) * grain, 11.0 * stains + np.float32(3.0) * grain

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """The texels of a rectangle."""
        edges = (np.array([top, bottom, left, right]) * self._density).round().astype(int)
        return slice(max(edges[0], 0), max(edges[1], edges[0] + 1, 1)), slice(
            max(edges[2], 0), max(edges[3], edges[2] + 1, 1)
        )

    def fill(
        self,
        rectangle: tuple[float, float, float, float],
        colour: Image | Colour,
        heat: Image | float,
        rough: float = 0.06,
        glow: Image | Colour = (0.0, 0.0, 0.0),
    ) -> None:
        """Paints a rectangle.

        Args:
            rectangle: Left, top, right and bottom.
            colour: BGR, 0 to 1.
            heat: Apparent temperature in degrees Celsius.
            rough: How strong stains and grain are.
            glow: Light that comes from there.
        """
        part = self.window(*rectangle)
        shade = np.float32(rough) * self._wear[part] + np.float32(1.0)
        painting = self.colour[part]
        np.multiply(np.asarray(colour, np.float32), shade[..., None], out=painting)
        np.minimum(np.maximum(painting, 0.0, out=painting), 1.0, out=painting)
        self.heat[part] = heat + np.float32(rough) * self._unevenness[part]
        self.light[part] = glow

    def write(self, text: str, centre: tuple[float, float], height: float, colour: Colour, glow: float = 0.0) -> None:
        """Prints letters, which only the visible sees."""
        mask = np.zeros(self.shape, np.uint8)
        scale, pen = height * self._density / 21.0, max(round(0.13 * height * self._density), 1)
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, pen)
        across, down = centre[0] * self._density, centre[1] * self._density
        origin = round(across - width / 2), round(down + height * self._density / 2)
        cv2.putText(mask, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, pen, cv2.LINE_AA)
        alpha = mask[..., None].astype(np.float32) / 255.0
        self.colour += alpha * (np.asarray(colour, np.float32) - self.colour)
        if glow:
            self.light += alpha * np.asarray(colour, np.float32) * np.float32(glow)

    def finish(self, climate: Climate, sunlit: float) -> Skin:
        """The skin."""
        return painted(self.colour, self.heat, climate, sunlit, self.light if self.light.any() else None)


def shining(sprite: Sprite, climate: Climate, sunlit: float) -> Skin:
    """A skin with transparency, parts of which are lit at night."""
    skin = cut_out(sprite, climate, sunlit)
    if sprite.light is None:
        return skin
    own = (np.clip(sprite.light, 0.0, 1.0) * 255.0).astype(np.uint8)
    colour = skin.colour.copy()
    colour[..., :3] = np.maximum(colour[..., :3], np.minimum(own, colour[..., 3:]))
    return Skin(colour, skin.heat, np.minimum(own, colour[..., :3]))


def covering(sprite: Sprite, climate: Climate, sunlit: float) -> Skin:
    """An opaque skin, of a painting without gaps."""
    skin = cut_out(sprite, climate, sunlit)
    return Skin(np.ascontiguousarray(skin.colour[..., :3]), np.ascontiguousarray(skin.heat[..., 0]))


def plain(
    rng: np.random.Generator, climate: Climate, size: tuple[float, float], colour: Colour, heat: float, sunlit: float
) -> Skin:
    """A face of one colour and warmth, a little worn."""
    mural = Mural(rng, *size, 24.0)
    mural.fill((0.0, 0.0, *size), colour, heat, 0.04)
    return mural.finish(climate, sunlit)
