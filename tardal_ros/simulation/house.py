"""Houses along the street: brick, plaster, windows, shops."""

from __future__ import annotations

import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import Mural
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.texture import Image, fractal

DEPTH = 11.0

_DENSITY = 40.0
_WALLS: tuple[Colour, ...] = (
    (0.36, 0.42, 0.58), (0.62, 0.68, 0.72), (0.50, 0.60, 0.68), (0.42, 0.46, 0.48), (0.58, 0.66, 0.78),
    (0.30, 0.36, 0.50), (0.70, 0.74, 0.76), (0.46, 0.58, 0.60),
)  # fmt: skip
_SHOPS = ("BAKERY", "HOTEL", "CINEMA", "BOOKS", "PHARMACY", "MUSIC", "FLOWERS", "BANK", "CAFE", "TOOLS")


def build_house(
    rng: np.random.Generator, climate: Climate, split: int, width: float, sunlit: float, left: bool
) -> Mesh:
    """Builds a house whose front starts at the origin and runs along +y.

    Args:
        rng: Chooses what it looks like.
        climate: Light and temperatures.
        split: Whose walls and shops to take.
        width: Of the front, in metres.
        sunlit: How squarely the sun shines on the front.
        left: Whether it stands to the left of the street, with its front towards +x.
    """
    floors, storey = int(rng.integers(2, 5)), float(rng.uniform(2.8, 3.3))
    height = floors * storey + 0.7
    tint = _WALLS[split::2][int(rng.integers(len(_WALLS[split::2])))]
    front = _front(rng, climate, split, (width, height), floors, tint, sunlit)
    side = _side(rng, climate, height, tint)
    roof = Mural(rng, DEPTH, width, 12.0)
    roof.fill(
        (0.0, 0.0, DEPTH, width), (0.34, 0.33, 0.34), climate.apparent(climate.air + climate.sunlit, 0.9, 1.0), 0.1
    )
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


def _masonry(mural: Mural, rng: np.random.Generator, bricks: bool) -> Image:
    """Shade of a wall: courses of brick, or blotchy plaster."""
    rows, columns = mural.shape
    if not bricks:
        return 1.0 + 0.05 * fractal(rng, mural.shape, 60, 6, 0.8)
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    course = np.floor(v / 4.0)
    mortar = (v % 4.0 < 1.0) | ((u + 5.0 * (course % 2)) % 10.0 < 1.0)
    tone = rng.standard_normal((rows // 4 + 1, columns // 10 + 2), np.float32)
    brick = tone[course.astype(int), ((u + 5.0 * (course % 2)) // 10.0).astype(int)]
    return np.asarray(1.0 + 0.08 * brick - 0.16 * mortar, np.float32)


def _front(
    rng: np.random.Generator,
    climate: Climate,
    split: int,
    size: tuple[float, float],
    floors: int,
    tint: Colour,
    sunlit: float,
) -> Skin:
    width, height = size
    mural = Mural(rng, width, height, _DENSITY)
    wall = climate.apparent(climate.air + 1.5 + climate.sunlit * sunlit, 0.94, 0.3)
    shade = _masonry(mural, rng, rng.random() < 0.6)
    soot = 1.0 - 0.14 * np.linspace(0.0, 1.0, mural.shape[0], dtype=np.float32)[:, None] ** 6
    colour = np.asarray(tint, np.float32) * (shade * soot)[..., None]
    mural.fill((0.0, 0.0, width, height), colour, wall + 6.0 * (shade - 1.0), 0.08)
    mural.fill((0.0, 0.0, width, 0.28), (0.26, 0.28, 0.32), climate.air - 2.0)
    mural.fill((0.0, 0.28, width, 0.42), tuple(0.55 * part for part in tint), wall - 0.7)  # type: ignore[arg-type]
    storey = (height - 0.7) / floors
    columns = max(int(width / rng.uniform(1.9, 2.7)), 2)
    pitch = width / columns
    tall, wide = float(rng.uniform(1.35, 1.8)), min(float(rng.uniform(0.9, 1.3)), pitch - 0.5)
    for floor in range(1, floors):
        bottom = height - floor * storey - 0.75
        for column in range(columns):
            middle = (column + 0.5) * pitch
            _window(mural, climate, (middle - wide / 2, bottom - tall, middle + wide / 2, bottom), wall)
    _ground_floor(mural, climate, split, size, storey, wall)
    pipe = float(rng.uniform(0.1, 0.3))
    mural.fill((pipe, 0.3, pipe + 0.09, height), (0.45, 0.46, 0.46), climate.air - 1.0, 0.1)
    return mural.finish(climate, sunlit)


def _ground_floor(
    mural: Mural, climate: Climate, split: int, size: tuple[float, float], storey: float, wall: float
) -> None:
    (width, height), rng = size, mural.rng
    top = height - storey + 0.25
    if rng.random() < 0.55:
        board = rng.uniform(0.08, 0.5, 3)
        hue = (float(board[0]), float(board[1]), float(board[2]))
        mural.fill((0.4, top, width - 0.4, top + 0.55), hue, wall - 1.0, 0.02)
        name = _SHOPS[split::2][int(rng.integers(len(_SHOPS[split::2])))]
        lit = 0.8 if climate.lamps else 0.0
        mural.write(name, (width / 2, top + 0.27), 0.30, (0.92, 0.95, 0.96), lit)
        for left, right in ((0.6, width / 2 - 0.7), (width / 2 + 0.7, width - 0.6)):
            _window(mural, climate, (left, top + 0.75, right, height - 0.45), wall, shop=True)
    else:
        for middle in [*np.arange(1.2, width / 2 - 1.0, 2.2).tolist(), width - 1.5]:
            _window(mural, climate, (middle - 0.55, top + 0.4, middle + 0.55, top + 1.8), wall)
    door = rng.uniform(0.1, 0.45, 3)
    left = width / 2 - 0.5
    mural.fill((left - 0.08, height - 2.25, left + 1.08, height), (0.72, 0.74, 0.75), wall + 0.6)
    hue = (float(door[0]), float(door[1]), float(door[2]))
    mural.fill((left, height - 2.15, left + 1.0, height), hue, climate.air + 2.0, 0.05)
    mural.fill((left + 0.2, height - 1.9, left + 0.8, height - 1.1), (0.16, 0.15, 0.14), climate.air - 2.0, 0.05)
    mural.fill((0.0, height - 0.25, width, height), (0.36, 0.37, 0.38), wall - 0.5, 0.1)


def _window(
    mural: Mural, climate: Climate, rectangle: tuple[float, float, float, float], wall: float, shop: bool = False
) -> None:
    """Glass hides the room from infrared and mirrors the cold sky; a lit room or goods show in the visible only."""
    left, top, right, bottom = rectangle
    rng = mural.rng
    mural.fill((left - 0.08, top - 0.08, right + 0.08, bottom + 0.08), (0.70, 0.73, 0.75), wall + 1.0, 0.03)
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
    middle, third = (left + right) / 2, top + (bottom - top) / 3
    mural.fill((middle - 0.03, top, middle + 0.03, bottom), (0.66, 0.69, 0.71), wall, 0.02)
    mural.fill((left, third - 0.03, right, third + 0.03), (0.66, 0.69, 0.71), wall, 0.02)


def _side(rng: np.random.Generator, climate: Climate, height: float, tint: Colour) -> Skin:
    mural = Mural(rng, DEPTH, height, 20.0)
    shade = _masonry(mural, rng, True)
    wall = climate.apparent(climate.air + 1.0, 0.94, 0.3)
    mural.fill((0, 0, DEPTH, height), np.asarray(tint, np.float32) * shade[..., None], wall + 5.0 * (shade - 1.0), 0.09)
    for x in (2.5, 6.5):
        _window(mural, climate, (x, height - 5.0, x + 1.0, height - 3.6), wall)
    return mural.finish(climate, 0.25)
