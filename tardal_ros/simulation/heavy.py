"""Buses and trucks: boxes with wheels, windows and warm ends."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from tardal_ros.simulation.car import darker, pane_warmth, reflection
from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Mask, Point
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import Mural, plain, shining
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.styles import Styles, pick

Size = tuple[float, float, float]

_METRE = 44.0


def build_bus(rng: np.random.Generator, climate: Climate, styles: Styles) -> tuple[Mesh, Size]:
    """A city bus that faces +y, its middle above the origin; also its length, width and height."""
    size = (float(rng.uniform(10.5, 12.0)), 2.5, float(rng.uniform(2.95, 3.2)))
    hue = pick(rng, styles.liveries)
    wheels, ad = (2.5, size[0] - 2.9), pick(rng, styles.adverts)
    right, left = (_bus_side(rng, climate, size, hue, ad, mirror) for mirror in (False, True))
    front, rear = _bus_end(rng, climate, styles, size, hue, True), _bus_end(rng, climate, styles, size, hue, False)
    return Mesh.of(_box(rng, climate, 0.5 * size[0], size, (right, left.mirrored()), wheels, front, rear, hue)), size


def build_truck(rng: np.random.Generator, climate: Climate, styles: Styles) -> tuple[Mesh, Size]:
    """A truck with a box body that faces +y, its middle above the origin; also its length, width and height."""
    length, height = float(rng.uniform(6.6, 8.4)), float(rng.uniform(3.1, 3.6))
    size = (length, 2.4, height)
    hue, cab_hue = pick(rng, styles.liveries), pick(rng, styles.liveries)
    cab, body = (2.0, 2.2, 2.5), (length - 2.15, 2.4, height)
    ad = pick(rng, styles.adverts)
    right, left = (_truck_side(rng, climate, body, hue, ad, mirror) for mirror in (False, True))
    back = _cargo_end(rng, climate, body)
    faces = _box(
        rng, climate, -0.5 * length + body[0], body, (right, left.mirrored()), (1.1, body[0] - 0.4), back, back, hue
    )
    cab_side = _cab_side(rng, climate, cab, cab_hue)
    front = _bus_end(rng, climate, styles, cab, cab_hue, True)
    faces += _box(
        rng, climate, 0.5 * length, cab, (cab_side, cab_side.mirrored()), (cab[0] - 0.75,), front, front, cab_hue
    )
    return Mesh.of(faces), size


def _box(
    rng: np.random.Generator,
    climate: Climate,
    front_at: float,
    size: Size,
    sides: tuple[Skin, Skin],
    wheels: tuple[float, ...],
    front: Skin,
    rear: Skin,
    hue: Colour,
) -> list[Face]:
    """Sides that reach the road, ends that hang above it, and a roof."""
    length, width, height = size
    x, y0, y1, low = 0.5 * width, front_at - length, front_at, 0.38
    warm = climate.apparent(climate.air + 0.7 * climate.sunlit, 0.9, 1.0)
    roof = plain(rng, climate, (width, length), tuple(0.5 + 0.5 * part for part in hue), warm, 0.95)  # type: ignore[arg-type]
    side, other = sides
    tyre = plain(rng, climate, (0.3, 0.5), (0.08, 0.08, 0.08), climate.air + 9.0, 0.2)
    tyres = [
        Face((left, y, 0.5), (0.3, 0.0, 0.0), (0.0, 0.0, -0.5), tyre, True)
        for left, y in itertools.product((-x + 0.02, x - 0.32), (y0 + wheel for wheel in wheels))
    ]
    return [
        *tyres,
        Face((x, y0, height), (0.0, length, 0.0), (0.0, 0.0, -height), side),
        Face((-x, y1, height), (0.0, -length, 0.0), (0.0, 0.0, -height), other),
        Face((x, y1, height), (-width, 0.0, 0.0), (0.0, 0.0, low - height), front),
        Face((-x, y0, height), (width, 0.0, 0.0), (0.0, 0.0, low - height), rear),
        Face((-x, y1, height), (width, 0.0, 0.0), (0.0, -length, 0.0), roof),
    ]


def _side_easel(rng: np.random.Generator, size: Size) -> Easel:
    return Easel(rng, round(size[0] * _METRE), round(size[2] * _METRE))


def _corners(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(x * _METRE, y * _METRE) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]


def _rectangle(easel: Easel, left: float, top: float, right: float, bottom: float, paint: tuple[Colour, float]) -> None:
    easel.paint(easel.polygon(_corners(left, top, right, bottom)), paint[0], paint[1], 0.03 * _METRE, 0.5)


def _lettered(easel: Easel, text: str, centre: Point, height: float, pen: float, mirror: bool) -> Mask:
    """Printed letters; mirrored where the face will be."""
    mask = easel.text(text, centre, height * _METRE, pen)
    if not mirror:
        return mask
    left, _, width, _ = cv2.boundingRect(mask)
    turned = np.zeros_like(mask)
    turned[:, left : left + width] = mask[:, left : left + width][:, ::-1]
    return turned


def _wheels(easel: Easel, climate: Climate, centres: tuple[float, ...], height: float) -> None:
    for x in centres:
        for radius, colour, warm in (
            (0.54, 0.04, 3.0),
            (0.46, 0.07, 12.0),
            (0.27, 0.36, 18.0),
            (0.22, 0.14, 16.0),
            (0.09, 0.3, 24.0),
        ):
            disc = easel.oval((x * _METRE, (height - 0.46) * _METRE), (radius * _METRE, min(radius, 0.46) * _METRE))
            easel.paint(disc, (colour, colour, colour), climate.air + warm, 0.05 * _METRE, 0.5)


def _bus_side(rng: np.random.Generator, climate: Climate, size: Size, hue: Colour, ad: str, mirror: bool) -> Skin:
    length, _, height = size
    easel = _side_easel(rng, size)
    metal = climate.apparent(climate.air + 2.0 + 0.3 * climate.sunlit, 0.88, 0.4)
    _rectangle(easel, 0.0, 0.0, length, height - 0.32, (hue, metal))
    _rectangle(easel, 0.0, 0.0, length, 0.20, ((0.78, 0.78, 0.78), metal - 1.5))
    _rectangle(easel, 0.0, height - 0.92, length, height - 0.32, (darker(hue, 0.62), metal + 0.5))
    _rectangle(easel, 0.0, height - 0.95, length, height - 0.92, ((0.8, 0.8, 0.8), metal))
    _rectangle(easel, 0.05, height - 1.3, 1.6, height - 0.45, ((0.10, 0.10, 0.10), climate.air + 22.0))
    _rectangle(easel, 0.1, 0.42, length - 0.05, height - 1.32, ((0.06, 0.06, 0.06), climate.air + 1.0))
    panes = int((length - 1.0) / 1.35)
    pitch, doors = (length - 0.7) / panes, (panes - 1, panes // 2)
    sills = [height - (0.45 if pane in doors else 1.38) for pane in range(panes)]
    lefts = [0.35 + pane * pitch for pane in range(panes)]
    panes_of = [_corners(x + 0.05, 0.47, x + pitch - 0.05, y) for x, y in zip(lefts, sills, strict=True)]
    glass = easel.polygon(*panes_of)
    for pane in doors:
        middle = lefts[pane] + 0.5 * pitch
        glass[easel.polygon(_corners(middle - 0.03, 0.47, middle + 0.03, height)) > 0] = 0
    rows, columns = (np.arange(side, dtype=np.float32) * 0.5 / _METRE for side in glass.shape)
    tone = reflection(np.clip(1.0 - (rows[:, None] - 0.47) / 1.2, 0.0, 1.0), columns[None, :])
    lit = (0.42, 0.58, 0.66) if climate.lamps else (0.0, 0.0, 0.0)
    easel.paint(glass, tone, pane_warmth(climate, 0.5) + 1.0, 0.03 * _METRE, 0.5, lit)
    seats = [x + 0.25 * pitch + 0.5 * pitch * n for x in lefts[:-1] for n in range(2) if rng.random() < 0.5]
    heads = easel.ovals([(x * _METRE, 1.05 * _METRE) for x in seats], (0.11 * _METRE, 0.14 * _METRE))
    shoulders = [(x * _METRE, (height - 1.38) * _METRE) for x in seats]
    people = (heads | easel.ovals(shoulders, (0.22 * _METRE, 0.42 * _METRE))) & glass
    if people.any():
        easel.paint(people, np.asarray(0.5 * tone, np.float32), pane_warmth(climate, 0.5) + 1.0, 0.1 * _METRE, 0.2)
    letters = _lettered(easel, ad, (0.42 * length * _METRE, (height - 0.64) * _METRE), 0.30, 3.0, mirror)
    easel.paint(letters, (0.9, 0.92, 0.94), metal + 0.5, 0.01, 0.4)
    _wheels(easel, climate, (2.5, length - 2.9), height)
    return shining(easel.finish(), climate, 0.5)


def _truck_side(rng: np.random.Generator, climate: Climate, size: Size, hue: Colour, ad: str, mirror: bool) -> Skin:
    length, _, height = size
    easel = _side_easel(rng, size)
    metal = climate.apparent(climate.air + 0.3 * climate.sunlit, 0.88, 0.4)
    _rectangle(easel, 0.0, 0.0, length, height - 0.85, (hue, metal))
    for x in np.arange(0.6, length, 0.6):
        _rectangle(easel, float(x), 0.1, float(x) + 0.04, height - 0.95, (tuple(0.8 * c for c in hue), metal - 0.6))  # type: ignore[arg-type]
    _rectangle(easel, 0.0, height - 0.85, length, height - 0.72, ((0.2, 0.2, 0.2), metal + 1.0))
    _rectangle(easel, 1.9, height - 0.75, length - 0.9, height - 0.35, ((0.28, 0.28, 0.28), metal + 2.0))
    easel.paint(
        _lettered(easel, ad, (0.5 * length * _METRE, 0.4 * height * _METRE), 0.5, 5.0, mirror),
        (0.92, 0.94, 0.95),
        metal,
        0.01,
        0.4,
    )
    _wheels(easel, climate, (1.1, length - 0.4), height)
    return cut_out(easel.finish(), climate, 0.5)


def _cab_side(rng: np.random.Generator, climate: Climate, size: Size, hue: Colour) -> Skin:
    length, _, height = size
    easel = _side_easel(rng, size)
    metal = climate.apparent(climate.air + 6.0 + 0.3 * climate.sunlit, 0.88, 0.4)
    _rectangle(easel, 0.0, 0.0, length, height - 0.4, (hue, metal))
    _rectangle(easel, 0.75, 0.4, length - 0.15, 1.15, ((0.30, 0.27, 0.24), climate.apparent(climate.air, 0.82, 0.6)))
    _rectangle(easel, 0.68, 0.3, 0.71, height - 0.5, (tuple(0.5 * c for c in hue), metal))  # type: ignore[arg-type]
    _rectangle(easel, 0.3, height - 0.75, length - 0.2, height - 0.42, ((0.2, 0.2, 0.2), climate.air + 14.0))
    _wheels(easel, climate, (length - 0.75,), height)
    return cut_out(easel.finish(), climate, 0.5)


def _bus_end(rng: np.random.Generator, climate: Climate, styles: Styles, size: Size, hue: Colour, front: bool) -> Skin:
    _, width, height = size
    mural = Mural(rng, width, height - 0.38, _METRE)
    high = height - 0.38
    metal = climate.apparent(climate.air + (4.0 if front else 12.0), 0.88, 0.3)
    mural.fill((0.0, 0.0, width, high), hue, metal, 0.04)
    mural.fill((0.0, 0.62 * high, width, high), darker(hue, 0.62), metal + 1.0, 0.04)
    mural.fill((0.0, 0.0, width, 0.05), darker(hue, 0.5), metal, 0.04)
    low = high * (0.62 if front else 0.45)
    mural.fill((0.05, 0.04, width - 0.05, low + 0.05), (0.06, 0.06, 0.06), climate.air + 1.0, 0.04)
    pane = (0.12, 0.42, width - 0.12, low)
    rows, columns = mural.window(*pane)
    rise = np.linspace(1.0, 0.0, rows.stop - rows.start, dtype=np.float32)[:, None]
    across = np.linspace(0.0, width, columns.stop - columns.start, dtype=np.float32)[None, :]
    inside = 0.25 * np.array((0.42, 0.58, 0.66), np.float32) if climate.lamps else np.zeros(3, np.float32)
    mural.fill(pane, reflection(rise, across) + inside, pane_warmth(climate, 0.6) + 1.0, 0.03, tuple(inside.tolist()))
    if front:
        for x in (0.30 * width, 0.62 * width):
            mural.fill((x, low - 0.05, x + 0.42, low - 0.02), (0.03, 0.03, 0.03), climate.air, 0.02)
    mural.fill((0.4, 0.08, width - 0.4, 0.36), (0.05, 0.05, 0.05), climate.air + 3.0, 0.02)
    line = pick(rng, styles.lines)
    mural.write(line, (width / 2, 0.22), 0.15, (0.15, 0.7, 0.95), 0.8)
    lit = (0.0, 0.0, 0.0)
    if climate.lamps:
        lit = (0.9, 0.97, 1.0) if front else (0.10, 0.08, 0.95)
    lamp = (0.85, 0.9, 0.92) if front else (0.1, 0.1, 0.65)
    for left in (0.12, width - 0.47):
        warm = climate.air + (24.0 if climate.lamps and front else 6.0)
        mural.fill((left, high - 0.62, left + 0.35, high - 0.42), lamp, warm, 0.02, lit)
    if front:
        mural.fill((0.7, high - 0.75, width - 0.7, high - 0.35), (0.1, 0.1, 0.1), climate.air + 13.0, 0.06)
    else:
        mural.fill((0.5, high - 1.2, width - 0.5, high - 0.5), (0.12, 0.12, 0.12), climate.air + 34.0, 0.1)
    mural.fill((0.0, high - 0.22, width, high), (0.14, 0.14, 0.15), climate.air + 4.0, 0.06)
    mural.fill((width / 2 - 0.26, high - 0.2, width / 2 + 0.26, high - 0.08), (0.86, 0.88, 0.88), climate.air + 2.0)
    return mural.finish(climate, 0.35 if front else 0.75)


def _cargo_end(rng: np.random.Generator, climate: Climate, size: Size) -> Skin:
    _, width, height = size
    mural = Mural(rng, width, height - 0.38, _METRE)
    high = height - 0.38
    metal = climate.apparent(climate.air + 0.3 * climate.sunlit, 0.88, 0.3)
    mural.fill((0.0, 0.0, width, high), (0.62, 0.64, 0.66), metal, 0.07)
    mural.fill((width / 2 - 0.02, 0.1, width / 2 + 0.02, high - 0.5), (0.2, 0.2, 0.2), metal + 0.5)
    for x in (0.3, width - 0.36):
        mural.fill((x, 0.1, x + 0.06, high - 0.5), (0.4, 0.4, 0.42), metal - 1.0)
    mural.fill((0.0, high - 0.45, width, high), (0.13, 0.13, 0.14), climate.air + 3.0, 0.06)
    glow = (0.10, 0.08, 0.95) if climate.lamps else (0.0, 0.0, 0.0)
    for left in (0.08, width - 0.38):
        mural.fill((left, high - 0.36, left + 0.30, high - 0.2), (0.1, 0.1, 0.62), climate.air + 6.0, 0.02, glow)
    mural.fill((width / 2 - 0.26, high - 0.36, width / 2 + 0.26, high - 0.24), (0.86, 0.88, 0.88), climate.air + 1.0)
    return mural.finish(climate, 0.75)
