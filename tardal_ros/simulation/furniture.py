"""What stands on pavements, and motorcycles: thin things, as cut-outs."""

from __future__ import annotations

import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Point
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.styles import Styles, pick
from tardal_ros.simulation.texture import fractal

LAMP = (1.8, 5.2)
BIKE = (2.1, 1.75)
BIKE_WIDTH = 0.8
SIGN = (1.15, 2.3)
SHELTER = (3.6, 2.4)

_METRE = 64.0
_DARK: Colour = (0.09, 0.09, 0.09)


def paint_lamp(rng: np.random.Generator, climate: Climate, styles: Styles) -> Skin:
    """A street lamp whose pole stands in the middle, its head above it or to one side."""
    width, height = (round(side * _METRE) for side in LAMP)
    easel = Easel(rng, width, height)
    steel, shape = pick(rng, styles.poles), pick(rng, styles.lamps)
    cold = climate.apparent(climate.air, 0.8, 0.4)
    middle, metre = width / 2, _METRE
    easel.paint(
        easel.limb((middle, height - 1.0), (middle, 0.35 * metre), 0.075 * metre, 0.045 * metre), steel, cold, 3.0
    )
    easel.paint(
        easel.limb((middle, height - 1.0), (middle, height - 0.8 * metre), 0.11 * metre, 0.1 * metre), steel, cold, 4.0
    )
    head = middle + shape.aside * metre
    easel.paint(easel.limb((middle, 0.42 * metre), (head, 0.22 * metre), 0.04 * metre, 0.04 * metre), steel, cold, 2.0)
    warm = climate.air + (26.0 if climate.lamps else 2.0)
    flat = shape.flat
    easel.paint(easel.oval((head, (0.12 + flat) * metre), (0.27 * metre, flat * metre)), (0.30, 0.31, 0.32), warm, 4.0)
    glass: Colour = (0.72, 0.94, 1.0) if climate.lamps else (0.72, 0.74, 0.74)
    easel.paint(
        easel.oval((head, (0.15 + 1.3 * flat) * metre), (0.22 * metre, 0.7 * flat * metre)), glass, warm + 6.0, 4.0, 0.1
    )
    return cut_out(easel.finish(), climate, 0.6)


def paint_bike(rng: np.random.Generator, climate: Climate, styles: Styles, side: bool) -> Skin:
    """A motorcycle and its rider, from its right side, or from behind."""
    width = round((BIKE[0] if side else BIKE_WIDTH) * _METRE)
    easel = Easel(rng, width, round(BIKE[1] * _METRE))
    paint, coat = pick(rng, styles.tanks), pick(rng, styles.leathers)
    if side:
        _bike_side(easel, climate, paint, coat)
    else:
        _bike_end(easel, climate, paint, coat)
    return cut_out(easel.finish(), climate, 0.6)


def _bike_side(easel: Easel, climate: Climate, paint: Colour, coat: Colour) -> None:
    metre, air, cloth = _METRE, climate.air, climate.cloth

    def at(x: float, y: float) -> Point:
        return x * metre, (BIKE[1] - y) * metre

    def limb(start: Point, end: Point, radii: Point, colour: Colour, warm: float) -> None:
        easel.paint(
            easel.limb(at(*start), at(*end), radii[0] * metre, radii[1] * metre), colour, warm, radii[0] * metre
        )

    for x in (0.36, 1.72):
        for radius, colour, warm in ((0.33, _DARK, 12.0), (0.24, (0.45, 0.45, 0.45), 8.0), (0.20, _DARK, 6.0)):
            easel.paint(easel.oval(at(x, 0.33), (radius * metre, radius * metre)), colour, air + warm, 3.0)
    limb((1.72, 0.33), (1.50, 0.95), (0.03, 0.03), (0.6, 0.6, 0.6), air)
    limb((0.36, 0.36), (1.0, 0.40), (0.05, 0.10), (0.2, 0.2, 0.2), air + 30.0)
    easel.paint(easel.oval(at(1.08, 0.45), (0.26 * metre, 0.20 * metre)), (0.25, 0.25, 0.26), air + 42.0, 4.0)
    limb((0.85, 0.30), (0.15, 0.38), (0.05, 0.06), (0.6, 0.6, 0.6), air + 55.0)
    limb((1.45, 0.84), (1.02, 0.80), (0.13, 0.15), paint, air + 6.0)
    limb((0.95, 0.78), (0.30, 0.86), (0.09, 0.06), _DARK, air + 4.0)
    limb((1.58, 1.0), (1.66, 0.82), (0.08, 0.10), (0.5, 0.52, 0.54), air + (20.0 if climate.lamps else 3.0))
    limb((0.85, 0.88), (1.18, 0.66), (0.11, 0.09), (0.20, 0.18, 0.16), cloth - 1.0)
    limb((1.18, 0.66), (1.0, 0.34), (0.08, 0.05), (0.20, 0.18, 0.16), cloth - 2.0)
    limb((0.80, 0.92), (1.0, 1.38), (0.17, 0.16), coat, cloth)
    limb((1.0, 1.36), (1.46, 1.04), (0.07, 0.05), coat, cloth - 1.0)
    easel.paint(easel.oval(at(1.08, 1.60), (0.145 * metre, 0.145 * metre)), paint, cloth + 1.0, 4.0)
    easel.paint(easel.oval(at(1.17, 1.58), (0.06 * metre, 0.06 * metre)), _DARK, cloth + 5.0, 3.0)


def _bike_end(easel: Easel, climate: Climate, paint: Colour, coat: Colour) -> None:
    metre, air, cloth = _METRE, climate.air, climate.cloth
    middle = BIKE_WIDTH / 2

    def at(x: float, y: float) -> Point:
        return (middle + x) * metre, (BIKE[1] - y) * metre

    def oval(x: float, y: float, radii: Point, colour: Colour, warm: float) -> None:
        easel.paint(easel.oval(at(x, y), (radii[0] * metre, radii[1] * metre)), colour, warm, 0.6 * radii[0] * metre)

    oval(0.0, 0.34, (0.07, 0.34), _DARK, air + 12.0)
    oval(0.0, 0.72, (0.17, 0.22), paint, air + 8.0)
    oval(0.15, 0.36, (0.06, 0.08), (0.6, 0.6, 0.6), air + 55.0)
    for x in (-0.21, 0.21):
        oval(x, 0.62, (0.09, 0.24), (0.20, 0.18, 0.16), cloth - 1.0)
        oval(1.35 * x, 1.15, (0.075, 0.22), coat, cloth - 1.0)
    oval(0.0, 1.14, (0.24, 0.36), coat, cloth)
    oval(0.0, 1.60, (0.13, 0.145), paint, cloth + 1.0)
    oval(0.0, 0.80, (0.07, 0.05), (0.1, 0.1, 0.9 if climate.lamps else 0.6), air + 10.0)


def paint_sign(rng: np.random.Generator, climate: Climate, styles: Styles) -> Skin:
    """A cold board on two posts, whose print only the visible camera can read."""
    width, height = (round(side * _METRE) for side in SIGN)
    board = round(0.85 * _METRE)
    easel = Easel(rng, width, height)

    def box(left: float, top: float, right: float, bottom: float, colour: Colour, warm: float) -> None:
        easel.paint(easel.polygon([(left, top), (right, top), (right, bottom), (left, bottom)]), colour, warm, 2.0, 0.5)

    for post in (0.2 * width, 0.8 * width):
        box(post - 2, board - 2, post + 2, height, (0.40, 0.42, 0.42), climate.air - 1.0)
    # The face is tilted up and mirrors the sky; paint of another colour mirrors it just as well.
    warmth = climate.apparent(climate.air, 0.75, 0.7)
    print_of = pick(rng, styles.signs)
    for rim, colour in ((0, print_of.colour), (3, _DARK), (6, print_of.colour)):
        box(rim, rim, width - rim, board - rim, colour, warmth)
    for word, middle in zip(print_of.words, (0.31, 0.69), strict=True):
        letters = easel.text(word, (width / 2, middle * board), 0.25 * board, 3.0)
        easel.paint(letters, _DARK, warmth, 2.0, 0.5)
    return cut_out(easel.finish(), climate, 0.7)


def glaze_shelter(rng: np.random.Generator, climate: Climate) -> Skin:
    """The wall of a bus stop: glass, through which the visible sees and infrared does not."""
    width, height = (round(side * 40.0) for side in SHELTER)
    shape = (height, width)
    u = np.arange(width, dtype=np.float32)[None, :] * np.ones((height, 1), np.float32)
    v = np.arange(height, dtype=np.float32)[:, None] * np.ones((1, width), np.float32)
    frame = (np.minimum(u, width - 1 - u) < 3) | (v < 5) | (np.abs(np.mod(u, width / 3) - 1.5) < 1.5) | (v > height - 8)
    smear = fractal(rng, shape, 60, 5)
    light = np.array(climate.ambient, np.float32) + np.float32(0.5 * climate.sun)
    alpha = np.where(frame, 1.0, 0.16 + 0.03 * smear).astype(np.float32)
    tone = np.where(frame[..., None], np.float32(0.25), np.array((0.85, 0.82, 0.78), np.float32))
    pixels = np.clip(np.dstack([tone * light * alpha[..., None], alpha]), 0, 1) * 255.0
    glass = climate.apparent(climate.air, 0.85, 0.5) + 0.4 * smear
    heat = np.where(frame, climate.air - 0.5, glass).astype(np.float32)
    return Skin(pixels.astype(np.uint8), np.dstack([heat, np.ones_like(heat)]))
