"""Who moves through the scene, and along which way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tardal_ros.simulation.backdrop import FOCAL, ground_point
from tardal_ros.simulation.car import LENGTH, paint_car, paint_headlight
from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.person import Outfit, Walk
from tardal_ros.simulation.sign import paint_sign
from tardal_ros.simulation.smoke import Smoke

_MOMENTS = 12
_STRIDE = 1.35  # Metres walked in one cycle of two steps.

Placed = tuple[Sprite, float, float]  # With the place of its upper left corner on the backdrop.


class Actor(Protocol):
    """Something that moves."""

    def at(self, time: float) -> Iterator[Placed]:
        """What to paint after `time` seconds, back to front."""
        ...


class Pedestrian:
    """Walks to and fro on a line across the view."""

    def __init__(
        self, rng: np.random.Generator, climate: Climate, distance: float, way: tuple[float, float], speed: float
    ) -> None:
        """Dresses somebody who walks `distance` metres ahead, between the two ends of the way (metres to the right)."""
        outfit, tall = Outfit.choose(rng), float(rng.uniform(1.62, 1.88))
        self._height = round(tall * FOCAL / distance)
        self._walk = Walk(outfit, climate, self._height, _MOMENTS)
        self._distance, self._way, self._speed = distance, way, speed
        self._start = float(rng.uniform(0.0, 2.0 * (way[1] - way[0])))

    def at(self, time: float) -> Iterator[Placed]:
        """Where the steps have led."""
        walked = self._start + self._speed * time
        span = self._way[1] - self._way[0]
        there, back = walked % (2.0 * span), 2.0 * span - walked % (2.0 * span)
        x, y = ground_point(self._way[0] + min(there, back), self._distance)
        sprite = self._walk.moment(int(walked / _STRIDE * _MOMENTS), leftwards=there >= back)
        yield sprite, x - sprite.size[0] / 2, y - self._height


class Car:
    """Drives through the view, again and again."""

    def __init__(self, rng: np.random.Generator, climate: Climate, distance: float, direction: int) -> None:
        metre = FOCAL / distance
        self._distance, self._direction, self._metre = distance, direction, metre
        car = paint_car(rng, climate, metre)
        lamp = paint_headlight(metre) if climate.lamps else None
        self._car = car if direction > 0 else car.mirrored()
        self._lamp = lamp.mirrored() if lamp and direction < 0 else lamp
        self._speed = float(rng.uniform(2.5, 4.0))
        self._lap = 1300.0 / metre + LENGTH + 2.0
        self._start = float(rng.uniform(0.2, 0.6)) * self._lap

    def at(self, time: float) -> Iterator[Placed]:
        """Where the lap has led."""
        along = (self._start + self._speed * time) % self._lap - self._lap / 2
        x, y = ground_point(self._direction * along, self._distance)
        width, height = self._car.size
        top = y - height + 0.05 * self._metre
        yield self._car, x - width / 2, top
        if self._lamp is not None:
            front = x + self._direction * 1.95 * self._metre
            inset = 0.8 * self._metre
            left = front - inset if self._direction > 0 else front - self._lamp.size[0] + inset
            yield self._lamp, left, top + 0.94 * self._metre - inset


class Plume:
    """Smoke that drifts slowly to and fro."""

    def __init__(self, rng: np.random.Generator, climate: Climate, distance: float, x: float) -> None:
        metre = FOCAL / distance
        self._smoke = Smoke(rng, climate, 4.2 * metre, 3.0 * metre)
        self._x, self._y = ground_point(x, distance)
        self._drift = 0.25 * metre

    def at(self, time: float) -> Iterator[Placed]:
        """The plume of the moment."""
        smoke = self._smoke.at(time)
        width, height = smoke.size
        yield smoke, self._x - width / 2 + self._drift * float(np.sin(0.5 * time)), self._y - height


class Sign:
    """Stands there."""

    def __init__(self, rng: np.random.Generator, climate: Climate, distance: float, x: float) -> None:
        self._sprite = paint_sign(rng, climate, FOCAL / distance)
        foot = ground_point(x, distance)
        self._place = foot[0] - self._sprite.size[0] / 2, foot[1] - self._sprite.size[1]

    def at(self, time: float) -> Iterator[Placed]:
        """Always the same."""
        yield self._sprite, *self._place


def populate(rng: np.random.Generator, climate: Climate) -> list[Actor]:
    """Puts everybody on the street, the farthest first."""
    pace = rng.uniform(0.9, 1.5, 5)
    smoke_at = float(rng.uniform(-3.6, -2.4))
    return [
        Pedestrian(rng, climate, 19.0, (-9.0, 1.0), float(pace[0])),
        Pedestrian(rng, climate, 18.6, (-2.0, 8.0), float(pace[1])),
        Car(rng, climate, 15.2, 1 if rng.random() < 0.5 else -1),
        Pedestrian(rng, climate, 12.6, (smoke_at - 0.6, smoke_at + 0.6), 0.5 * float(pace[2])),
        Plume(rng, climate, 12.3, smoke_at),
        Pedestrian(rng, climate, 9.2, (-1.5, 3.9), float(pace[3])),
        Sign(rng, climate, 8.9, float(rng.uniform(1.9, 2.5))),
        Pedestrian(rng, climate, 8.2, (-3.3, 0.3), float(pace[4])),
    ]
