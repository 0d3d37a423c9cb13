"""Small paintings with transparency, in both spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Colour
from tardal_ros.simulation.texture import Image, fractal

Point = tuple[float, float]
Mask = NDArray[np.uint8]

_FINER = 2  # Sprites are drawn this much larger and then averaged down, for smooth edges.


@dataclass(frozen=True, eq=False)
class Sprite:
    """A cut-out painting.

    Attributes:
        colour: (H, W, 4) float32, BGR times alpha, and alpha.
        heat: (H, W, 2) float32, degrees Celsius times alpha, and alpha.
        light: (H, W, 3) float32, light that comes from it, BGR; None for nothing.
    """

    colour: Image
    heat: Image
    light: Image | None = None

    def rows(self, top: int, bottom: int) -> Sprite:
        """A part of it."""
        part = slice(top, bottom)
        return Sprite(self.colour[part], self.heat[part], None if self.light is None else self.light[part])


class Easel:
    """Where a sprite is painted, part over part; coordinates and radii are in pixels of the finished sprite."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        shape = (height * _FINER, width * _FINER)
        weave, folds = fractal(rng, shape, 6.0 * _FINER, 4, 0.8), fractal(rng, shape, 0.16 * shape[0], 4, 0.5)
        self._wear = np.float32(0.07) * weave + np.float32(0.06) * folds
        self._unevenness = np.float32(0.25) * weave + np.float32(0.5) * folds
        self._shape = shape
        self.clear()

    def clear(self) -> None:
        """Begins anew, with the same texture."""
        self._colour = np.zeros((*self._shape, 4), np.float32)
        self._heat = np.zeros((*self._shape, 2), np.float32)
        self._light: Image | None = None

    def polygon(self, *outlines: Sequence[Point]) -> Mask:
        """A mask of the inside of polygons, which do not overlap."""
        mask = np.zeros(self._shape, np.uint8)
        corners = [np.round(np.array(points) * _FINER * 16).astype(np.int32) for points in outlines]
        cv2.fillPoly(mask, corners, 1, cv2.LINE_8, 4)
        return mask

    def text(self, text: str, centre: Point, height: float, thickness: float) -> Mask:
        """A mask of printed letters."""
        mask = np.zeros(self._shape, np.uint8)
        scale, pen = height * _FINER / 21.0, round(thickness * _FINER)
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, pen)
        origin = (round(centre[0] * _FINER - width / 2), round((centre[1] + height / 2) * _FINER))
        cv2.putText(mask, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, pen)
        return mask

    def oval(self, centre: Point, radii: Point) -> Mask:
        """A mask of an ellipse."""
        return self.ovals([centre], radii)

    def ovals(self, centres: Sequence[Point], radii: Point) -> Mask:
        """A mask of equal ellipses, which do not overlap."""
        angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
        ring = [(radii[0] * float(np.cos(angle)), radii[1] * float(np.sin(angle))) for angle in angles]
        return self.polygon(*([(x + dx, y + dy) for dx, dy in ring] for x, y in centres))

    def limb(self, start: Point, end: Point, thick: float, thin: float) -> Mask:
        """A mask of a round-ended limb that tapers from radius `thick` to `thin`."""
        angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        ring = np.column_stack([np.cos(angles), np.sin(angles)])
        outline = np.vstack([ring * thick + start, ring * thin + end]).astype(np.float32)
        return self.polygon([(float(x), float(y)) for x, y in cv2.convexHull(outline).reshape(-1, 2)])

    def paint(
        self,
        mask: Mask,
        colour: Image | Colour,
        warmth: Image | float,
        roundness: float,
        texture: float = 1.0,
        glow: Colour = (0.0, 0.0, 0.0),
    ) -> None:
        """Covers the mask.

        Args:
            mask: What to cover, 0 or 1.
            colour: BGR, 0 to 1.
            warmth: Apparent temperature in degrees Celsius.
            roundness: Over which distance from the edge it bulges towards the camera.
            texture: Strength of its texture.
            glow: Light that comes from it, BGR, 0 to 1.
        """
        left, top, width, height = cv2.boundingRect(mask)
        part = np.s_[top : top + height, left : left + width]
        cover = mask[part]
        depth = cv2.distanceTransform(np.pad(cover, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        bulge = np.sqrt(np.minimum(depth / np.float32(roundness * _FINER), 1.0))
        much = np.float32(texture)
        shade = (0.45 * bulge + 0.55) * (1.0 + much * self._wear[part])
        tint, warm = np.asarray(colour, np.float32), np.asarray(warmth, np.float32)
        lit, felt = np.ones((*cover.shape, 4), np.float32), np.ones((*cover.shape, 2), np.float32)
        lit[..., :3] = (tint[part] if tint.ndim > 1 else tint) * shade[..., None]
        np.minimum(np.maximum(lit, 0.0, out=lit), 1.0, out=lit)
        felt[..., 0] = (warm[part] if warm.ndim > 1 else warm) + 1.5 * (bulge - 1.0) + much * self._unevenness[part]
        cv2.copyTo(lit, cover, self._colour[part])
        cv2.copyTo(felt, cover, self._heat[part])
        if self._light is None and any(glow):
            self._light = np.zeros((*self._shape, 3), np.float32)
        if self._light is not None:
            self._light[part][cover > 0] = glow

    def finish(self) -> Sprite:
        """Averages the painting down to its final size."""
        size = (self._shape[1] // _FINER, self._shape[0] // _FINER)
        colour = cv2.resize(self._colour, size, interpolation=cv2.INTER_AREA)
        heat = cv2.resize(self._heat, size, interpolation=cv2.INTER_AREA)
        light = None
        if self._light is not None:
            light = np.asarray(cv2.resize(self._light, size, interpolation=cv2.INTER_AREA), np.float32)
        return Sprite(np.asarray(colour, np.float32), np.asarray(heat, np.float32), light)
