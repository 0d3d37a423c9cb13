"""An eye: which faces it sees, and how they are drawn.

Faces are drawn into an ideal pinhole image a little larger than the camera's; one precomputed map then brings that
through the lens. The truth is computed without the detour, at the rays of the camera's own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.atlas import Atlas
from tardal_ros.simulation.mesh import SKY, Stage
from tardal_ros.simulation.rig import Camera
from tardal_ros.simulation.skin import FELT
from tardal_ros.simulation.texture import Image

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MARGIN = 3
_OVERLAP = 0.1  # Pixels by which opaque faces are drawn too large, so that no seam opens between neighbours.
_SKY_DISTANCE = 190.0  # Metres of air before the sky.
_MOST_HALVINGS = 7


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a camera stands: a point X of its optical frame lies at `rotation @ X + translation` in the world."""

    rotation: Floats
    translation: Floats

    def matrix(self) -> Floats:
        """4x4, camera to world."""
        whole = np.eye(4)
        whole[:3, :3], whole[:3, 3] = self.rotation, self.translation
        return whole


@dataclass(frozen=True, eq=False)
class Sightings:
    """The faces that an eye sees, the nearest first.

    Attributes:
        faces: (N,) their indices on the stage.
        planes: (N, 3, 3), takes (s, t, 1) of a face, 0 to 1 from its origin across and down, to the optical frame.
        bounds: (N, 4) left, top, right and bottom in the ideal image.
        lengths: (N, 2) their pixels across and down, or 0 for one that reaches behind the camera.
    """

    faces: Integers
    planes: Floats
    bounds: Integers
    lengths: Floats


class Eye:
    """One camera of the rig."""

    def __init__(self, camera: Camera) -> None:
        """Prepares the maps of the lens."""
        self.camera = camera
        self.rays = camera.rays()
        fx, fy = camera.info.k[0, 0], camera.info.k[1, 1]
        low = np.floor(self.rays.min(axis=(0, 1)) * (fx, fy)) - _MARGIN
        high = np.ceil(self.rays.max(axis=(0, 1)) * (fx, fy)) + _MARGIN
        self._k = np.array([[fx, 0.0, -low[0]], [0.0, fy, -low[1]], [0.0, 0.0, 1.0]])
        self._size = width, height = int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1
        across, down = (np.arange(width) + low[0]) / fx, (np.arange(height) + low[1]) / fy
        self._reach = np.sqrt(1.0 + across**2 + down[:, None] ** 2).astype(np.float32)
        ideal = (self.rays * (fx, fy) - low).astype(np.float32)
        self._maps = cv2.convertMaps(ideal[..., 0], ideal[..., 1], cv2.CV_16SC2)

    def pose(self, rig: Pose) -> Pose:
        """Where it stands when visible/left of the rig stands there."""
        return Pose(rig.rotation @ self.camera.rotation, rig.translation + rig.rotation @ self.camera.translation)

    def draw(self, stage: Stage, rig: Sequence[Pose], atlas: Atlas) -> Image:
        """What arrives at the sensor's plane.

        Args:
            stage: What there is.
            rig: Where visible/left stands; if there are several, each for its share of the rows, from the first on.
            atlas: Says in which spectrum.

        Returns:
            `SEEN`: (H, W, 3) uint8, BGR. `FELT`: (H, W) float32, apparent temperature in degrees Celsius.
        """
        width, height = self._size
        felt = atlas.kind == FELT
        canvas = np.zeros((height, width, 1 if felt else 3), np.float32)
        bare = np.ones((height, width), np.float32)
        edges = np.linspace(0, height, len(rig) + 1).astype(int).tolist()
        for pose, first, end in zip(rig, edges, edges[1:], strict=False):
            self._paint(stage, self.pose(pose), atlas, (first, end), canvas, bare)
        ideal = canvas[..., 0] if felt else cv2.convertScaleAbs(canvas)
        return np.asarray(cv2.remap(ideal, self._maps[0], self._maps[1], cv2.INTER_LINEAR))

    def _paint(self, stage: Stage, pose: Pose, atlas: Atlas, rows: tuple[int, int], canvas: Image, bare: Image) -> None:
        from tardal_ros.simulation.raster import paint_colour, paint_heat

        seen = self.sightings(stage, pose)
        sizes, opaque = stage.sizes[seen.faces], stage.opaque[seen.faces]
        lengths = np.maximum(seen.lengths, 1.0)
        # How often widths and heights can be halved before a texel is larger than a pixel.
        halvings = np.clip(np.round(np.log2(sizes / lengths) - 0.2), 0, _MOST_HALVINGS).astype(np.int64)
        halvings[seen.lengths[:, 0] == 0.0] = 0
        skins = [stage.skins[face] for face in seen.faces.tolist()]
        levels = atlas.levels(skins, halvings)
        margins = np.where(opaque[:, None], _OVERLAP / lengths, 0.0)
        constant = np.where(stage.layers[seen.faces] == SKY, _SKY_DISTANCE, 0.0)
        onto = np.linalg.inv(self._k @ seen.planes)
        paint = paint_heat if atlas.kind == FELT else paint_colour
        paint(
            atlas.texels, levels, onto, seen.bounds, margins, constant, self._reach, atlas.air, rows, canvas, bare
        )  # fmt: skip

    def sightings(self, stage: Stage, pose: Pose) -> Sightings:
        """The faces in view, the nearest of each layer first, the upper layers before the lower ones."""
        from tardal_ros.simulation.raster import look

        count = len(stage.corners)
        planes, bounds = np.empty((count, 3, 3)), np.zeros((count, 4), np.int64)
        lengths = np.zeros((count, 2))
        shown = look(
            stage.corners, stage.both_sides, stage.layers == SKY, np.ascontiguousarray(pose.rotation),
            pose.translation, self._k, self._size, planes, bounds, lengths,
        )  # fmt: skip
        picked = np.flatnonzero(shown)
        haunts = np.linalg.norm(stage.haunts[picked] - pose.translation, axis=1)
        distance = np.linalg.norm(planes[picked] @ (0.5, 0.5, 1.0), axis=1)
        # Of one thing, faces with two sides come last: they stand within the closed body, if there is one.
        order = np.lexsort((distance, stage.both_sides[picked], haunts, -stage.layers[picked]))
        picked = picked[order]
        return Sightings(picked, planes[picked], bounds[picked], lengths[picked])

    def parts(self, bounds: Integers) -> Integers:
        """Where in the camera's image that can be which lies within bounds of the ideal one.

        Args:
            bounds: (N, 4) left, top, right and bottom.

        Returns:
            (N, 4), likewise.
        """
        along = np.linspace(0.0, 1.0, 9)
        first, last = bounds[:, None, :2].astype(np.float64), bounds[:, None, 2:].astype(np.float64)
        edge = [(a, b) for a in along for b in (0.0, 1.0)] + [(b, a) for a in along for b in (0.0, 1.0)]
        points = (first + np.array(edge) * (last - first) - self._k[:2, 2]) / np.diag(self._k)[:2]
        rays = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2).reshape(-1, 3)
        info = self.camera.info
        if not len(rays):
            return np.zeros((0, 4), np.int64)
        pixels = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), info.k, info.d)[0].reshape(len(bounds), -1, 2)
        low, high = np.floor(pixels.min(axis=1)) - 2.0, np.ceil(pixels.max(axis=1)) + 3.0
        limits = info.width, info.height
        return np.concatenate([np.clip(low, 0, limits), np.clip(high, 0, limits)], axis=1).astype(np.int64)
