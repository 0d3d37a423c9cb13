"""The ground, seen from above: road, markings, parking lanes, pavements, and fields beyond the houses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.mesh import Face
from tardal_ros.simulation.skin import Skin, painted
from tardal_ros.simulation.styles import Mending, Paving, Styles, pick
from tardal_ros.simulation.texture import Image, fractal

Mask = NDArray[np.bool_]

TILE = 40.0
"""Metres of street after which the ground repeats."""

KERB, FRONTS = 5.6, 9.6
"""Half the width of the road, and of the street from house to house, in metres."""

_DENSITY = 48.0
_STRIP = 5.0
_FIELD = 40.0


def lay_ground(rng: np.random.Generator, climate: Climate, styles: Styles) -> list[Face]:
    """One tile of the street along +y from the origin, and of the fields beside it."""
    colour, heat = _street(rng, climate, styles)
    faces = []
    for index in range(int(TILE / _STRIP)):
        # Row 0 of the painting is the far end of the tile.
        rows = slice(round(index * _STRIP * _DENSITY), round((index + 1) * _STRIP * _DENSITY))
        skin = painted(colour[rows], heat[rows], climate, 0.85)
        far = TILE - index * _STRIP
        faces.append(Face((-FRONTS, far, 0.0), (2 * FRONTS, 0.0, 0.0), (0.0, -_STRIP, 0.0), skin))
    meadow = _meadow(rng, climate, styles)
    # Two fields on either side; the outer ones are wide, since a drone high up sees far.
    near, wide = FRONTS + _FIELD, 4.0 * _FIELD
    for left, width in ((-near - wide, wide), (-near, _FIELD), (FRONTS, _FIELD), (near, wide)):
        faces.append(Face((left, TILE, 0.0), (width, 0.0, 0.0), (0.0, -TILE, 0.0), meadow))
    return faces


def _meadow(rng: np.random.Generator, climate: Climate, styles: Styles) -> Skin:
    side = int(_FIELD * 10)
    rough = fractal(rng, (side, side), 40, 7, 0.85)
    # The tile meets itself mirrored.
    rough = np.concatenate([rough[: side // 2], rough[side // 2 - 1 :: -1][: side - side // 2]])
    rough = np.concatenate([rough[:, : side // 2], rough[:, side // 2 - 1 :: -1][:, : side - side // 2]], axis=1)
    colour = np.array(pick(rng, styles.meadows), np.float32) * (1.0 + 0.22 * rough[..., None])
    warm = climate.apparent(climate.air + 0.35 * climate.sunlit, 0.97) + 0.8 * rough
    return painted(np.clip(colour, 0, 1).astype(np.float32), warm.astype(np.float32), climate, 0.8)


def _street(rng: np.random.Generator, climate: Climate, styles: Styles) -> tuple[Image, Image]:
    rows, columns = round(TILE * _DENSITY), round(2 * FRONTS * _DENSITY)
    y = (TILE - (np.arange(rows, dtype=np.float32) + 0.5) / _DENSITY)[:, None]
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / _DENSITY - FRONTS)[None, :]
    broad, fine = fractal(rng, (rows, columns), 400, 5, 0.7), fractal(rng, (rows, columns), 10, 3, 0.9)
    damp = fractal(rng, (rows, columns), 260, 6, 0.75)  # What warms unevenly need not look uneven.
    road = climate.apparent(climate.asphalt, 0.95, 0.6)
    shade = 1.0 + 0.035 * broad + 0.055 * fine
    colour = np.array(pick(rng, styles.asphalts), np.float32) * shade[..., None]
    uneven = np.float32(1.0 + 0.1 * climate.sunlit)
    grain = np.roll(fine, (rows // 3, columns // 3), (0, 1))
    heat = road + uneven * (0.2 * broad + 0.6 * damp + 0.45 * grain)
    # Wheel tracks are darker and a little warmer; patches and cracks are where the road was mended.
    track = sum(np.exp(-(((np.abs(x) - centre) / 0.28) ** 2)) for centre in (0.95, 2.55))
    colour *= (1.0 - 0.10 * track)[..., None]
    heat += 0.9 * track
    mending, marking = pick(rng, styles.mendings), pick(rng, styles.markings)
    for _ in range(mending.patches):
        _patch(rng, mending, colour, heat)
    _cracks(rng, mending, colour, heat)
    middle, edge = np.abs(x) < 0.5 * marking.width, np.abs(np.abs(x) - 3.45) < 0.43 * marking.width
    _paint(colour, heat, middle, np.mod(y, marking.dash + marking.gap) < marking.dash, fine)
    _paint(colour, heat, edge, y > -1.0, fine)
    _paint(
        colour, heat, (np.abs(x) < 5.2) & (np.mod(x, marking.stripe) < 0.5 * marking.stripe), _near(y, 31.0, 1.6), fine
    )
    _paint(colour, heat, (x > 0.15) & (x < 3.3), _near(y, 28.4, 0.18), fine)
    _pave(rng, climate, styles, (x, y), colour, heat, shade, uneven * (0.6 * damp + 0.3 * grain))
    if climate.sun:
        # The houses to the left stand between the road and the sun; the ground remembers where their shadow was.
        roofs = np.repeat(rng.uniform(-2.5, 1.5, 8), rows // 8).astype(np.float32)[:, None]
        colour *= (1.0 - 0.30 * np.clip((roofs - x) / 0.15, 0.0, 1.0))[..., None].astype(np.float32)
        heat -= np.float32(0.3 * climate.sunlit) * np.clip((roofs - x - 1.0) / 1.8, 0.0, 1.0).astype(np.float32)
    if climate.hazard == "rain":
        # Water darkens, mirrors the sky in patches and evens out warmth.
        puddles = np.clip(broad - 0.6, 0.0, 1.0)
        colour *= 0.72
        colour += 0.45 * puddles[..., None]
        heat = heat * 0.4 + 0.6 * (climate.air + 0.3 * fine)
    return np.clip(colour, 0.0, 1.0).astype(np.float32), np.asarray(heat, np.float32)


def _near(y: Image, middle: float, half: float) -> Mask:
    return np.asarray(np.abs(y - middle) < half)


def _pave(
    rng: np.random.Generator,
    climate: Climate,
    styles: Styles,
    place: tuple[Image, Image],
    colour: Image,
    heat: Image,
    shade: Image,
    uneven: Image,
) -> None:
    """Pavements, kerbs and gutters on both sides."""
    x, y = place
    stones = climate.apparent(0.6 * climate.asphalt + 0.4 * climate.air, 0.92, 0.6)
    slabs, tint = pick(rng, styles.pavings), np.array(pick(rng, styles.slabs), np.float32)

    def columns(start: float, end: float) -> list[tuple[slice, slice]]:
        """What lies so far from the middle of the street, to the left and to the right."""
        left, right = round((FRONTS - end) * _DENSITY), round((FRONTS - start) * _DENSITY)
        return [np.s_[:, left:right], np.s_[:, heat.shape[1] - right : heat.shape[1] - left]]

    for part in columns(KERB, FRONTS):
        joints = _joints(slabs, x[part], y)
        colour[part] = tint * (shade[part] * (1.0 - 0.28 * joints).astype(np.float32))[..., None]
        heat[part] = stones + uneven[part] - np.float32(0.6) * joints
    for part in columns(KERB, KERB + 0.17):
        worn = np.float32(0.62) * (1.0 - 0.5 * (np.mod(y, 1.0) < 0.03)).astype(np.float32)
        colour[part] = (shade[part] * worn)[..., None]
        heat[part] = stones - 1.0 + 0.5 * uneven[part]
    for part in columns(KERB - 0.29, KERB - 0.01):
        colour[part] *= np.float32(0.78)
        heat[part] -= np.float32(0.7)


def _joints(slabs: Paving, x: Image, y: Image) -> Mask:
    row = np.floor(x / slabs.width)
    along = np.mod(y + slabs.shift * slabs.length * np.mod(row, 2.0), slabs.length)
    return np.asarray((np.mod(x, slabs.width) < 0.025) | (along < 0.025))


def _paint(colour: Image, heat: Image, columns: Mask, rows: Mask, fine: Image) -> None:
    """Worn road paint, as warm as the road to within its brightness."""
    part = np.ix_(rows[:, 0], columns[0])
    alpha = np.clip(0.88 - 0.12 * fine[part], 0.3, 1.0)
    colour[part] += alpha[..., None] * (np.float32(0.84) - colour[part])
    heat[part] -= np.float32(0.8) * alpha


def _patch(rng: np.random.Generator, mending: Mending, colour: Image, heat: Image) -> None:
    height, width = (int(side * _DENSITY) for side in rng.uniform(*mending.size, 2))
    top = int(rng.integers(0, colour.shape[0] - height))
    left = int((FRONTS - 4.5 + 8.0 * rng.random()) * _DENSITY)
    part = np.s_[top : top + height, left : left + width]
    colour[part] *= np.float32(1.0 + rng.uniform(-0.18, 0.14))
    heat[part] += np.float32(rng.uniform(-0.7, 0.9))


def _cracks(rng: np.random.Generator, mending: Mending, colour: Image, heat: Image) -> None:
    lines = np.zeros(heat.shape, np.uint8)
    for _ in range(mending.cracks):
        steps = rng.normal((0.0, 0.12), (0.22, 0.16), (40, 2)).cumsum(axis=0)
        start = rng.uniform((FRONTS - 4.0, 2.0), (FRONTS + 4.0, TILE - 2.0))
        points = ((start + steps) * _DENSITY).round().astype(np.int32)
        cv2.polylines(lines, [points], False, 255, 2, cv2.LINE_AA)
    part = np.nonzero(lines)
    alpha = lines[part].astype(np.float32) / 255.0
    colour[part] *= (1.0 - 0.45 * alpha)[..., None]
    heat[part] += 1.2 * alpha
