"""A walking person, seen from the side, from the front or from behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tardal_ros.simulation.climate import Climate, Colour
from tardal_ros.simulation.easel import Easel, Point, Sprite
from tardal_ros.simulation.styles import Styles, pick

_SKIN_WARMTH = 33.0

SIDE, FRONT, BACK = range(3)
"""From where somebody is seen."""


@dataclass(frozen=True)
class Outfit:
    """Colours of a person, and the seed of the texture of the clothes."""

    coat: Colour
    trousers: Colour
    hair: Colour
    skin: Colour
    stout: float
    seed: int

    @staticmethod
    def choose(rng: np.random.Generator, styles: Styles) -> Outfit:
        """Dresses somebody at random, out of the wardrobe of a split."""
        coat, trousers, hair, skin = (
            pick(rng, shelf) for shelf in (styles.coats, styles.trousers, styles.hair, styles.skins)
        )
        return Outfit(coat, trousers, hair, skin, pick(rng, styles.builds), int(rng.integers(2**31)))


class Walk:
    """Somebody's walk cycle of two steps, seen from one side.

    In each sprite the feet are `height` below the top, and the body is in the middle.
    """

    def __init__(self, outfit: Outfit, climate: Climate, height: int, moments: int, view: int) -> None:
        """Gets ready to paint the walk; each moment is painted when it is first asked for.

        Args:
            outfit: Who walks.
            climate: Temperatures.
            height: From head to feet in texels.
            moments: Into how many moments the cycle is cut.
            view: `SIDE` (walking to the right), `FRONT` or `BACK`.
        """
        self._of = outfit, climate, height, view
        self._moments = moments
        self._painted: dict[int, Sprite] = {}

    def moment(self, index: int) -> Sprite:
        """The moment of this number, counted on over the cycles."""
        index %= self._moments
        if index not in self._painted:
            outfit, climate, height, view = self._of
            easel = Easel(np.random.default_rng(outfit.seed), round(0.8 * height), round(1.1 * height))
            moment = _Moment(easel, outfit, climate, height, 2.0 * np.pi * index / self._moments, view)
            self._painted[index] = moment.paint()
        return self._painted[index]


class _Moment:
    """One moment of a walk; lengths are in body heights, x forward from the hip and y down from the top of the head."""

    def __init__(self, easel: Easel, outfit: Outfit, climate: Climate, height: int, phase: float, view: int) -> None:
        self._easel, self._outfit, self._climate, self._height, self._phase = easel, outfit, climate, height, phase
        self._bob = 0.012 * float(np.cos(2.0 * phase))
        self._view = view
        # From the front the swing points at the viewer, and left and right limbs stand apart.
        self._forward = 1.0 if view == SIDE else 0.18

    def paint(self) -> Sprite:
        self._limbs(self._phase + np.pi, 0.75 if self._view == SIDE else 0.95, -1.0)
        self._trunk()
        self._head()
        self._limbs(self._phase, 1.0, 1.0)
        return self._easel.finish()

    def _at(self, x: float, y: float, beside: float = 0.0) -> Point:
        return (0.4 + self._forward * x + beside) * self._height, y * self._height

    def _limb(
        self,
        start: Point,
        end: Point,
        radii: tuple[float, float],
        colour: Colour,
        shade: float,
        warmth: float,
        beside: float = 0.0,
    ) -> None:
        thick = self._height * self._outfit.stout
        first, last = self._at(*start, beside), self._at(*end, beside)
        mask = self._easel.limb(first, last, radii[0] * thick, radii[1] * thick)
        shaded = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
        self._easel.paint(mask, shaded, warmth, 0.8 * radii[0] * self._height)

    def _limbs(self, phase: float, shade: float, side: float) -> None:
        """A leg and the arm of the same side, which swings against it."""
        outfit, cloth = self._outfit, self._climate.cloth
        apart = 0.0 if self._view == SIDE else side
        swing = 0.42 * float(np.sin(phase))
        bend = 0.10 + 0.60 * max(0.0, float(np.cos(phase)))
        hip = (0.0, 0.51 + self._bob)
        knee = _along(hip, swing, 0.235)
        ankle = _along(knee, swing - bend, 0.215)
        leg = 0.045 * apart
        toe = _along(ankle, swing - bend + 1.35, 0.085)
        self._limb(ankle, toe, (0.026, 0.020), (0.12, 0.12, 0.14), shade, cloth - 5.0, leg)
        self._limb(knee, ankle, (0.042, 0.029), outfit.trousers, shade, cloth - 1.5, leg)
        self._limb(hip, knee, (0.068, 0.045), outfit.trousers, shade, cloth - 0.5, leg)
        shoulder = (-0.005, 0.225 + self._bob)
        elbow = _along(shoulder, -0.8 * swing - 0.05, 0.165)
        hand = _along(elbow, -0.8 * swing + 0.35, 0.150)
        arm, finger = 0.105 * apart, _along(hand, -0.8 * swing + 0.3, 0.02)
        self._limb(hand, finger, (0.021, 0.018), outfit.skin, shade, _SKIN_WARMTH - 2.0, arm)
        self._limb(elbow, hand, (0.033, 0.024), outfit.coat, 0.94 * shade, cloth - 1.0, arm)
        self._limb(shoulder, elbow, (0.042, 0.034), outfit.coat, 0.94 * shade, cloth - 0.3, arm)

    def _trunk(self) -> None:
        neck = (0.0, 0.12 + self._bob), (-0.005, 0.19 + self._bob)
        self._limb(*neck, (0.036, 0.042), self._outfit.skin, 0.85, _SKIN_WARMTH)
        chest = (-0.004, 0.245 + self._bob), (0.0, 0.50 + self._bob)
        for beside in (0.0,) if self._view == SIDE else (-0.035, 0.035):
            self._limb(*chest, (0.082, 0.076), self._outfit.coat, 1.0, self._climate.cloth, beside)

    def _head(self) -> None:
        easel, height, bob = self._easel, self._height, self._bob
        skull = easel.oval(self._at(0.010, 0.078 + bob), (0.054 * height, 0.074 * height))
        if self._view == SIDE:
            skull = np.maximum(skull, easel.oval(self._at(0.064, 0.088 + bob), (0.012 * height, 0.012 * height)))
        easel.paint(skull, self._outfit.skin, _SKIN_WARMTH + 1.0, 0.04 * height, 0.3)
        hair = easel.oval(self._at(-0.010, 0.062 + bob), (0.060 * height, 0.064 * height))
        face = easel.oval(self._at(0.060, 0.110 + bob), (0.062 * height, 0.075 * height))
        if self._view == FRONT:
            face = easel.oval(self._at(0.0, 0.115 + bob), (0.052 * height, 0.070 * height))
        if self._view != BACK:
            hair = hair * (1 - face)
        easel.paint(hair, self._outfit.hair, self._climate.cloth + 2.0, 0.03 * height)


def _along(start: Point, angle: float, length: float) -> Point:
    """The end of a limb that hangs from `start`, swung forward by `angle`."""
    return start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))
