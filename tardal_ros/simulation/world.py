"""The world: an endless street that repeats, and everybody on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tardal_ros.simulation.actors import (
    BUS,
    CAR,
    MOTORCYCLE,
    TRUCK,
    Cutout,
    Pane,
    Pedestrian,
    Plume,
    Post,
    Vehicle,
    Wardrobe,
    Way,
    bright,
    cross_bike,
    dark,
    headlights,
)
from tardal_ros.simulation.car import build_car
from tardal_ros.simulation.climate import Climate
from tardal_ros.simulation.drive import Drive
from tardal_ros.simulation.furniture import LAMP, SHELTER, SIGN, glaze_shelter, paint_bike, paint_lamp, paint_sign
from tardal_ros.simulation.ground import FRONTS, TILE, lay_ground
from tardal_ros.simulation.heavy import build_bus, build_truck
from tardal_ros.simulation.house import build_house
from tardal_ros.simulation.mesh import GROUND, HOUSES, LENGTH, SKY, Mesh, Stage, Thing, ahead, here
from tardal_ros.simulation.plants import grow_hedge, grow_tree
from tardal_ros.simulation.skin import Skin
from tardal_ros.simulation.sky import hang_sky
from tardal_ros.simulation.smoke import Smoke
from tardal_ros.simulation.styles import STYLES

_SIGHT = 170.0
_PASSED = -12.0  # Metres; what stands further behind the rig is out of all its views.

Actor = Pedestrian | Vehicle | Post | Cutout | Pane | Plume


class World:
    """All that a rig can see on its drive."""

    def __init__(self, rng: np.random.Generator, climate: Climate, split: int, drive: Drive, crowd: float) -> None:
        """Builds it.

        Args:
            rng: Chooses everything.
            climate: Light and temperatures.
            split: Index of the `STYLES` to use.
            drive: How the rig moves.
            crowd: Part of the people and vehicles that are there; 0 leaves the street empty.
        """
        self._climate, self._styles, self._drive, self._crowd = climate, STYLES[split], drive, crowd
        self._numbers = itertools.count(1)
        self._shade = dark(0.55 if climate.sun else 0.38, 2.0)
        self._sky = Thing(hang_sky(rng, climate, self._styles), SKY, np.zeros(3))
        still = self._ground(rng) + self._houses(rng)
        self._still = Stage.of(still)
        self._actors: list[Actor] = [*self._plants(rng), *self._signs(rng), *self._smoke(rng)]
        named: list[Actor] = [*self._lamps(rng), *self._vehicles(rng), *self._people(rng)]
        self._actors += named if crowd else []

    def stage(self, time: float) -> Stage:
        """Everything at one moment, wherever the rig then sees it."""
        eye = self._drive.pose(time).translation
        things = [self._sky]
        for actor in self._actors:
            along = actor.way(time)[1] if isinstance(actor, Pedestrian | Vehicle) else float(actor.place[1])
            if _PASSED < ahead(along, eye) < _SIGHT:
                things += actor.at(time, eye)
        moving, still = Stage.of(things), self._still
        haunts = here(still.haunts, eye)
        corners = still.corners.copy()
        corners[:, 0] += haunts - still.haunts
        return Stage(
            np.concatenate([moving.corners, corners]),
            moving.skins + still.skins,
            np.concatenate([moving.sizes, still.sizes]),
            np.concatenate([moving.opaque, still.opaque]),
            np.concatenate([moving.both_sides, still.both_sides]),
            np.concatenate([moving.layers, still.layers]),
            np.concatenate([moving.haunts, haunts]),
            np.concatenate([moving.owners, still.owners]),
            moving.solids,
        )

    def _ground(self, rng: np.random.Generator) -> list[Thing]:
        faces = lay_ground(rng, self._climate, self._styles)
        things = []
        for tile in range(int(LENGTH / TILE)):
            for face in faces:
                mesh = Mesh.of([face]).at((0.0, tile * TILE, 0.0))
                middle = mesh.corners[0, 0] + 0.5 * (mesh.corners[0, 1] + mesh.corners[0, 2])
                things.append(Thing(mesh, GROUND, middle))
        return things

    def _houses(self, rng: np.random.Generator) -> list[Thing]:
        things = []
        for left in (True, False):
            # The sun stands to the left: it shines on the fronts to the right.
            sunlit = 0.15 if left else 0.95
            widths = rng.uniform(8.5, 13.5, 5)
            models = [build_house(rng, self._climate, self._styles, float(width), sunlit, left) for width in widths]
            along = float(rng.uniform(0.0, 3.0))
            while True:
                which = int(rng.integers(len(models)))
                if along + widths[which] > LENGTH:
                    break
                if rng.random() < 0.22:
                    along += float(rng.uniform(4.0, 11.0))
                    continue
                place = np.array([-FRONTS if left else FRONTS, along, 0.0])
                things.append(Thing(models[which].at(place), HOUSES, place + np.array([0.0, 0.5 * widths[which], 3.0])))
                along += float(widths[which])
        return things

    def _plants(self, rng: np.random.Generator) -> Iterator[Cutout]:
        trees = []
        for _ in range(3):
            size = float(rng.uniform(4.2, 6.0)), float(rng.uniform(6.5, 9.0))
            trees.append((grow_tree(rng, self._climate, self._styles, *size), size))
        for side in (-1.0, 1.0):
            for along in np.arange(float(rng.uniform(0.0, 10.0)), LENGTH, 13.0):
                skin, size = trees[int(rng.integers(3))]
                where = 8.2 if rng.random() < 0.55 else 13.5
                if rng.random() < 0.75:
                    yield self._cutout(skin, size, side * where, along + rng.uniform(-3.0, 3.0))
        hedges = [(grow_hedge(rng, self._climate, self._styles, 3.0, 1.3), (3.0, 1.3)) for _ in range(2)]
        for side, along in itertools.product((-1.0, 1.0), np.arange(4.0, LENGTH, 17.0)):
            skin, size = hedges[int(rng.integers(2))]
            yield self._cutout(skin, size, side * float(rng.uniform(10.6, 12.0)), along)

    def _cutout(self, skin: Skin, size: tuple[float, float], x: float, along: float) -> Cutout:
        return Cutout(skin, size, np.array([x, along, 0.0]))

    def _signs(self, rng: np.random.Generator) -> Iterator[Cutout | Pane]:
        for along in (18.0, 62.0, 133.0, 190.0):
            skin = paint_sign(rng, self._climate, self._styles)
            yield self._cutout(skin, SIGN, float(rng.choice([-6.4, 6.4])), along + float(rng.uniform(0.0, 9.0)))
        glass = glaze_shelter(rng, self._climate)
        for along in (40.0, 165.0):
            yield Pane(glass, SHELTER, np.array([7.0, along, 0.0]))

    def _smoke(self, rng: np.random.Generator) -> Iterator[Plume]:
        if self._climate.hazard == "smoke":
            smokes = [Smoke(rng, self._climate, self._styles) for _ in range(2)]
            for index, along in enumerate(np.arange(8.0, LENGTH, 12.0)):
                x = float(rng.uniform(-5.5, 5.5))
                yield Plume(smokes[index % 2], np.array([x, along + rng.uniform(-3.0, 3.0), 0.0]))

    def _lamps(self, rng: np.random.Generator) -> Iterator[Post]:
        skin = paint_lamp(rng, self._climate, self._styles)
        pool = bright(0.42, 0.55) if self._climate.lamps and not self._climate.hazard else None
        halo = bright(0.9, 0.22) if self._climate.lamps else None
        for side in (-1.0, 1.0):
            mirrored = skin.mirrored() if side > 0 else skin
            for along in np.arange(6.0 + 12.0 * (side > 0), LENGTH, 24.0):
                place = np.array([side * 6.1, along, 0.0])
                yield Post(next(self._numbers), mirrored, LAMP, place, pool, halo)

    def _vehicles(self, rng: np.random.Generator) -> list[Vehicle]:
        climate, styles = self._climate, self._styles
        cars = [build_car(rng, climate, styles) for _ in range(4)]
        bus, truck = build_bus(rng, climate, styles), build_truck(rng, climate, styles)
        bike = cross_bike(paint_bike(rng, climate, styles, True), paint_bike(rng, climate, styles, False))
        speed, lamps = self._drive.speed, headlights(climate)
        made: list[Vehicle] = []

        def add(kind: int, model: tuple[Mesh, tuple[float, float, float]], way: Way, lit: bool) -> None:
            made.append(Vehicle(next(self._numbers), kind, *model, way, self._shade, lamps if lit else None))

        # Ahead of us, keeping their distance; towards us; parked on either side.
        gaps = np.array([13.0, 30.0, 44.0]) + rng.uniform(-2.0, 2.0, 3)
        # Next is a car: behind a truck nothing else would be seen.
        rest = [(TRUCK, truck), (MOTORCYCLE, bike)]
        ahead = [(CAR, cars[0]), *(rest if rng.random() < 0.5 else rest[::-1])]
        for gap, (kind, model) in zip(gaps, ahead, strict=True):
            add(kind, model, self._ahead(float(gap), float(rng.uniform(0.0, 6.0))), False)
        starts = np.arange(6) * (LENGTH / 6) + rng.uniform(0.0, 14.0, 6)
        coming = [(CAR, cars[1]), (BUS, bus), (CAR, cars[2]), (MOTORCYCLE, bike), (CAR, cars[3]), (TRUCK, truck)]
        for start, which in zip(starts, rng.permutation(6), strict=True):
            kind, model = coming[which]
            add(kind, model, self._lane(-1.75, float(start), -1.2 * speed, np.pi), True)
        for along in np.arange(10.0, LENGTH, 15.0):
            if rng.random() < 0.6:
                x = float(rng.choice([-4.55, 4.55]))
                heading = 0.0 if x > 0 else np.pi
                chance, kind, model = rng.random(), CAR, cars[int(rng.integers(4))]
                if chance < 0.3:
                    kind, model = (BUS, bus) if chance < 0.12 else (MOTORCYCLE, bike)
                add(kind, model, self._lane(x, along + float(rng.uniform(0.0, 3.0)), 0.0, heading), False)
        return made[: self._count(len(made))]

    def _people(self, rng: np.random.Generator) -> list[Pedestrian]:
        wardrobes = [Wardrobe(rng, self._climate, self._styles) for _ in range(7)]
        ways: list[tuple[Way, float]] = []
        for along in np.arange(0.0, LENGTH, 24.0):
            pace = float(rng.uniform(0.9, 1.6)) * float(rng.choice([-1.0, 1.0]))
            x = float(rng.choice([-1.0, 1.0]) * rng.uniform(6.5, 8.8))
            ways.append(
                (self._lane(x, along + float(rng.uniform(0.0, 20.0)), pace, 0.0 if pace > 0 else np.pi), abs(pace))
            )
        for along in np.arange(12.0, LENGTH, 30.0):
            side, pace = float(rng.choice([-1.0, 1.0])), float(rng.uniform(0.7, 1.2))
            ways.append((self._stroll(side, along + float(rng.uniform(0.0, 12.0)), pace), pace))
        for along in (31.0, 111.0, 191.0):
            ways.append((self._cross(along, float(rng.choice([-1.0, 1.0]))), 1.6))
            ways.append((self._cross(along + 1.1, float(rng.choice([-1.0, 1.0]))), 1.5))
        for along in (40.6, 165.5):
            ways.append((self._lane(8.2, along, 0.0, np.pi / 2), 0.0))
        order = rng.permutation(len(ways))[: self._count(len(ways))]
        shade = dark(0.5, 4.0)
        return [
            Pedestrian(next(self._numbers), wardrobes[int(index) % 7], ways[index][0], ways[index][1], shade)
            for index in order
        ]

    def _count(self, number: int) -> int:
        return min(number, max(1, round(self._crowd * number)))

    def _ahead(self, gap: float, phase: float) -> Way:
        def way(time: float) -> tuple[float, float, float]:
            along = self._drive.along(time) + gap + 2.5 * float(np.sin(0.25 * time + phase))
            return 1.75 + 0.1 * float(np.sin(0.4 * time + phase)), along, 0.0

        return way

    def _lane(self, x: float, start: float, speed: float, heading: float) -> Way:
        return lambda time: (x, start + speed * time, heading)

    def _stroll(self, side: float, along: float, pace: float) -> Way:
        """To and fro between kerb and houses."""

        def way(time: float) -> tuple[float, float, float]:
            turn = np.mod(pace * time + along, 5.4)
            out = turn < 2.7
            x = 6.2 + (turn if out else 5.4 - turn)
            return side * float(x), along, -side * np.pi / 2 if out else side * np.pi / 2

        return way

    def _cross(self, along: float, side: float) -> Way:
        """Over the crossing while we come near."""

        def way(time: float) -> tuple[float, float, float]:
            ahead = np.mod(along - self._drive.along(time), LENGTH)
            done = float(np.clip((64.0 - ahead) / 52.0, 0.0, 1.0))
            return side * (8.2 - 16.4 * done), along, side * np.pi / 2

        return way
