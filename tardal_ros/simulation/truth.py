"""What is truly in a view."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.actors import CLASSES
from tardal_ros.simulation.eye import Eye, Part, Pose, Sighting
from tardal_ros.simulation.mesh import SKY, Solid, Stage
from tardal_ros.simulation.texture import Image
from tardal_ros.types import CameraInfo, freeze

Floats = NDArray[np.float64]

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


def truth_of(stream: str, t: float, eye: Eye, stage: Stage, rig: Pose) -> Truth:
    """Computes the truth at the rays of the camera's pixels, from the planes of the faces."""
    pose, shape = eye.pose(rig), eye.rays.shape[:2]
    labels, depth = np.zeros(shape, np.uint16), np.full(shape, np.inf, np.float32)
    whole: dict[int, NDArray[np.bool_]] = {}
    for sighting in eye.sightings(stage, pose):
        part = eye.place(sighting)
        if part is None or stage.layers[sighting.face] == SKY:
            continue
        cover, distance = _cover(eye, stage, sighting, part)
        owner = int(stage.owners[sighting.face])
        labels[part][cover] = owner
        depth[part][cover] = distance[cover]
        if owner:
            whole.setdefault(owner, np.zeros(shape, np.bool_))[part] |= cover
    solids = {solid.number: solid for solid in stage.solids}
    found = [_instance(solids[number], mask, labels == number, pose) for number, mask in whole.items() if mask.any()]
    instances = tuple(sorted(found, key=lambda instance: instance.number))
    targets = _targets(eye.felt(stage, rig), labels, instances)
    info, stamp = eye.camera.info, round(t * 1e9)
    return Truth(stream, stamp, info, freeze(pose.matrix()), instances, freeze(labels), freeze(depth), freeze(targets))


def _cover(eye: Eye, stage: Stage, sighting: Sighting, part: Part) -> tuple[NDArray[np.bool_], Image]:
    """Which pixels of a part a face covers, and its depth there."""
    rays = eye.rays[part]
    inverse = np.linalg.inv(sighting.plane)
    face = rays @ inverse[:, :2].T + inverse[:, 2]
    closeness = face[..., 2]
    ahead = closeness > 1e-9
    closeness = np.where(ahead, closeness, 1.0)
    s, t = face[..., 0] / closeness, face[..., 1] / closeness
    inside = ahead & (s >= 0.0) & (s < 1.0) & (t >= 0.0) & (t < 1.0)
    skin = stage.skins[sighting.face]
    if not skin.opaque:
        (width, height), cover = skin.size, skin.solid()
        x, y = (s * width - 0.5).astype(np.float32), (t * height - 0.5).astype(np.float32)
        inside &= cv2.remap(cover, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) >= 0.5
    return inside, (1.0 / closeness).astype(np.float32)


def _instance(solid: Solid, mask: NDArray[np.bool_], seen: NDArray[np.bool_], pose: Pose) -> Instance:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    box = np.array([left, top, left + width, top + height], np.float64)
    edge = left == 0 or top == 0 or left + width == mask.shape[1] or top + height == mask.shape[0]
    corners = (solid.corners() - pose.translation) @ pose.rotation
    visibility = float(np.count_nonzero(seen & mask) / np.count_nonzero(mask))
    return Instance(
        solid.number, solid.class_id, freeze(box), visibility, bool(edge), freeze(corners), freeze(solid.size.copy())
    )


def _targets(heat: Image, labels: NDArray[np.uint16], instances: tuple[Instance, ...]) -> NDArray[np.uint8]:
    targets = np.zeros(labels.shape, np.uint8)
    for instance in instances:
        left, top, right, bottom = instance.box.astype(int)
        wide = max((right - left) // 3, 4)
        part = np.s_[max(top - wide, 0) : bottom + wide, max(left - wide, 0) : right + wide]
        around, mine = heat[part][labels[part] == 0], labels[part] == instance.number
        if around.size and mine.any():
            targets[part][mine & (heat[part] > np.median(around) + WARMER)] = 255
    return targets
