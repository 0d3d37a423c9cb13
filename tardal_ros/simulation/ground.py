"""The ground, seen from above: road, markings, parking lanes, pavements, and fields beyond the houses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.mesh import Face
from tardal_ros.simulation.skin import Skin, painted
from tardal_ros.simulation.texture import Image, fractal

Mask = NDArray[np.bool_]

TILE = 40.0
"""Metres of street after which the ground repeats."""

KERB, FRONTS = 5.6, 9.6
"""Half the width of the road, and of the street from house to house, in metres."""

_DENSITY = 48.0
_STRIP = 5.0
_FIELD = 40.0


def lay_ground(rng: np.random.Generator, climate: Climate) -> list[Face]:
    """One tile of the street along +y from the origin, and of the fields beside it."""
    colour, heat = _street(rng, climate)
    faces = []
    for index in range(int(TILE / _STRIP)):
        # Row 0 of the painting is the far end of the tile.
        rows = slice(round(index * _STRIP * _DENSITY), round((index + 1) * _STRIP * _DENSITY))
        skin = painted(colour[rows], heat[rows], climate, 0.85)
        far = TILE - index * _STRIP
        faces.append(Face((-FRONTS, far, 0.0), (2 * FRONTS, 0.0, 0.0), (0.0, -_STRIP, 0.0), skin))
    meadow = _meadow(rng, climate)
    for left in (-FRONTS - 2 * _FIELD, -FRONTS - _FIELD, FRONTS, FRONTS + _FIELD):
        faces.append(Face((left, TILE, 0.0), (_FIELD, 0.0, 0.0), (0.0, -TILE, 0.0), meadow))
    return faces


def _meadow(rng: np.random.Generator, climate: Climate) -> Skin:
    side = int(_FIELD * 10)
    rough = fractal(rng, (side, side), 40, 7, 0.85)
    # The tile meets itself mirrored.
    rough = np.concatenate([rough[: side // 2], rough[side // 2 - 1 :: -1][: side - side // 2]])
    rough = np.concatenate([rough[:, : side // 2], rough[:, side // 2 - 1 :: -1][:, : side - side // 2]], axis=1)
    colour = np.array((0.18, 0.36, 0.28), np.float32) * (1.0 + 0.22 * rough[..., None])
    warm = climate.apparent(climate.air + 0.35 * climate.sunlit, 0.97) + 0.8 * rough
    return painted(np.clip(colour, 0, 1).astype(np.float32), warm.astype(np.float32), climate, 0.8)


def _street(rng: np.random.Generator, climate: Climate) -> tuple[Image, Image]:
    rows, columns = round(TILE * _DENSITY), round(2 * FRONTS * _DENSITY)
    y = (TILE - (np.arange(rows, dtype=np.float32) + 0.5) / _DENSITY)[:, None]
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / _DENSITY - FRONTS)[None, :]
    broad, fine = fractal(rng, (rows, columns), 400, 5, 0.7), fractal(rng, (rows, columns), 10, 3, 0.9)
    road = climate.apparent(climate.asphalt, 0.95, 0.6)
    stones = climate.apparent(0.6 * climate.asphalt + 0.4 * climate.air, 0.92, 0.6)
    shade = 1.0 + 0.07 * broad + 0.10 * fine
    colour = np.array((0.38, 0.37, 0.36), np.float32) * shade[..., None]
    uneven = 1.0 + 0.1 * climate.sunlit
    heat = (road + uneven * (0.6 * broad + 0.4 * fine)).astype(np.float32)
    # Wheel tracks are darker and a little warmer; patches and cracks are where the road was mended.
    track = sum(np.exp(-(((np.abs(x) - centre) / 0.28) ** 2)) for centre in (0.95, 2.55))
    colour *= (1.0 - 0.10 * track)[..., None]
    heat += 0.9 * track
    for _ in range(7):
        _patch(rng, colour, heat)
    _cracks(rng, colour, heat)
    _paint(colour, heat, np.abs(x) < 0.07, np.mod(y, 8.0) < 4.0, fine)
    _paint(colour, heat, np.abs(np.abs(x) - 3.45) < 0.06, y > -1.0, fine)
    _paint(colour, heat, (np.abs(x) < 5.2) & (np.mod(x, 1.0) < 0.5), np.abs(y - 31.0) < 1.6, fine)
    _paint(colour, heat, (x > 0.15) & (x < 3.3), np.abs(y - 28.4) < 0.18, fine)
    side = np.abs(x) > KERB
    joints = (np.mod(x, 0.6) < 0.025) | (np.mod(y, 0.6) < 0.025)
    paving = np.array((0.50, 0.53, 0.56), np.float32) * (shade * (1.0 - 0.28 * joints))[..., None]
    colour[:] = np.where(side[..., None], paving, colour)
    heat[:] = np.where(side, stones + uneven * (0.6 * broad + 0.3 * fine - 0.6 * joints), heat)
    kerb = np.abs(np.abs(x) - KERB - 0.08) < 0.09
    colour[:] = np.where(
        kerb[..., None], np.float32(0.62) * (shade * (1.0 - 0.5 * (np.mod(y, 1.0) < 0.03)))[..., None], colour
    )
    heat[:] = np.where(kerb, stones - 1.0 + 0.3 * fine, heat)
    gutter = np.abs(np.abs(x) - KERB + 0.15) < 0.14
    colour *= np.where(gutter, 0.78, 1.0)[..., None].astype(np.float32)
    heat -= np.where(gutter, 0.7, 0.0).astype(np.float32)
    if climate.sun:
        # The houses to the left stand between the road and the sun.
        roofs = np.repeat(rng.uniform(-2.5, 1.5, 8), rows // 8)[:, None]
        shaded = np.clip((roofs - x) / 0.15, 0.0, 1.0).astype(np.float32)
        colour *= (1.0 - 0.5 * shaded)[..., None]
        heat -= 0.35 * climate.sunlit * shaded
    if climate.hazard == "rain":
        # Water darkens, mirrors the sky in patches and evens out warmth.
        puddles = np.clip(broad - 0.6, 0.0, 1.0)
        colour *= 0.72
        colour += 0.45 * puddles[..., None]
        heat = heat * 0.4 + 0.6 * (climate.air + 0.3 * fine)
    return np.clip(colour, 0.0, 1.0).astype(np.float32), np.asarray(heat, np.float32)


def _paint(colour: Image, heat: Image, columns: Mask, rows: Mask, fine: Image) -> None:
    """Worn road paint, as warm as the road to within its brightness."""
    alpha = np.where(columns & rows, np.clip(0.88 - 0.12 * fine, 0.3, 1.0), 0.0).astype(np.float32)
    colour += alpha[..., None] * (np.float32(0.84) - colour)
    heat -= 0.8 * alpha


def _patch(rng: np.random.Generator, colour: Image, heat: Image) -> None:
    height, width = (int(side * _DENSITY) for side in rng.uniform(0.5, 2.5, 2))
    top = int(rng.integers(0, colour.shape[0] - height))
    left = int((FRONTS - 4.5 + 8.0 * rng.random()) * _DENSITY)
    part = np.s_[top : top + height, left : left + width]
    change = float(rng.uniform(-0.25, 0.18))
    colour[part] *= 1.0 + change
    heat[part] -= 3.0 * change


def _cracks(rng: np.random.Generator, colour: Image, heat: Image) -> None:
    lines = np.zeros(heat.shape, np.uint8)
    for _ in range(14):
        steps = rng.normal((0.0, 0.12), (0.22, 0.16), (40, 2)).cumsum(axis=0)
        start = rng.uniform((FRONTS - 4.0, 2.0), (FRONTS + 4.0, TILE - 2.0))
        points = ((start + steps) * _DENSITY).round().astype(np.int32)
        cv2.polylines(lines, [points], False, 255, 2, cv2.LINE_AA)
    alpha = lines.astype(np.float32) / 255.0
    colour *= (1.0 - 0.45 * alpha)[..., None]
    heat += 1.2 * alpha
