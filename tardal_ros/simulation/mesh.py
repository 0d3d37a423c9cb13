"""Things made of flat faces, in metres.

The world's frame is x to the right of the street, y along it, z up (REP-103's ENU). A face is a parallelogram: its
upper left corner as seen from outside, the edge along its top and the edge down its side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.skin import Skin

Floats = NDArray[np.float64]
Vector = Sequence[float] | Floats

SKY, GROUND, SHADOWS, HOUSES, STREET = range(5)
"""Layers. Whatever stands nearer to the middle of the street than the houses cannot be hidden by them."""

LENGTH = 240.0
"""Metres of street after which the world repeats."""

_BEHIND = 30.0


def here(place: Floats, eye: Floats) -> Floats:
    """Of places (..., 3) of the repeating street the copies that a rig at `eye` has around and ahead of it."""
    copy = np.array(place, np.float64)
    copy[..., 1] = eye[1] - _BEHIND + np.mod(copy[..., 1] - eye[1] + _BEHIND, LENGTH)
    return copy


def ahead(along: float, eye: Floats) -> float:
    """How many metres ahead of a rig at `eye` that copy is (`here`) of what stands so far along the street."""
    return (along - float(eye[1]) + _BEHIND) % LENGTH - _BEHIND


@dataclass(frozen=True, eq=False)
class Face:
    """One face.

    Attributes:
        origin: Upper left corner.
        across: From there to the upper right corner.
        down: From there to the lower left corner.
        skin: What it shows.
        both_sides: Whether it is seen from behind too.
    """

    origin: Vector
    across: Vector
    down: Vector
    skin: Skin
    both_sides: bool = False


@dataclass(frozen=True, eq=False)
class Mesh:
    """Faces of one thing.

    Attributes:
        corners: (N, 3, 3) origin, across and down of each face.
        skins: N skins.
        sizes: (N, 2) their widths and heights in texels.
        opaque: (N,) bool, whether they cover their face all over.
        both_sides: (N,) bool.
    """

    corners: Floats
    skins: tuple[Skin, ...]
    sizes: NDArray[np.int64]
    opaque: NDArray[np.bool_]
    both_sides: NDArray[np.bool_]

    @staticmethod
    def of(faces: Sequence[Face]) -> Mesh:
        """Collects faces."""
        corners = np.array([(face.origin, face.across, face.down) for face in faces], np.float64)
        skins = tuple(face.skin for face in faces)
        return Mesh(
            corners.reshape(-1, 3, 3),
            skins,
            np.array([skin.size for skin in skins], np.int64).reshape(-1, 2),
            np.array([skin.opaque for skin in skins], np.bool_),
            np.array([face.both_sides for face in faces], np.bool_),
        )

    def at(self, place: Vector, heading: float = 0.0) -> Mesh:
        """The same, its own y axis turned by `heading` (anticlockwise, radians), standing at a place of the world."""
        cosine, sine = np.cos(heading), np.sin(heading)
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        corners = self.corners @ turn
        corners[:, 0] += np.asarray(place, np.float64)
        return replace(self, corners=corners)


@dataclass(frozen=True, eq=False)
class Solid:
    """The 3-D box of an object of interest.

    Attributes:
        number: Of the object, 1 or more, the same at all times.
        class_id: Index into `CLASSES`.
        centre: (3,) of the box, in the world.
        size: (3,) length along the heading, width, height.
        heading: Of its length, anticlockwise from the y axis, in radians.
    """

    number: int
    class_id: int
    centre: Floats
    size: Floats
    heading: float

    def corners(self) -> Floats:
        """(8, 3) corners in the world."""
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        forward, left = np.array([-sine, cosine, 0.0]), np.array([-cosine, -sine, 0.0])
        half = 0.5 * self.size
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float64)
        axes = np.stack([forward * half[0], left * half[1], np.array([0.0, 0.0, half[2]])])
        return np.asarray(self.centre + signs @ axes)


@dataclass(frozen=True, eq=False)
class Thing:
    """What stands in the world at one moment.

    Attributes:
        mesh: Its faces, in the world.
        layer: In which layer it is drawn.
        solid: Its 3-D box if it is of one of the classes.
        haunt: A point by which its distance is judged against others of its layer.
    """

    mesh: Mesh
    layer: int
    haunt: Floats
    solid: Solid | None = None


@dataclass(frozen=True, eq=False)
class Stage:
    """All faces of one moment.

    Attributes:
        corners: (N, 3, 3), see `Mesh`.
        skins: N skins.
        sizes: (N, 2) their widths and heights in texels.
        opaque: (N,) bool, whether they cover their face all over.
        both_sides: (N,) bool.
        layers: (N,) their layers.
        haunts: (N, 3) the points by which they are sorted, farthest first.
        owners: (N,) number of the object, 0 for none.
        solids: The objects.
    """

    corners: Floats
    skins: tuple[Skin, ...]
    sizes: NDArray[np.int64]
    opaque: NDArray[np.bool_]
    both_sides: NDArray[np.bool_]
    layers: NDArray[np.int64]
    haunts: Floats
    owners: NDArray[np.int64]
    solids: tuple[Solid, ...]

    @staticmethod
    def of(things: Sequence[Thing]) -> Stage:
        """Sets the stage."""
        counts = [len(thing.mesh.skins) for thing in things]
        numbers = [0 if thing.solid is None else thing.solid.number for thing in things]
        return Stage(
            np.concatenate([thing.mesh.corners for thing in things]),
            tuple(skin for thing in things for skin in thing.mesh.skins),
            np.concatenate([thing.mesh.sizes for thing in things]),
            np.concatenate([thing.mesh.opaque for thing in things]),
            np.concatenate([thing.mesh.both_sides for thing in things]),
            np.repeat([thing.layer for thing in things], counts),
            np.repeat(np.array([thing.haunt for thing in things]), counts, axis=0),
            np.repeat(numbers, counts),
            tuple(thing.solid for thing in things if thing.solid is not None),
        )
