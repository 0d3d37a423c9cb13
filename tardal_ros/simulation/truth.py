"""What is truly in a view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.actors import CLASSES
from tardal_ros.simulation.atlas import Atlas
from tardal_ros.simulation.eye import Eye, Pose
from tardal_ros.simulation.mesh import SKY, Solid, Stage
from tardal_ros.simulation.texture import Image
from tardal_ros.types import CameraInfo, freeze

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WARMER = 2.0
"""By how many kelvins a pixel of an object must look warmer than what surrounds the object, to be a thermal target."""


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of one of the classes.

    Attributes:
        number: The same in all views and at all times; its value in `Truth.labels`.
        class_id: Index into `CLASSES`.
        box: (4,) left, top, right and bottom edge of all of it that is within the image, whether hidden or not. As in
            `Detections`, pixel (0, 0) covers the square from (0, 0) to (1, 1).
        visibility: Part of its pixels within the image that nothing opaque hides, 0 to 1.
        truncated: Whether the edge of the image cuts it off.
        corners: (8, 3) corners of its 3-D box in the camera's optical frame, in metres.
        size: (3,) length, width and height of that box.
    """

    number: int
    class_id: int
    box: Floats
    visibility: float
    truncated: bool
    corners: Floats
    size: Floats

    @property
    def name(self) -> str:
        """The name of its class."""
        return CLASSES[self.class_id]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is truly in a view. Smoke, rain, fog and glass hide nothing here.

    Attributes:
        stream: The camera.
        stamp: Nanoseconds since the start of the scene.
        info: The camera's geometry.
        pose: (4, 4), from the camera's optical frame to the world (x right of the street, y along it, z up; metres).
        instances: The objects in view, hidden ones included.
        labels: (H, W) uint16, number of the object at each pixel's centre, 0 for none.
        depth: (H, W) float32, metres along the optical axis; inf for the sky.
        targets: (H, W) uint8, 255 where an object looks warmer than its surroundings.
    """

    stream: str
    stamp: int
    info: CameraInfo
    pose: Floats
    instances: tuple[Instance, ...]
    labels: NDArray[np.uint16]
    depth: NDArray[np.float32]
    targets: NDArray[np.uint8]


def truth_of(stream: str, t: float, eye: Eye, stage: Stage, rig: Pose, heat: Atlas, solid: Atlas) -> Truth:
    """Computes the truth at the rays of the camera's pixels, from the planes of the faces.

    Args:
        stream: The camera's stream.
        t: Seconds since the start of the scene.
        eye: The camera.
        stage: What there is.
        rig: Where visible/left stands.
        heat: How warm things look.
        solid: Where things hide what is behind.
    """
    from tardal_ros.simulation.raster import survey

    pose, shape = eye.pose(rig), eye.rays.shape[:2]
    labels, depth = np.zeros(shape, np.int64), np.full(shape, np.inf, np.float32)
    seen = eye.sightings(stage, pose)
    near = stage.layers[seen.faces] != SKY
    faces = seen.faces[near]
    levels = solid.levels([stage.skins[face] for face in faces.tolist()], np.zeros((len(faces), 2), np.int64))
    onto, parts, owners = np.linalg.inv(seen.planes[near]), eye.parts(seen.bounds[near]), stage.owners[faces]
    extents = survey(
        solid.texels,
        levels,
        onto,
        parts,
        eye.rays,
        stage.opaque[faces],
        owners,
        int(owners.max(initial=0)),
        labels,
        depth,
    )
    shown = np.bincount(labels.ravel(), minlength=len(extents))
    instances = tuple(
        _instance(one, extents[one.number], int(shown[one.number]), shape, pose)
        for one in sorted(stage.solids, key=lambda one: one.number)
        if one.number < len(extents) and extents[one.number, 4]
    )
    targets = _targets(eye.draw(stage, [rig], heat), labels, instances)
    return Truth(
        stream, round(t * 1e9), eye.camera.info, freeze(pose.matrix()), instances,
        freeze(labels.astype(np.uint16)), freeze(depth), freeze(targets),
    )  # fmt: skip


def _instance(solid: Solid, extent: Integers, shown: int, shape: tuple[int, ...], pose: Pose) -> Instance:
    left, top, right, bottom, whole = extent.tolist()
    box = np.array([left, top, right, bottom], np.float64)
    edge = left == 0 or top == 0 or right == shape[1] or bottom == shape[0]
    corners = (solid.corners() - pose.translation) @ pose.rotation
    return Instance(
        solid.number, solid.class_id, freeze(box), shown / whole, edge, freeze(corners), freeze(solid.size.copy())
    )


def _targets(heat: Image, labels: Integers, instances: tuple[Instance, ...]) -> NDArray[np.uint8]:
    targets = np.zeros(labels.shape, np.uint8)
    for instance in instances:
        left, top, right, bottom = instance.box.astype(int)
        wide = max((right - left) // 3, 4)
        part = np.s_[max(top - wide, 0) : bottom + wide, max(left - wide, 0) : right + wide]
        around, mine = heat[part][labels[part] == 0], labels[part] == instance.number
        if around.size and mine.any():
            targets[part][mine & (heat[part] > np.median(around) + WARMER)] = 255
    return targets
