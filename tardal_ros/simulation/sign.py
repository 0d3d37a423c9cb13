"""A cold road sign whose print only the visible camera can read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.easel import Easel, Mask, Sprite

_WORDS = (("ROAD", "WORK"), ("SLOW", "30"), ("BUS", "STOP"), ("NO", "ENTRY"))
_YELLOW, _BLACK = (0.20, 0.74, 0.94), (0.07, 0.07, 0.08)
_WIDTH, _BOARD, _POST = 1.15, 0.80, 0.75  # Metres.


def paint_sign(rng: np.random.Generator, climate: Climate, metre: float) -> Sprite:
    """Paints a board on two posts, which stand on the lower edge of the sprite.

    Args:
        rng: Chooses the words and the wear.
        climate: Light and temperatures.
        metre: Pixels per metre.
    """
    width, board, height = (round(length * metre) for length in (_WIDTH, _BOARD, _BOARD + _POST))
    easel = Easel(rng, width, height)

    def box(left: float, top: float, right: float, bottom: float) -> Mask:
        return easel.polygon([(left, top), (right, top), (right, bottom), (left, bottom)])

    for post in (0.2 * width, 0.8 * width):
        easel.paint(box(post - 3, board - 2, post + 3, height), (0.40, 0.42, 0.42), climate.air - 1.0, 2.0)
    # The face is tilted up and mirrors the sky; paint of another colour mirrors it just as well.
    warmth = climate.air - 7.0
    for rim, colour in ((0, _YELLOW), (4, _BLACK), (8, _YELLOW)):
        easel.paint(box(rim, rim, width - rim, board - rim), colour, warmth, 2.0, 0.6)
    for word, middle in zip(_WORDS[int(rng.integers(len(_WORDS)))], (0.31, 0.69), strict=True):
        letters = easel.text(word, (width / 2, middle * board), 0.25 * board, 4.0)
        easel.paint(letters, _BLACK, warmth, 2.0, 0.6)
    sign = easel.finish()
    if not climate.lamps:
        return sign
    # At night it throws back the light of our own lamps.
    return replace(sign, colour=sign.colour * np.array([0.35, 0.35, 0.35, 1.0], np.float32), glowing=True)
