"""The sky and what stands at its foot, infinitely far: hills, woods and roofs."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.mesh import Face, Mesh
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.texture import Image, fractal, smoothstep

_WIDTH, _PER_TANGENT = 1400, 700.0
_TOP, _BOTTOM = 0.75, -1.5


def hang_sky(rng: np.random.Generator, climate: Climate) -> Mesh:
    """Four walls around the world's origin, to be seen from there."""
    front = _panel(rng, climate)
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


def _panel(rng: np.random.Generator, climate: Climate) -> Skin:
    rows = round((_TOP - _BOTTOM) * _PER_TANGENT)
    rise = (_TOP - (np.arange(rows, dtype=np.float32) + 0.5) / _PER_TANGENT)[:, None]
    height = np.clip(rise / _TOP, 0.0, 1.0)
    colour, cover = _heaven(rng, climate, height)
    clear = climate.air - 2.0 + np.minimum(1.0, 1.5 * height) ** 0.45 * (climate.zenith - climate.air + 2.0)
    heat = clear + cover * (0.35 + 0.5 * climate.clouds) * (climate.air - 3.0 - clear)
    # At the foot: hills, then woods and roofs, then fields, with ever less air between.
    for ridge, tint, warmth, rough in _skyline(rng, climate):
        mask = smoothstep(-0.0012, 0.0012, ridge - rise)
        grain = fractal(rng, (rows, _WIDTH), 24, 5, 0.8) * np.float32(rough)
        shade = np.asarray(tint, np.float32) * (1.0 + grain)[..., None]
        colour += mask[..., None] * (shade - colour)
        heat += mask * (warmth + 4.0 * grain - heat)
    if climate.hazard == "glare":
        _sun(colour, rise)
    return Skin((np.clip(colour, 0.0, 1.0) * 255.0).astype(np.uint8), np.asarray(heat, np.float32))


def _heaven(rng: np.random.Generator, climate: Climate, height: Image) -> tuple[Image, Image]:
    rows = len(height)
    tall = fractal(rng, (rows * 3, _WIDTH), 300, 7, 0.6)
    flat = np.asarray(cv2.resize(tall, (_WIDTH, rows), interpolation=cv2.INTER_AREA), np.float32)
    cover = smoothstep(1.2 - 4.2 * climate.clouds, 2.6 - 4.2 * climate.clouds, flat)
    if climate.lamps and not climate.hazard:
        low, high = np.array((0.10, 0.085, 0.08), np.float32), np.array((0.05, 0.03, 0.025), np.float32)
        white = np.float32(0.075) * np.ones((1, 1, 1), np.float32)
    else:
        low, high = np.array((0.84, 0.75, 0.64), np.float32), np.array((0.74, 0.52, 0.33), np.float32)
        white = (0.80 if climate.clouds > 0.5 else 0.97) - 0.16 * smoothstep(-1.0, 2.0, tall[rows : 2 * rows, :, None])
    blue = low + (height**0.6)[..., None] * (high - low)
    return np.asarray(blue + cover[..., None] * (white - blue), np.float32), cover


def _skyline(rng: np.random.Generator, climate: Climate) -> list[tuple[Image, Image, float, float]]:
    """Ridges as tangents of elevation, from far to near, with colour, apparent temperature and roughness."""
    light = np.array(climate.ambient, np.float32) + np.float32(0.6 * climate.sun)
    hills = 0.045 + 0.018 * fractal(rng, (1, _WIDTH), 500, 6)
    woods = 0.022 + 0.006 * fractal(rng, (1, _WIDTH), 60, 6, 0.8)
    steps = np.repeat(rng.uniform(0.0, 0.05, _WIDTH // 28), 28)[None, :] * (rng.random(_WIDTH // 28) < 0.5).repeat(28)
    veil = climate.veil / 255.0
    field = np.full((1, _WIDTH), -0.004)
    return [
        (hills, light * (0.45, 0.42, 0.36) * 0.55 + 0.45 * veil, climate.air - 2.0, 0.10),
        (steps, light * (0.50, 0.54, 0.58) * 0.7 + 0.3 * veil, climate.air, 0.10),
        (woods, light * (0.16, 0.27, 0.20) * 0.8 + 0.2 * veil, climate.air - 0.5, 0.22),
        (field, light * (0.20, 0.34, 0.28) * 0.85 + 0.15 * veil, climate.air + 0.5, 0.10),
    ]


def _sun(colour: Image, rise: Image) -> None:
    """A low sun straight ahead."""
    along = (np.arange(_WIDTH, dtype=np.float32) / _WIDTH * 2.0 - 1.0)[None, :]
    away = np.hypot(along - 0.04, rise - 0.14)
    colour += (1.6 * np.exp(-((away / 0.03) ** 2)) + 0.8 * np.exp(-away / 0.14))[..., None] * np.array(
        (0.75, 0.92, 1.0), np.float32
    )
