"""The sky and what stands at its foot, infinitely far: hills, woods and roofs."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.styles import Clouds, Styles, pick
from tardal_ros.simulation.texture import Image, fractal, smoothstep

_Number = TypeVar("_Number", np.uint8, np.float32)

_WIDTH, _PER_TANGENT = 1400, 700.0
_TOP, _BOTTOM = 0.75, -1.5
_DETAILED = -0.15  # Below this tangent of elevation there is nothing but a field, which the ground hides.


def hang_sky(rng: np.random.Generator, climate: Climate, styles: Styles) -> Mesh:
    """Four walls around the world's origin, to be seen from there."""
    front = _panel(rng, climate, styles)
    side = front.mirrored()
    drop = (0.0, 0.0, _BOTTOM - _TOP)
    return Mesh.of(
        [
            Face((-1.0, 1.0, _TOP), (2.0, 0.0, 0.0), drop, front, True),
            Face((1.0, 1.0, _TOP), (0.0, -2.0, 0.0), drop, side, True),
            Face((1.0, -1.0, _TOP), (-2.0, 0.0, 0.0), drop, front, True),
            Face((-1.0, -1.0, _TOP), (0.0, 2.0, 0.0), drop, side, True),
        ]
    )


def _panel(rng: np.random.Generator, climate: Climate, styles: Styles) -> Skin:
    rows = round((_TOP - _DETAILED) * _PER_TANGENT)
    rise = (_TOP - (np.arange(rows, dtype=np.float32) + 0.5) / _PER_TANGENT)[:, None]
    height = np.clip(rise / _TOP, 0.0, 1.0)
    colour, cover = _heaven(rng, climate, styles, height)
    clear = climate.air - 2.0 + np.minimum(1.0, 1.5 * height) ** 0.45 * (climate.zenith - climate.air + 2.0)
    heat = clear + cover * (0.35 + 0.5 * climate.clouds) * (climate.air - 3.0 - clear)
    # At the foot: hills, then woods and roofs, then fields, with ever less air between.
    for ridge, tint, warmth, rough in _skyline(rng, climate, styles):
        part = np.s_[int(np.argmax(rise < ridge.max() + 0.002)) :]
        mask = smoothstep(-0.0012, 0.0012, ridge - rise[part])
        grain = fractal(rng, (len(mask), _WIDTH), 24, 5, 0.8) * np.float32(rough)
        shade = np.asarray(tint, np.float32) * (1.0 + grain)[..., None]
        colour[part] += mask[..., None] * (shade - colour[part])
        heat[part] += mask * (warmth + 4.0 * grain - heat[part])
    if climate.hazard == "glare":
        _sun(colour, heat, rise)
    pixels = (np.clip(colour, 0.0, 1.0) * 255.0).astype(np.uint8)
    return Skin(_fields_below(pixels), _fields_below(np.asarray(heat, np.float32)))


def _fields_below(strip: NDArray[_Number]) -> NDArray[_Number]:
    """Goes on with the lowest part of the painting, to and fro, down to the bottom of the wall."""
    field = strip[-round(-0.9 * _DETAILED * _PER_TANGENT) :]
    missing = round((_TOP - _BOTTOM) * _PER_TANGENT) - len(strip)
    turns: list[NDArray[_Number]] = [field[:: -1 if turn % 2 == 0 else 1] for turn in range(-(-missing // len(field)))]
    return np.concatenate([strip, *turns])[: len(strip) + missing]


def _heaven(rng: np.random.Generator, climate: Climate, styles: Styles, height: Image) -> tuple[Image, Image]:
    kind: Clouds = pick(rng, styles.clouds)
    rows, high = len(height), pick(rng, styles.heavens)
    tall = fractal(rng, (rows * kind.flat // 2, _WIDTH // 2), 0.5 * kind.size, 7, kind.frayed)
    flat = np.asarray(cv2.resize(tall, (_WIDTH, rows), interpolation=cv2.INTER_LINEAR), np.float32)
    cover = smoothstep(1.2 - 4.2 * climate.clouds, 2.6 - 4.2 * climate.clouds, flat)
    if climate.lamps and not climate.hazard:
        low, top = np.array((0.10, 0.085, 0.08), np.float32), np.array((0.05, 0.03, 0.025), np.float32)
        white = np.full((1, 1, 1), 0.075, np.float32)
    else:
        low, top = np.array((0.95, 0.91, 0.85), np.float32), np.array(high, np.float32)
        bellies = smoothstep(-1.0, 2.0, flat[::-1])
        white = (0.80 if climate.clouds > 0.5 else 1.0) - 0.16 * bellies[..., None]
    blue = low + (height**0.6)[..., None] * (top - low)
    return np.asarray(blue + cover[..., None] * (white - blue), np.float32), cover


def _skyline(rng: np.random.Generator, climate: Climate, styles: Styles) -> list[tuple[Image, Image, float, float]]:
    """Ridges as tangents of elevation, from far to near, with colour, apparent temperature and roughness."""
    kind = pick(rng, styles.skylines)
    light = np.array(climate.ambient, np.float32) + np.float32(0.6 * climate.sun)
    hills = kind.hills + 0.4 * kind.hills * fractal(rng, (1, _WIDTH), kind.length, 6)
    woods = 0.022 + 0.006 * fractal(rng, (1, _WIDTH), 60, 6, 0.8)
    roofs = rng.uniform(0.0, 0.05, _WIDTH // kind.roofs) * (rng.random(_WIDTH // kind.roofs) < 0.5)
    steps = np.repeat(roofs, kind.roofs)[None, :]
    veil = climate.veil / 255.0
    field = np.full((1, _WIDTH), -0.004)
    return [
        (hills, light * (0.45, 0.42, 0.36) * 0.55 + 0.45 * veil, climate.air - 2.0, 0.10),
        (steps, light * (0.50, 0.54, 0.58) * 0.7 + 0.3 * veil, climate.air, 0.10),
        (woods, light * (0.16, 0.27, 0.20) * 0.8 + 0.2 * veil, climate.air - 0.5, 0.22),
        (field, light * pick(rng, styles.meadows) * 0.85 + 0.15 * veil, climate.air + 0.5, 0.10),
    ]


def _sun(colour: Image, heat: Image, rise: Image) -> None:
    """A low sun straight ahead, which infrared sees too."""
    along = (np.arange(_WIDTH, dtype=np.float32) / _WIDTH * 2.0 - 1.0)[None, :]
    away = np.hypot(along - 0.04, rise - 0.14)
    colour += (1.6 * np.exp(-((away / 0.03) ** 2)) + 0.8 * np.exp(-away / 0.14))[..., None] * np.array(
        (0.75, 0.92, 1.0), np.float32
    )
    heat += (60.0 * np.exp(-((away / 0.014) ** 2)) + 9.0 * np.exp(-away / 0.16)).astype(np.float32)
