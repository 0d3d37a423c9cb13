"""Buses and trucks: boxes with wheels, windows and warm ends."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Mask, Point
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.mural import Mural, plain
from tardal_ros.simulation.skin import Skin, cut_out

Size = tuple[float, float, float]

_LIVERIES: tuple[Colour, ...] = (
    (0.16, 0.16, 0.66), (0.60, 0.36, 0.14), (0.30, 0.55, 0.28), (0.72, 0.74, 0.75), (0.12, 0.58, 0.82),
    (0.40, 0.20, 0.34),
)  # fmt: skip
_ADS = ("FRESH MILK", "CITY TOURS", "RADIO 88", "MUSEUM", "BIG SALE", "GO GREEN")
_LINES = ("12 HARBOUR", "7 STATION", "31 OLD TOWN", "4 PARK")
_METRE = 44.0


def build_bus(rng: np.random.Generator, climate: Climate, split: int) -> tuple[Mesh, Size]:
    """A city bus that faces +y, its middle above the origin; also its length, width and height."""
    size = (float(rng.uniform(10.5, 12.0)), 2.5, float(rng.uniform(2.95, 3.2)))
    hue = _LIVERIES[split::2][int(rng.integers(3))]
    wheels, ad = (2.5, size[0] - 2.9), _ADS[split::2][int(rng.integers(3))]
    right, left = (_bus_side(rng, climate, size, hue, ad, mirror) for mirror in (False, True))
    front, rear = _bus_end(rng, climate, split, size, hue, True), _bus_end(rng, climate, split, size, hue, False)
    return Mesh.of(_box(rng, climate, 0.5 * size[0], size, (right, left.mirrored()), wheels, front, rear, hue)), size


def build_truck(rng: np.random.Generator, climate: Climate, split: int) -> tuple[Mesh, Size]:
    """A truck with a box body that faces +y, its middle above the origin; also its length, width and height."""
    length, height = float(rng.uniform(6.6, 8.4)), float(rng.uniform(3.1, 3.6))
    size = (length, 2.4, height)
    hue, cab_hue = (_LIVERIES[split::2][int(n)] for n in rng.integers(3, size=2))
    cab, body = (2.0, 2.2, 2.5), (length - 2.15, 2.4, height)
    ad = _ADS[split::2][int(rng.integers(3))]
    right, left = (_truck_side(rng, climate, body, hue, ad, mirror) for mirror in (False, True))
    back = _cargo_end(rng, climate, body)
    faces = _box(
        rng, climate, -0.5 * length + body[0], body, (right, left.mirrored()), (1.1, body[0] - 0.4), back, back, hue
    )
    cab_side = _cab_side(rng, climate, cab, cab_hue)
    front = _bus_end(rng, climate, split, cab, cab_hue, True)
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


def _rectangle(easel: Easel, left: float, top: float, right: float, bottom: float, paint: tuple[Colour, float]) -> None:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    mask = easel.polygon([(x * _METRE, y * _METRE) for x, y in corners])
    easel.paint(mask, paint[0], paint[1], 0.03 * _METRE, 0.5)


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
        for radius, colour, warm in ((0.50, 0.06, 3.0), (0.46, 0.13, 12.0), (0.26, 0.5, 20.0), (0.10, 0.2, 26.0)):
            disc = easel.oval((x * _METRE, (height - 0.46) * _METRE), (radius * _METRE, min(radius, 0.46) * _METRE))
            easel.paint(disc, (colour, colour, colour), climate.air + warm, 0.05 * _METRE, 0.5)


def _bus_side(rng: np.random.Generator, climate: Climate, size: Size, hue: Colour, ad: str, mirror: bool) -> Skin:
    length, _, height = size
    easel = _side_easel(rng, size)
    metal = climate.apparent(climate.air + 2.0 + 0.3 * climate.sunlit, 0.88, 0.4)
    glass = climate.apparent(climate.air + 3.0, 0.82, 0.5)
    _rectangle(easel, 0.0, 0.0, length, height - 0.32, (hue, metal))
    _rectangle(easel, 0.0, 0.0, length, 0.22, ((0.8, 0.8, 0.8), metal - 1.5))
    _rectangle(easel, 0.0, height - 1.05, length, height - 0.95, ((0.85, 0.85, 0.85), metal))
    _rectangle(easel, 0.05, height - 1.6, 1.6, height - 0.5, ((0.14, 0.14, 0.14), climate.air + 26.0))
    panes = int((length - 1.0) / 1.35)
    pitch = (length - 0.8) / panes
    for pane in range(panes):
        door = pane in (panes - 1, panes // 2)
        left, bottom = 0.5 + pane * pitch, height - (0.45 if door else 1.35)
        _rectangle(easel, left, 0.5, left + pitch - 0.09, bottom, ((0.22, 0.20, 0.18), glass))
        if climate.lamps:
            _rectangle(easel, left + 0.05, 0.55, left + pitch - 0.14, bottom - 0.3, ((0.6, 0.78, 0.85), glass + 1.0))
    easel.paint(
        _lettered(easel, ad, (0.42 * length * _METRE, (height - 0.72) * _METRE), 0.30, 3.0, mirror),
        (0.9, 0.92, 0.94), metal, 0.01, 0.4,
    )  # fmt: skip
    _wheels(easel, climate, (2.5, length - 2.9), height)
    return cut_out(easel.finish(), climate, 0.5)


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


def _bus_end(rng: np.random.Generator, climate: Climate, split: int, size: Size, hue: Colour, front: bool) -> Skin:
    _, width, height = size
    mural = Mural(rng, width, height - 0.38, _METRE)
    high = height - 0.38
    metal = climate.apparent(climate.air + (4.0 if front else 12.0), 0.88, 0.3)
    mural.fill((0.0, 0.0, width, high), hue, metal, 0.04)
    ramp = np.linspace(0.5, 0.2, mural.shape[0], dtype=np.float32)[:, None, None]
    pane = (0.12, 0.45, width - 0.12, high * (0.62 if front else 0.45))
    rows = mural.window(*pane)[0]
    sky = np.array((1.0, 0.9, 0.8), np.float32) * ramp[: rows.stop - rows.start] * np.float32(0.8)
    mural.fill(pane, sky, climate.apparent(climate.air + 2.0, 0.8, 0.7), 0.03)
    mural.fill((0.4, 0.08, width - 0.4, 0.36), (0.05, 0.05, 0.05), climate.air + 3.0, 0.02)
    line = _LINES[split::2][int(rng.integers(2))]
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
