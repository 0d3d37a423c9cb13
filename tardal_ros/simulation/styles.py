"""What worlds are made of, by split: no entry of any table is in the same table of the other split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from tardal_ros.simulation.climate import Colour

_Choice = TypeVar("_Choice")

Range = tuple[float, float]


class Bond(NamedTuple):
    """How a wall is built: bricks of so many texels, each course shifted; without a length, plaster in blotches."""

    length: int
    course: int
    shift: int


class Casement(NamedTuple):
    """A window: its size in metres, and where its bars are as parts of its width and its height."""

    width: float
    height: float
    upright: tuple[float, ...]
    level: tuple[float, ...]


class Marking(NamedTuple):
    """Road paint in metres: dashes, the gaps between, their width, and one stripe and gap of a crossing."""

    dash: float
    gap: float
    width: float
    stripe: float


class Mending(NamedTuple):
    """How a road was mended: number and size (metres) of patches, and number of cracks."""

    patches: int
    size: Range
    cracks: int


class Paving(NamedTuple):
    """Slabs of a pavement in metres, and by which part of its length each row is shifted."""

    length: float
    width: float
    shift: float


class Clouds(NamedTuple):
    """Clouds: size in pixels of the painted sky, how flat they are, and how frayed."""

    size: float
    flat: int
    frayed: float


class Skyline(NamedTuple):
    """What stands far away: height (tangent) and length (pixels) of hills, and width of roofs."""

    hills: float
    length: float
    roofs: int


class Crown(NamedTuple):
    """The crown of a tree: density in the middle, half its width, its middle and half its height, and how it falls."""

    dense: float
    wide: float
    middle: float
    tall: float
    fall: float


class LampHead(NamedTuple):
    """The head of a street lamp: how far aside of its pole, and half its height, in metres."""

    aside: float
    flat: float


class Board(NamedTuple):
    """A road sign: two words and its colour."""

    words: tuple[str, str]
    colour: Colour


class Body(NamedTuple):
    """The shape of a car in metres, x from its tail and heights above the road.

    Attributes:
        length: From tail to nose.
        roof: Height of the roof.
        belt: Height of the lower edge of the windows.
        deck: Height of the edge between the tail and what is above it.
        nose: Height of the edge between the bonnet and the front.
        rear: x of the foot and the top of the rear window.
        screen: x of the top and the foot of the windscreen.
        wheels: x of the axles.
        radius: Of the tyres.
        posts: x of the posts between the side windows.
    """

    length: float
    roof: float
    belt: float
    deck: float
    nose: float
    rear: Range
    screen: Range
    wheels: Range
    radius: float
    posts: tuple[float, ...]


@dataclass(frozen=True)
class Styles:
    """The tables of a split; colours are BGR, 0 to 1."""

    walls: tuple[Colour, ...]
    bonds: tuple[Bond, ...]
    casements: tuple[Casement, ...]
    frames: tuple[Colour, ...]
    boards: tuple[Colour, ...]
    doors: tuple[Colour, ...]
    roofs: tuple[Colour, ...]
    shops: tuple[str, ...]
    asphalts: tuple[Colour, ...]
    slabs: tuple[Colour, ...]
    pavings: tuple[Paving, ...]
    markings: tuple[Marking, ...]
    mendings: tuple[Mending, ...]
    meadows: tuple[Colour, ...]
    heavens: tuple[Colour, ...]
    clouds: tuple[Clouds, ...]
    skylines: tuple[Skyline, ...]
    crowns: tuple[Crown, ...]
    leaves: tuple[Colour, ...]
    hedges: tuple[Colour, ...]
    lamps: tuple[LampHead, ...]
    poles: tuple[Colour, ...]
    signs: tuple[Board, ...]
    tanks: tuple[Colour, ...]
    leathers: tuple[Colour, ...]
    bodies: tuple[Body, ...]
    paints: tuple[Colour, ...]
    letters: tuple[str, ...]
    liveries: tuple[Colour, ...]
    adverts: tuple[str, ...]
    lines: tuple[str, ...]
    coats: tuple[Colour, ...]
    trousers: tuple[Colour, ...]
    hair: tuple[Colour, ...]
    skins: tuple[Colour, ...]
    builds: tuple[float, ...]
    smoke: tuple[Colour, ...]


_TRAIN = Styles(
    walls=((0.36, 0.42, 0.58), (0.50, 0.60, 0.68), (0.58, 0.66, 0.78), (0.70, 0.74, 0.76), (0.52, 0.50, 0.46)),
    bonds=(Bond(10, 4, 5), Bond(12, 6, 0), Bond(0, 60, 6)),
    casements=(
        Casement(1.00, 1.55, (0.5,), (0.33,)),
        Casement(0.90, 1.40, (), (0.5,)),
        Casement(1.20, 1.75, (0.33, 0.67), (0.4,)),
    ),
    frames=((0.70, 0.73, 0.75), (0.34, 0.40, 0.46)),
    boards=((0.42, 0.16, 0.12), (0.14, 0.34, 0.16), (0.16, 0.18, 0.44), (0.24, 0.24, 0.24)),
    doors=((0.14, 0.20, 0.32), (0.30, 0.18, 0.12), (0.40, 0.42, 0.40)),
    roofs=((0.34, 0.33, 0.34), (0.30, 0.36, 0.52)),
    shops=("BAKERY", "CINEMA", "PHARMACY", "FLOWERS", "CAFE", "SHOES", "OPTICIAN"),
    asphalts=((0.43, 0.42, 0.41), (0.38, 0.39, 0.41)),
    slabs=((0.50, 0.53, 0.56), (0.46, 0.47, 0.48)),
    pavings=(Paving(0.6, 0.6, 0.0), Paving(0.8, 0.4, 0.5)),
    markings=(Marking(4.0, 4.0, 0.14, 1.0), Marking(3.0, 5.0, 0.12, 0.9)),
    mendings=(Mending(7, (0.5, 2.5), 14), Mending(3, (2.0, 3.8), 22)),
    meadows=((0.18, 0.36, 0.28), (0.20, 0.40, 0.38)),
    heavens=((0.90, 0.70, 0.52), (0.94, 0.78, 0.62)),
    clouds=(Clouds(220.0, 2, 0.55), Clouds(380.0, 2, 0.50)),
    skylines=(Skyline(0.045, 500.0, 28), Skyline(0.030, 350.0, 35)),
    crowns=(Crown(0.85, 0.80, 0.40, 0.40, 1.4), Crown(0.80, 0.62, 0.36, 0.38, 1.2)),
    leaves=((0.12, 0.31, 0.20), (0.13, 0.36, 0.30), (0.11, 0.40, 0.26)),
    hedges=((0.14, 0.33, 0.23), (0.15, 0.40, 0.30)),
    lamps=(LampHead(0.0, 0.19), LampHead(0.45, 0.13), LampHead(0.85, 0.08)),
    poles=((0.22, 0.22, 0.22), (0.40, 0.40, 0.38)),
    signs=(Board(("ROAD", "WORK"), (0.80, 0.82, 0.84)), Board(("BUS", "STOP"), (0.74, 0.66, 0.58))),
    tanks=((0.14, 0.12, 0.55), (0.10, 0.10, 0.10)),
    leathers=((0.25, 0.30, 0.36), (0.16, 0.18, 0.30)),
    bodies=(
        Body(3.85, 1.50, 0.98, 0.96, 0.78, (0.06, 0.42), (1.95, 2.72), (0.64, 3.10), 0.30, (1.10, 1.78)),
        Body(4.35, 1.74, 1.10, 1.06, 0.96, (0.05, 0.36), (2.35, 3.05), (0.80, 3.45), 0.36, (0.92, 1.95)),
        Body(4.50, 1.86, 1.12, 1.02, 0.92, (0.04, 0.24), (2.75, 3.68), (0.78, 3.58), 0.33, (1.02, 2.20)),
    ),
    paints=((0.62, 0.28, 0.12), (0.72, 0.73, 0.74), (0.30, 0.42, 0.30), (0.20, 0.50, 0.72), (0.24, 0.20, 0.18)),
    letters=("ABCDEFGHIJKL",),
    liveries=((0.16, 0.16, 0.66), (0.30, 0.55, 0.28), (0.12, 0.58, 0.82)),
    adverts=("FRESH MILK", "RADIO 88", "BIG SALE", "NEW PHONE"),
    lines=("12 HARBOUR", "31 OLD TOWN", "5 ZOO"),
    coats=((0.20, 0.22, 0.25), (0.22, 0.20, 0.62), (0.25, 0.45, 0.35), (0.44, 0.40, 0.38)),
    trousers=((0.34, 0.24, 0.18), (0.42, 0.52, 0.58)),
    hair=((0.10, 0.12, 0.16), (0.35, 0.55, 0.70)),
    skins=((0.55, 0.66, 0.86), (0.20, 0.28, 0.42)),
    builds=(1.02, 1.06, 1.10, 1.15),
    smoke=((0.63, 0.62, 0.61), (0.52, 0.53, 0.54)),
)  # fmt: skip

_TEST = Styles(
    walls=((0.62, 0.68, 0.72), (0.42, 0.46, 0.48), (0.30, 0.36, 0.50), (0.46, 0.58, 0.60), (0.66, 0.64, 0.60)),
    bonds=(Bond(8, 4, 3), Bond(16, 7, 8), Bond(0, 90, 7)),
    casements=(
        Casement(1.10, 1.65, (0.5,), (0.25, 0.5, 0.75)),
        Casement(1.30, 1.45, (0.5,), ()),
        Casement(0.95, 1.80, (), (0.28, 0.72)),
    ),
    frames=((0.60, 0.62, 0.62), (0.22, 0.26, 0.30)),
    boards=((0.18, 0.14, 0.36), (0.38, 0.30, 0.10), (0.46, 0.46, 0.44), (0.12, 0.26, 0.30)),
    doors=((0.18, 0.26, 0.20), (0.12, 0.14, 0.42), (0.26, 0.28, 0.34)),
    roofs=((0.40, 0.39, 0.38), (0.26, 0.30, 0.44)),
    shops=("HOTEL", "BOOKS", "MUSIC", "BANK", "TOOLS", "GROCER", "TAILOR"),
    asphalts=((0.40, 0.40, 0.40), (0.46, 0.45, 0.43)),
    slabs=((0.48, 0.50, 0.54), (0.53, 0.54, 0.55)),
    pavings=(Paving(0.5, 0.3, 0.5), Paving(0.4, 0.4, 0.0)),
    markings=(Marking(2.0, 2.0, 0.15, 0.8), Marking(5.0, 3.0, 0.13, 1.1)),
    mendings=(Mending(12, (0.4, 1.4), 9), Mending(5, (1.0, 3.0), 17)),
    meadows=((0.16, 0.33, 0.25), (0.21, 0.38, 0.33)),
    heavens=((0.86, 0.68, 0.55), (0.92, 0.74, 0.58)),
    clouds=(Clouds(300.0, 3, 0.60), Clouds(150.0, 4, 0.65)),
    skylines=(Skyline(0.038, 650.0, 20), Skyline(0.052, 420.0, 50)),
    crowns=(Crown(0.95, 0.92, 0.36, 0.36, 1.0), Crown(0.90, 0.72, 0.42, 0.42, 1.0)),
    leaves=((0.12, 0.34, 0.24), (0.14, 0.38, 0.22), (0.10, 0.33, 0.32)),
    hedges=((0.13, 0.36, 0.27), (0.16, 0.37, 0.24)),
    lamps=(LampHead(0.25, 0.16), LampHead(0.66, 0.10)),
    poles=((0.30, 0.30, 0.30), (0.46, 0.46, 0.46)),
    signs=(Board(("SLOW", "30"), (0.20, 0.74, 0.94)), Board(("NO", "ENTRY"), (0.62, 0.80, 0.86))),
    tanks=((0.55, 0.25, 0.10), (0.20, 0.45, 0.20)),
    leathers=((0.12, 0.13, 0.14), (0.20, 0.24, 0.22)),
    bodies=(
        Body(4.55, 1.44, 0.95, 0.92, 0.76, (0.62, 1.22), (2.42, 3.22), (0.98, 3.68), 0.32, (1.36, 2.08)),
        Body(4.65, 1.49, 0.96, 0.92, 0.78, (0.08, 0.52), (2.52, 3.30), (0.96, 3.74), 0.32, (1.14, 2.10)),
        Body(4.30, 1.34, 0.90, 0.87, 0.72, (0.48, 1.30), (2.16, 3.00), (0.80, 3.42), 0.33, (1.62,)),
    ),
    paints=((0.16, 0.14, 0.58), (0.28, 0.28, 0.27), (0.10, 0.10, 0.11), (0.52, 0.54, 0.55), (0.50, 0.36, 0.20)),
    letters=("MNPRSTUVWXYZ",),
    liveries=((0.60, 0.36, 0.14), (0.72, 0.74, 0.75), (0.40, 0.20, 0.34)),
    adverts=("CITY TOURS", "MUSEUM", "GO GREEN", "JAZZ WEEK"),
    lines=("7 STATION", "4 PARK", "26 MARKET"),
    coats=((0.55, 0.30, 0.16), (0.66, 0.68, 0.70), (0.20, 0.60, 0.75), (0.16, 0.18, 0.20)),
    trousers=((0.16, 0.15, 0.15), (0.30, 0.30, 0.32)),
    hair=((0.14, 0.24, 0.36), (0.60, 0.60, 0.60)),
    skins=((0.36, 0.48, 0.68), (0.28, 0.38, 0.56)),
    builds=(0.90, 0.94, 0.97, 1.0),
    smoke=((0.66, 0.65, 0.63), (0.57, 0.57, 0.56)),
)  # fmt: skip

STYLES = (_TRAIN, _TEST)
"""By split, in the order of `SPLITS`."""


def pick(rng: np.random.Generator, shelf: Sequence[_Choice]) -> _Choice:
    """Takes one of a table at random."""
    return shelf[int(rng.integers(len(shelf)))]
