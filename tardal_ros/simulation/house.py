"""Houses along the street: brick, plaster, windows, shops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import Mural
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.styles import Bond, Casement, Styles, pick
from tardal_ros.simulation.texture import Image, fractal

DEPTH = 11.0

_DENSITY = 40.0


@dataclass(frozen=True)
class _Look:
    """What all walls of a house share.

    Attributes:
        tint: Its colour.
        bond: How its walls are built.
        casement: Its windows.
        frame: Their colour.
        emissivity: Of its walls, whatever their colour.
        leak: By how much its rooms warm its walls.
    """

    tint: Colour
    bond: Bond
    casement: Casement
    frame: Colour
    emissivity: float
    leak: float

    @staticmethod
    def choose(rng: np.random.Generator, styles: Styles) -> _Look:
        tint, bond, casement = pick(rng, styles.walls), pick(rng, styles.bonds), pick(rng, styles.casements)
        emissivity, leak = float(rng.uniform(0.84, 0.96)), float(rng.uniform(-1.2, 2.2))
        return _Look(tint, bond, casement, pick(rng, styles.frames), emissivity, leak)


def build_house(
    rng: np.random.Generator, climate: Climate, styles: Styles, width: float, sunlit: float, left: bool
) -> Mesh:
    """Builds a house whose front starts at the origin and runs along +y.

    Args:
        rng: Chooses what it looks like.
        climate: Light and temperatures.
        styles: Whose walls, windows and shops to take.
        width: Of the front, in metres.
        sunlit: How squarely the sun shines on the front.
        left: Whether it stands to the left of the street, with its front towards +x.
    """
    floors, storey = int(rng.integers(3, 5)), float(rng.uniform(2.8, 3.3))
    height = floors * storey + 0.7
    look = _Look.choose(rng, styles)
    front = _front(rng, climate, styles, (width, height), floors, look, sunlit)
    side = _side(rng, climate, height, look)
    roof = Mural(rng, DEPTH, width, 12.0)
    warm = climate.apparent(climate.air + climate.sunlit, 0.9, 1.0)
    roof.fill((0.0, 0.0, DEPTH, width), pick(rng, styles.roofs), warm, 0.1)
    for _ in range(4):
        x, y = rng.uniform(1.0, DEPTH - 2.5), rng.uniform(1.0, width - 2.0)
        roof.fill((x, y, x + 1.4, y + 1.0), (0.55, 0.56, 0.58), climate.air + 6.0)
    away = -DEPTH if left else DEPTH
    start, along = ((0.0, 0.0), width) if left else ((0.0, width), -width)
    low, down = min(away, 0.0), (0.0, 0.0, -height)
    return Mesh.of(
        [
            Face((*start, height), (0.0, along, 0.0), down, front),
            Face((low, 0.0, height), (DEPTH, 0.0, 0.0), down, side),
            Face((low + DEPTH, width, height), (-DEPTH, 0.0, 0.0), down, side),
            Face((low, width, height), (DEPTH, 0.0, 0.0), (0.0, -width, 0.0), roof.finish(climate, 0.9)),
        ]
    )


def _masonry(rng: np.random.Generator, shape: tuple[int, int], bond: Bond) -> tuple[Image, Image]:
    """Shade and warmth of a wall: courses of brick, or blotchy plaster.

    Colour and emissivity of bricks have little to do with each other, and damp in plaster has nothing to do with paint.
    """
    rows, columns = shape
    if not bond.length:
        blotches = [fractal(rng, shape, float(bond.course), bond.shift, 0.8) for _ in range(2)]
        return 1.0 + 0.05 * blotches[0], 0.2 * blotches[0] + 0.9 * blotches[1]
    v, u = np.arange(rows), np.arange(columns)[None, :]
    course = v // bond.course
    along = u + (bond.shift * course % bond.length)[:, None]
    mortar = (v % bond.course < 1)[:, None] | (along % bond.length < 1)
    tones = rng.standard_normal((2, rows // bond.course + 1, columns // bond.length + 2), np.float32)
    tone, warmth = (each[course[:, None], along // bond.length] for each in tones)
    return np.asarray(1.0 + 0.08 * tone - 0.16 * mortar), np.asarray(0.55 * warmth - 0.5 * mortar)


def _front(
    rng: np.random.Generator,
    climate: Climate,
    styles: Styles,
    size: tuple[float, float],
    floors: int,
    look: _Look,
    sunlit: float,
) -> Skin:
    width, height = size
    mural = Mural(rng, width, height, _DENSITY)
    stored = 0.3 + 0.45 * sunlit  # Walls keep the warmth of hours, wherever the sun stands now.
    wall = climate.apparent(climate.air + 1.5 + look.leak + climate.sunlit * stored, look.emissivity, 0.3)
    shade, warmth = _masonry(rng, mural.shape, look.bond)
    soot = 1.0 - 0.14 * np.linspace(0.0, 1.0, mural.shape[0], dtype=np.float32)[:, None] ** 6
    colour = np.asarray(look.tint, np.float32) * (shade * soot)[..., None]
    uneven = np.float32(0.55 + 0.07 * climate.sunlit)
    mural.fill((0.0, 0.0, width, height), colour, wall + uneven * warmth, 0.07)
    mural.fill((0.0, 0.0, width, 0.28), (0.26, 0.28, 0.32), climate.air - 2.0)
    mural.fill((0.0, 0.28, width, 0.42), tuple(0.55 * part for part in look.tint), wall - 0.7)  # type: ignore[arg-type]
    storey = (height - 0.7) / floors
    columns = max(int(width / rng.uniform(1.9, 2.7)), 2)
    pitch = width / columns
    tall, wide = look.casement.height, min(look.casement.width, pitch - 0.5)
    for floor in range(1, floors):
        bottom = height - floor * storey - 0.75
        for column in range(columns):
            middle = (column + 0.5) * pitch
            _window(mural, climate, look, (middle - wide / 2, bottom - tall, middle + wide / 2, bottom), wall)
    _ground_floor(mural, climate, styles, look, size, storey, wall)
    pipe = float(rng.uniform(0.1, 0.3))
    mural.fill((pipe, 0.3, pipe + 0.09, height), (0.45, 0.46, 0.46), climate.air - 1.0, 0.1)
    return mural.finish(climate, sunlit)


def _ground_floor(
    mural: Mural,
    climate: Climate,
    styles: Styles,
    look: _Look,
    size: tuple[float, float],
    storey: float,
    wall: float,
) -> None:
    (width, height), rng = size, mural.rng
    top = height - storey + 0.25
    if rng.random() < 0.55:
        mural.fill((0.4, top, width - 0.4, top + 0.55), pick(rng, styles.boards), wall + rng.uniform(-2.0, 1.0), 0.02)
        lit = 0.8 if climate.lamps else 0.0
        mural.write(pick(rng, styles.shops), (width / 2, top + 0.27), 0.30, (0.92, 0.95, 0.96), lit)
        for left, right in ((0.6, width / 2 - 0.7), (width / 2 + 0.7, width - 0.6)):
            _window(mural, climate, look, (left, top + 0.75, right, height - 0.45), wall, shop=True)
    else:
        for middle in [*np.arange(1.2, width / 2 - 1.0, 2.2).tolist(), width - 1.5]:
            _window(mural, climate, look, (middle - 0.55, top + 0.4, middle + 0.55, top + 1.8), wall)
    left = width / 2 - 0.5
    mural.fill((left - 0.08, height - 2.25, left + 1.08, height), look.frame, wall + 0.6)
    mural.fill((left, height - 2.15, left + 1.0, height), pick(rng, styles.doors), climate.air + 2.0, 0.05)
    mural.fill((left + 0.2, height - 1.9, left + 0.8, height - 1.1), (0.16, 0.15, 0.14), climate.air - 2.0, 0.05)
    mural.fill((0.0, height - 0.25, width, height), (0.36, 0.37, 0.38), wall - 0.5, 0.1)


def _window(
    mural: Mural,
    climate: Climate,
    look: _Look,
    rectangle: tuple[float, float, float, float],
    wall: float,
    shop: bool = False,
) -> None:
    """Glass hides the room from infrared and mirrors the cold sky; a lit room or goods show in the visible only."""
    left, top, right, bottom = rectangle
    rng = mural.rng
    mural.fill((left - 0.08, top - 0.08, right + 0.08, bottom + 0.08), look.frame, wall + 1.0, 0.03)
    mural.fill((left - 0.14, bottom + 0.04, right + 0.14, bottom + 0.16), (0.60, 0.62, 0.64), wall + 1.6, 0.05)
    part = mural.window(*rectangle)
    rows, columns = part[0].stop - part[0].start, part[1].stop - part[1].start
    ramp = np.linspace(0.0, 1.0, rows, dtype=np.float32)[:, None] * np.ones((1, columns), np.float32)
    mirror = 0.16 + float(rng.uniform(0.1, 0.35)) * (1.0 - ramp)
    glass = mirror[..., None] * np.array((1.0, 0.88, 0.76), np.float32)
    if shop:
        goods = rng.uniform(0.1, 0.8, (4, max(int((right - left) * 4), 2), 3)).astype(np.float32)
        rowwise = np.repeat(goods, -(-rows // 4), axis=0)[:rows]
        glass = 0.5 * glass + 0.45 * np.repeat(rowwise, -(-columns // goods.shape[1]), axis=1)[:, :columns]
    elif rng.random() < 0.5:
        glass[:, : int(columns * rng.uniform(0.15, 0.5))] = rng.uniform(0.4, 0.75)
    glow = np.zeros_like(glass)
    lit = climate.lamps and rng.random() < (0.8 if shop else 0.35)
    if lit:
        glow = glass * 0.5 + np.array((0.30, 0.52, 0.66), np.float32) * np.float32(rng.uniform(0.5, 1.0))
        glow = glow * (0.6 + 0.4 * ramp[..., None])
    # Glass is a poor mirror square on and a better one aslant; it faces half sky, half street.
    cold = climate.apparent(climate.air + (4.0 if lit else 1.0), 0.82, 0.6)
    mural.fill(rectangle, glass, cold + 2.0 * ramp, 0.02, glow)
    wide, tall = right - left, bottom - top
    for part_across in look.casement.upright if not shop else (0.5,):
        x = left + part_across * wide
        mural.fill((x - 0.03, top, x + 0.03, bottom), look.frame, wall, 0.02)
    for part_down in look.casement.level if not shop else (0.25,):
        y = top + part_down * tall
        mural.fill((left, y - 0.03, right, y + 0.03), look.frame, wall, 0.02)


def _side(rng: np.random.Generator, climate: Climate, height: float, look: _Look) -> Skin:
    mural = Mural(rng, DEPTH, height, 20.0)
    bond = look.bond
    coarse = Bond(bond.length // 2, max(bond.course // 2, 2), bond.shift // 2) if bond.length else bond
    shade, warmth = _masonry(rng, mural.shape, coarse)
    wall = climate.apparent(climate.air + 1.0 + look.leak, look.emissivity, 0.3)
    colour = np.asarray(look.tint, np.float32) * shade[..., None]
    mural.fill((0.0, 0.0, DEPTH, height), colour, wall + np.float32(0.7) * warmth, 0.08)
    for x in (2.5, 6.5):
        _window(mural, climate, look, (x, height - 5.0, x + 1.0, height - 3.6), wall)
    return mural.finish(climate, 0.25)
