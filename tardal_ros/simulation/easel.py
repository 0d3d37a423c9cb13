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
    """

    colour: Image
    heat: Image


class Easel:
    """Where a sprite is painted, part over part; coordinates and radii are in pixels of the finished sprite."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        shape = (height * _FINER, width * _FINER)
        self._weave = fractal(rng, shape, 6.0 * _FINER, 4, 0.8)
        self._folds = fractal(rng, shape, 0.16 * shape[0], 4, 0.5)
        self._shape = shape
        self.clear()

    def clear(self) -> None:
        """Begins anew, with the same texture."""
        self._colour = np.zeros((*self._shape, 4), np.float32)
        self._heat = np.zeros((*self._shape, 2), np.float32)

    def polygon(self, points: Sequence[Point]) -> Mask:
        """A mask of the inside of a polygon."""
        mask = np.zeros(self._shape, np.uint8)
        cv2.fillPoly(mask, [np.round(np.array(points) * _FINER * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
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
        angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
        return self.polygon([(centre[0] + radii[0] * np.cos(a), centre[1] + radii[1] * np.sin(a)) for a in angles])

    def limb(self, start: Point, end: Point, thick: float, thin: float) -> Mask:
        """A mask of a round-ended limb that tapers from radius `thick` to `thin`."""
        angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        ring = np.column_stack([np.cos(angles), np.sin(angles)])
        outline = np.vstack([ring * thick + start, ring * thin + end]).astype(np.float32)
        return self.polygon([(float(x), float(y)) for x, y in cv2.convexHull(outline).reshape(-1, 2)])

    def paint(
        self, mask: Mask, colour: Image | Colour, warmth: Image | float, roundness: float, texture: float = 1.0
    ) -> None:
        """Covers the mask.

        Args:
            mask: What to cover, 0 or 1.
            colour: BGR, 0 to 1.
            warmth: Apparent temperature in degrees Celsius.
            roundness: Over which distance from the edge it bulges towards the camera.
            texture: Strength of its texture.
        """
        left, top, width, height = cv2.boundingRect(mask)
        part = np.s_[top : top + height, left : left + width]
        cover = mask[part][..., None] > 0
        depth = cv2.distanceTransform(np.pad(mask[part], 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        bulge = np.sqrt(np.clip(depth / (roundness * _FINER), 0.0, 1.0))
        shade = (0.55 + 0.45 * bulge) * (1.0 + texture * (0.07 * self._weave[part] + 0.06 * self._folds[part]))
        tint = np.asarray(colour, np.float32)
        warm = np.broadcast_to(np.asarray(warmth, np.float32), mask.shape)[part]
        warm = warm + 1.5 * (bulge - 1.0) + texture * (0.5 * self._folds[part] + 0.25 * self._weave[part])
        lit = np.clip((tint[part] if tint.ndim > 1 else tint) * shade[..., None], 0.0, 1.0)
        one = np.ones_like(bulge)
        self._colour[part] = np.where(cover, np.dstack([lit, one]), self._colour[part])
        self._heat[part] = np.where(cover, np.dstack([warm, one]), self._heat[part])

    def finish(self) -> Sprite:
        """Averages the painting down to its final size."""
        size = (self._shape[1] // _FINER, self._shape[0] // _FINER)
        colour = cv2.resize(self._colour, size, interpolation=cv2.INTER_AREA)
        heat = cv2.resize(self._heat, size, interpolation=cv2.INTER_AREA)
        return Sprite(np.asarray(colour, np.float32), np.asarray(heat, np.float32))
