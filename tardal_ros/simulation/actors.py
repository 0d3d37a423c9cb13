"""Who and what is of a class: people, cars, buses, lamps, motorcycles and trucks, and the ways they take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tardal_ros.simulation.car import glare
from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.furniture import BIKE, BIKE_WIDTH
from tardal_ros.simulation.ground import FRONTS
from tardal_ros.simulation.mesh import HOUSES, SHADOWS, STREET, Face, Floats, Mesh, Solid, Thing, here
from tardal_ros.simulation.person import BACK, FRONT, SIDE, Outfit, Walk
from tardal_ros.simulation.skin import Skin, cut_out
from tardal_ros.simulation.smoke import Smoke
from tardal_ros.simulation.styles import Styles

CLASSES = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")
"""In the published order."""

PEOPLE, CAR, BUS, LAMP_POST, MOTORCYCLE, TRUCK = range(6)

_MOMENTS = 10
_STRIDE = 1.35  # Metres walked in one cycle of two steps.
_PERSON_TEXELS = 180

Way = Callable[[float], tuple[float, float, float]]
"""From a time to a place on the ground and a heading, anticlockwise from +y."""


def upright(skin: Skin, size: tuple[float, float], place: Floats, eye: Floats, below: float = 0.0) -> Mesh:
    """A cut-out that stands on a place of the ground and turns to the rig.

    Args:
        skin: What it shows.
        size: Width and height in metres.
        place: (3,) of the middle of its foot.
        eye: (3,) where the rig is.
        below: How far it reaches below the place.
    """
    x, y, z = place.tolist()
    ahead, aside = y - float(eye[1]), x - float(eye[0])
    away = max(math.hypot(ahead, aside), 1e-6)
    right, forward = size[0] * ahead / away, size[0] * aside / away
    origin = (x - 0.5 * right, y + 0.5 * forward, z + size[1] - below)
    return Mesh.of([Face(origin, (right, -forward, 0.0), (0.0, 0.0, -size[1]), skin, True)])


def shadow(size: tuple[float, float], place: Floats, skin: Skin, heading: float = 0.0) -> Thing:
    """Darker ground below a thing: width across and length along its heading."""
    (width, length), (x, y, z) = size, place.tolist()
    cosine, sine = math.cos(heading), math.sin(heading)
    origin = x - 0.5 * (width * cosine + length * sine), y - 0.5 * (width * sine - length * cosine), z + 0.01
    face = Face(origin, (width * cosine, width * sine, 0.0), (length * sine, -length * cosine, 0.0), skin, True)
    return Thing(Mesh.of([face]), SHADOWS, place)


class Wardrobe:
    """Somebody's painted walks, seen from all sides."""

    def __init__(self, rng: np.random.Generator, climate: Climate, styles: Styles) -> None:
        """Dresses somebody."""
        outfit = Outfit.choose(rng, styles)
        self.height = float(rng.uniform(1.55, 1.9))
        self._climate = climate
        self._walks = [Walk(outfit, climate, _PERSON_TEXELS, _MOMENTS, view) for view in (SIDE, FRONT, BACK)]
        self._skins: dict[tuple[int, int, bool], Skin] = {}

    def skin(self, walked: float, view: int, leftwards: bool) -> Skin:
        """What is seen after walking so many metres."""
        key = (view, int(walked / _STRIDE * _MOMENTS) % _MOMENTS, leftwards)
        if key not in self._skins:
            skin = cut_out(self._walks[view].moment(key[1]), self._climate, 0.6)
            self._skins[key] = skin.mirrored() if leftwards else skin
        return self._skins[key]


@dataclass(frozen=True, eq=False)
class Pedestrian:
    """Walks, or stands."""

    number: int
    wardrobe: Wardrobe
    way: Way
    pace: float
    shade: Skin

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The person, and the shadow."""
        x, y, heading = self.way(time)
        place, height = here(np.array([x, y, 0.0]), eye), self.wardrobe.height
        sight = (place - eye)[:2] / max(float(np.linalg.norm((place - eye)[:2])), 1e-6)
        forward = np.array([-np.sin(heading), np.cos(heading)])
        away, rightwards = float(forward @ sight), float(forward @ (sight[1], -sight[0]))
        view = SIDE if abs(rightwards) > 0.5 else (BACK if away > 0 else FRONT)
        skin = self.wardrobe.skin(self.pace * time + self.number, view, rightwards < 0 and view == SIDE)
        mesh = upright(skin, (0.8 * height, 1.1 * height), place, eye, 0.1 * height)
        size = np.array([0.7, 0.6, height])
        solid = Solid(self.number, PEOPLE, place + np.array([0.0, 0.0, 0.5 * height]), size, heading)
        yield shadow((0.55, 0.5), place + np.array([0.1, 0.0, 0.0]), self.shade)
        yield Thing(mesh, STREET, solid.centre, solid)


@dataclass(frozen=True, eq=False)
class Vehicle:
    """Drives, or is parked."""

    number: int
    class_id: int
    mesh: Mesh
    size: tuple[float, float, float]
    way: Way
    shade: Skin
    lamps: Skin | None

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The vehicle, its shadow, and the glare of its headlights."""
        x, y, heading = self.way(time)
        length, width, height = self.size
        place = here(np.array([x, y, 0.0]), eye)
        centre = place + np.array([0.0, 0.0, 0.5 * height])
        yield shadow((width + 0.7, length + 0.6), place + np.array([0.25, 0.0, 0.0]), self.shade, heading)
        solid = Solid(self.number, self.class_id, centre, np.array([length, width, height]), heading)
        yield Thing(self.mesh.at(place, heading), STREET, centre, solid)
        forward = np.array([-np.sin(heading), np.cos(heading), 0.0])
        if self.lamps is None or forward @ (eye - centre) < 0.3 * length:
            return
        sideways = np.array([forward[1], -forward[0], 0.0])
        for side in (-0.5, 0.5) if self.class_id != MOTORCYCLE else (0.0,):
            lamp = place + forward * (0.5 * length + 0.1) + sideways * side * (width - 0.5) + np.array([0.0, 0.0, 0.7])
            halo = 2.6
            towards = lamp + (eye - lamp) * min(1.5 / float(np.linalg.norm(eye - lamp)), 0.5)
            yield Thing(upright(self.lamps, (halo, halo), lamp, eye, 0.5 * halo), STREET, towards)


@dataclass(frozen=True, eq=False)
class Post:
    """A street lamp; at night it lights the ground around it."""

    number: int
    skin: Skin
    size: tuple[float, float]
    place: Floats
    pool: Skin | None
    halo: Skin | None

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The lamp and its light."""
        place, (width, height) = here(self.place, eye), self.size
        centre = place + np.array([0.0, 0.0, 0.5 * height])
        solid = Solid(self.number, LAMP_POST, centre, np.array([0.5 * width, width, height]), 0.0)
        if self.pool is not None and self.halo is not None:
            yield shadow((9.0, 9.0), place * (0.8, 1.0, 1.0), self.pool)
            head = place + np.array([0.0, 0.0, height - 0.3])
            yield Thing(upright(self.halo, (2.2, 2.2), head, eye, 1.1), STREET, place)
        yield Thing(upright(self.skin, self.size, place, eye), STREET, place, solid)


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing that turns to the rig: a tree, a bush or a sign."""

    skin: Skin
    size: tuple[float, float]
    place: Floats

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The thing."""
        place = here(self.place, eye)
        layer = STREET if abs(place[0]) < FRONTS else HOUSES
        yield Thing(upright(self.skin, self.size, place, eye), layer, place)


@dataclass(frozen=True, eq=False)
class Pane:
    """The glass wall of a bus stop, along the street."""

    skin: Skin
    size: tuple[float, float]
    place: Floats

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The wall."""
        place, (width, height) = here(self.place, eye), self.size
        face = Face(
            place + np.array([0.0, width / 2, height]), (0.0, -width, 0.0), (0.0, 0.0, -height), self.skin, True
        )
        yield Thing(Mesh.of([face]), STREET, place)


@dataclass(frozen=True, eq=False)
class Plume:
    """Smoke over the street."""

    smoke: Smoke
    place: Floats

    def at(self, time: float, eye: Floats) -> Iterator[Thing]:
        """The plume of the moment, drifting slowly to and fro."""
        place = here(self.place, eye) + np.array([0.8 * np.sin(0.5 * time), 0.0, 0.0])
        yield Thing(upright(self.smoke.at(time), (6.5, 4.6), place, eye, 0.3), STREET, place)


def cross_bike(side: Skin, end: Skin) -> tuple[Mesh, tuple[float, float, float]]:
    """A motorcycle that faces +y as two crossed cut-outs; also its length, width and height."""
    length, height = BIKE
    drop = (0.0, 0.0, -height)
    faces = [
        Face((0.0, -length / 2, height), (0.0, length, 0.0), drop, side, True),
        Face((-BIKE_WIDTH / 2, -0.2, height), (BIKE_WIDTH, 0.0, 0.0), drop, end, True),
    ]
    return Mesh.of(faces), (length, BIKE_WIDTH, height)


def headlights(climate: Climate) -> Skin | None:
    """The glare of a headlight, where headlights are lit."""
    if not climate.lamps:
        return None
    return glare(1.5 if not climate.hazard else 0.8)


def dark(strength: float, corners: float) -> Skin:
    """A soft shadow; the larger `corners`, the rounder."""
    v, u = np.mgrid[-1.0:1.0:48j, -1.0:1.0:48j].astype(np.float32)
    away = (np.abs(u) ** (8.0 / corners) + np.abs(v) ** (8.0 / corners)) ** (corners / 8.0)
    alpha = strength * np.clip((1.0 - away) / 0.25, 0.0, 1.0)
    pixels = np.zeros((48, 48, 4), np.uint8)
    pixels[..., 3] = alpha * 255.0
    return Skin(pixels, np.zeros((48, 48, 2), np.float32))


def bright(strength: float, core: float) -> Skin:
    """Light that falls off from the middle, in the visible only."""
    v, u = np.mgrid[-1.0:1.0:64j, -1.0:1.0:64j].astype(np.float32)
    away = np.hypot(u, v)
    light = strength * (np.exp(-((away / core) ** 2)) * np.clip(2.0 - 2.0 * away, 0.0, 1.0))
    pixels = np.clip(light[..., None] * np.array((0.62, 0.88, 1.0, 0.0), np.float32), 0.0, 1.0) * 255.0
    return Skin(pixels.astype(np.uint8), np.zeros((64, 64, 2), np.float32), pixels[..., :3].astype(np.uint8))
