"""A car seen from the side, and the light of its lamps at night."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Point, Sprite
from tardal_ros.simulation.texture import Image

LENGTH = 4.3  # Metres.
_HEIGHT = 1.65
_PAINTS: tuple[Colour, ...] = (
    (0.62, 0.28, 0.12),
    (0.16, 0.14, 0.58),
    (0.72, 0.73, 0.74),
    (0.28, 0.28, 0.27),
    (0.30, 0.42, 0.30),
)
# Outlines in metres: x from the tail, y down from the roof (at 0.12) to the ground (at 1.57).
_BODY: tuple[Point, ...] = (
    (0.02, 0.85), (0.10, 0.72), (0.55, 0.66), (1.05, 0.22), (1.40, 0.13), (2.30, 0.12), (2.65, 0.20), (3.15, 0.64),
    (3.85, 0.74), (4.20, 0.88), (4.27, 1.15), (4.25, 1.34), (0.05, 1.34), (0.00, 1.10),
)  # fmt: skip
_GLASS: tuple[tuple[Point, ...], ...] = (
    ((0.78, 0.62), (1.14, 0.27), (1.44, 0.21), (1.80, 0.20), (1.80, 0.64)),
    ((1.90, 0.20), (2.28, 0.20), (2.56, 0.27), (2.94, 0.65), (1.90, 0.64)),
)
_WHEELS = (0.82, 3.38)


def paint_car(rng: np.random.Generator, climate: Climate, metre: float) -> Sprite:
    """Paints a car that faces right.

    Args:
        rng: Chooses its colour and dirt.
        climate: Temperatures.
        metre: Pixels per metre.

    Returns:
        A sprite whose lower edge is just below the wheels.
    """
    easel = Easel(rng, round((LENGTH + 0.1) * metre), round(_HEIGHT * metre))
    paint = _PAINTS[int(rng.integers(len(_PAINTS)))]

    def outline(points: tuple[Point, ...]) -> list[Point]:
        return [((x + 0.05) * metre, y * metre) for x, y in points]

    easel.shadow(easel.oval((2.2 * metre, 1.53 * metre), (2.05 * metre, 0.07 * metre)), 0.8)
    body = easel.polygon(outline(_BODY))
    body = (cv2.GaussianBlur(body * 255, (0, 0), 0.10 * metre) > 127).astype(np.uint8)
    v, u = np.mgrid[0 : body.shape[0], 0 : body.shape[1]].astype(np.float32)
    x, y = u * (LENGTH + 0.1) / body.shape[1] - 0.05, v * _HEIGHT / body.shape[0]
    easel.paint(body, _lacquer(paint, y), _sheet_metal(climate, x, y), 0.05 * metre, 0.4)
    seam = easel.polygon(outline(((1.84, 0.66), (1.86, 0.66), (1.86, 1.30), (1.84, 1.30))))
    sill = easel.polygon(outline(((0.30, 1.22), (3.95, 1.22), (3.95, 1.36), (0.30, 1.36))))
    handles = [easel.polygon(outline(((a, 0.78), (a + 0.18, 0.78), (a + 0.18, 0.81), (a, 0.81)))) for a in (1.55, 2.6)]
    easel.paint(np.maximum(seam, sill), (0.08, 0.08, 0.08), climate.air + 3.0, 0.02 * metre, 0.4)
    easel.paint(np.maximum(*handles), (0.55, 0.55, 0.55), climate.air, 0.02 * metre, 0.2)
    for pane in _GLASS:
        reflection = (0.45 - 0.35 * (y - 0.2) / 0.45)[..., None] * np.array((1.0, 0.9, 0.8), np.float32)
        easel.paint(easel.polygon(outline(pane)), reflection, climate.air - 6.0 + 6.0 * y, 0.03 * metre, 0.5)
    lamps = (
        ((4.02, 0.86), (4.20, 0.90), (4.24, 1.02), (4.00, 1.00)),
        ((0.04, 0.78), (0.16, 0.78), (0.16, 1.00), (0.03, 1.00)),
    )
    for lamp, colour in zip(lamps, ((0.85, 0.88, 0.9), (0.12, 0.10, 0.70)), strict=True):
        easel.paint(
            easel.polygon(outline(lamp)), colour, climate.air + (12.0 if climate.lamps else 1.0), 0.03 * metre, 0.2
        )
    easel.paint(
        easel.oval((0.12 * metre, 1.36 * metre), (0.09 * metre, 0.04 * metre)), (0.2, 0.2, 0.2), 60.0, 0.03 * metre
    )
    for wheel in _WHEELS:
        _wheel(easel, ((wheel + 0.05) * metre, 1.25 * metre), metre, climate)
    return easel.finish()


def _lacquer(paint: Colour, y: Image) -> Image:
    """The upper half mirrors the sky, the lower half the road."""
    mirror = np.where(y < 0.72, 1.15, 0.95 - 0.45 * np.clip((y - 0.95) / 0.4, 0, 1))
    highlight = 0.35 * np.exp(-(((y - 0.80) / 0.035) ** 2)) + 0.25 * np.exp(-(((y - 0.15) / 0.03) ** 2))
    return np.asarray(np.asarray(paint, np.float32) * mirror[..., None] + highlight[..., None] * 0.7, np.float32)


def _sheet_metal(climate: Climate, x: Image, y: Image) -> Image:
    """Bare metal mirrors the cold sky above; the engine warms the bonnet, and the road the sills."""
    engine = 11.0 * np.exp(-(((x - 3.70) / 0.45) ** 2) - ((y - 0.90) / 0.35) ** 2)
    return np.asarray(climate.air - 4.0 + 5.0 * y + engine, np.float32)


def _wheel(easel: Easel, centre: Point, metre: float, climate: Climate) -> None:
    """An arch, a tyre warmed by rolling and a rim warmed by the brake."""
    rings = ((0.39, (0.05, 0.05, 0.05), 4.0), (0.32, (0.14, 0.14, 0.14), 13.0), (0.20, (0.62, 0.63, 0.64), 17.0))
    for radius, colour, warmer in rings:
        ring = easel.oval(centre, (radius * metre, radius * metre))
        easel.paint(ring, colour, climate.air + warmer, 0.06 * metre, 0.5)
    for angle in np.arange(5) * 0.4 * np.pi:
        slot = (centre[0] + 0.12 * metre * np.cos(angle), centre[1] + 0.12 * metre * np.sin(angle))
        easel.paint(easel.oval(slot, (0.045 * metre, 0.045 * metre)), (0.1, 0.1, 0.1), climate.air + 22.0, 0.03 * metre)


def paint_headlight(metre: float) -> Sprite:
    """The glare of a headlight in its middle and the beam to the right of it; infrared sees none of it."""
    height, width = round(1.6 * metre), round(6.0 * metre)
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = u / metre - 0.8, v / metre - 0.8
    distance = np.hypot(x, y)
    glare = 1.3 * np.exp(-((distance / 0.10) ** 2)) + 0.5 * np.exp(-distance / 0.16)
    beam = 0.30 * np.exp(-(((y - 0.06 * x) / (0.10 + 0.10 * np.maximum(x, 0))) ** 2)) * (x > 0) * np.exp(-x / 2.2)
    border = np.minimum(np.minimum(u, width - 1 - u), np.minimum(v, height - 1 - v)) / (0.3 * metre)
    light = (glare + beam) * np.clip(border, 0.0, 1.0)
    colour = np.dstack([light * 0.85, light * 0.97, light, np.zeros_like(light)]).astype(np.float32)
    return Sprite(colour, np.zeros((height, width, 2), np.float32), glowing=True)
