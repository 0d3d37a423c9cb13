"""An eye: which faces it sees, and how they are drawn.

Faces are warped, the farthest first, into an ideal pinhole image a little larger than the camera's; one precomputed map
then brings that through the lens. The truth is computed without the detour, at the rays of the camera's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.mesh import GROUND, SKY, Stage
from tardal_ros.simulation.rig import Camera
from tardal_ros.simulation.skin import SHADES, Air, Bytes, shade_of
from tardal_ros.simulation.texture import Image

Floats = NDArray[np.float64]
Part = tuple[slice, slice]

_NEAR = 0.3  # Metres; nothing nearer is drawn.
_MARGIN = 3
_OVERLAP = 0.1  # Pixels by which opaque faces are drawn too large.
_SMALLEST = 1.0  # Pixels; thinner faces are not drawn.
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


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


class Sighting(NamedTuple):
    """A face as an eye sees it.

    Attributes:
        face: Its index on the stage.
        plane: 3x3, takes (s, t, 1) of the face, 0 to 1 from its origin across and down, to the camera's optical frame.
        homography: 3x3, takes texels of the skin at these halvings, framed, to pixels from the bounds' corner on.
        bounds: Left, top, right and bottom in the ideal image.
        halvings: How much smaller than painted it is seen.
        shade: Step of its distance.
        outline: (N, 2) its corners in the ideal image, if it was cut off in front of the camera.
    """

    face: int
    plane: Floats
    homography: Floats
    bounds: list[int]
    halvings: tuple[int, int]
    shade: int
    outline: Floats | None


class Eye:
    """One camera of the rig."""

    def __init__(self, camera: Camera, air: Air) -> None:
        """Prepares the maps of the lens."""
        self.camera, self._air = camera, air
        self.rays = camera.rays()
        fx, fy = camera.info.k[0, 0], camera.info.k[1, 1]
        low = np.floor(self.rays.min(axis=(0, 1)) * (fx, fy)) - _MARGIN
        high = np.ceil(self.rays.max(axis=(0, 1)) * (fx, fy)) + _MARGIN
        self._k = np.array([[fx, 0.0, -low[0]], [0.0, fy, -low[1]], [0.0, 0.0, 1.0]])
        self._size = int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1
        ideal = (self.rays * (fx, fy) - low).astype(np.float32)
        self._maps = cv2.convertMaps(ideal[..., 0], ideal[..., 1], cv2.CV_16SC2)

    def pose(self, rig: Pose) -> Pose:
        """Where it stands when visible/left of the rig stands there."""
        return Pose(rig.rotation @ self.camera.rotation, rig.translation + rig.rotation @ self.camera.translation)

    def seen(self, stage: Stage, rig: Pose) -> Image:
        """What the visible sensor's plane gets: (H, W, 3) uint8."""
        pose, canvas = self.pose(rig), np.zeros((self._size[1], self._size[0], 3), np.uint8)
        hazed = False
        for sighting in self.sightings(stage, pose):
            skin = stage.skins[sighting.face]
            low = stage.layers[sighting.face] <= GROUND
            if not low and not hazed:
                self._haze_ground(canvas, pose)
                hazed = True
            clear = stage.layers[sighting.face] == GROUND
            image = skin.seen(sighting.halvings, -1 if clear else sighting.shade, self._air)
            if skin.opaque:
                self._lay(canvas, image, sighting)
            else:
                self._blend(canvas, image, sighting)
        return self._through_lens(canvas)

    def felt(self, stage: Stage, rig: Pose) -> Image:
        """What the infrared sensor's plane gets: (H, W) float32, apparent temperature in degrees Celsius."""
        pose, canvas = self.pose(rig), np.zeros((self._size[1], self._size[0]), np.float32)
        for sighting in self.sightings(stage, pose):
            skin = stage.skins[sighting.face]
            image = skin.felt(sighting.halvings, sighting.shade, self._air)
            if skin.opaque:
                self._lay(canvas, image, sighting)
            else:
                self._mix(canvas, image, sighting)
        return self._through_lens(canvas)

    def place(self, sighting: Sighting) -> Part | None:
        """The part of the camera's image where a sighting can be."""
        left, top, right, bottom = sighting.bounds
        along = np.linspace(0.0, 1.0, 9)
        x, y = left + along * (right - left), top + along * (bottom - top)
        edge = np.concatenate([[(a, b) for a in x for b in (top, bottom)], [(a, b) for a in (left, right) for b in y]])
        rays = np.column_stack([(edge - self._k[:2, 2]) / np.diag(self._k)[:2], np.ones(len(edge))])
        info = self.camera.info
        pixels, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), info.k, info.d)
        low = np.maximum(np.floor(pixels.min(axis=(0, 1))).astype(int) - 2, 0)
        high = np.minimum(np.ceil(pixels.max(axis=(0, 1))).astype(int) + 3, (info.width, info.height))
        if np.any(low >= high):
            return None
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    def sightings(self, stage: Stage, pose: Pose) -> list[Sighting]:
        """The faces in view, the farthest of each layer first."""
        away = stage.corners.copy()
        away[:, 0] -= pose.translation * (stage.layers > SKY)[:, None]  # The sky is infinitely far.
        local = away @ pose.rotation
        corners = local[:, :1] + _CORNERS[:, :1] * local[:, 1:2] + _CORNERS[:, 1:] * local[:, 2:3]  # (N, 4, 3)
        depths = corners[..., 2]
        outward = np.cross(local[:, 2], local[:, 1])
        facing = stage.both_sides | (np.einsum("ij,ij->i", outward, local[:, 0]) < 0.0)
        pixels = corners[..., :2] / np.maximum(depths[..., None], _NEAR)
        pixels = pixels * np.diag(self._k)[:2] + self._k[:2, 2]
        cut = depths.min(axis=1) < _NEAR
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        within = np.all((high > 0.0) & (low < self._size) & (high - low > _SMALLEST), axis=1)
        picked = np.flatnonzero((depths.max(axis=1) > _NEAR) & facing & (within | cut))

        haunts = np.linalg.norm(stage.haunts[picked] - pose.translation, axis=1)
        middle = local[picked, 0] + 0.5 * (local[picked, 1] + local[picked, 2])
        distance = np.linalg.norm(middle, axis=1)
        # Of one thing, faces with two sides come first: they stand within the closed body, if there is one.
        order = np.lexsort((-distance, ~stage.both_sides[picked], -haunts, stage.layers[picked]))
        picked, distance = picked[order], distance[order]
        shades = np.where(stage.layers[picked] > SKY, shade_of(distance), SHADES - 1)
        low, high = (np.clip(edge[picked], -1e6, 1e6) for edge in (low, high))
        outlines = {int(row): self._cut(corners[picked[row]]) for row in np.flatnonzero(cut[picked])}
        for row, outline in outlines.items():
            low[row], high[row] = outline.min(axis=0), outline.max(axis=0)
        first = np.clip(np.floor(low).astype(int) - 1, 0, self._size)
        last = np.clip(np.ceil(high).astype(int) + 2, 0, self._size)
        edges = np.linalg.norm(pixels[picked] - pixels[picked][:, (1, 2, 3, 0)], axis=2)
        lengths = np.maximum(0.5 * (edges[:, :2] + edges[:, 2:]), 1.0)
        # How often widths and heights can be halved before a texel is larger than a pixel.
        halvings = np.clip(np.round(np.log2(stage.sizes[picked] / lengths) - 0.2), 0, 7).astype(np.int64)
        halvings[list(outlines)] = 0
        planes = local[picked][:, [1, 2, 0]].transpose(0, 2, 1)
        sizes = np.maximum(stage.sizes[picked] >> halvings, 1)
        homographies = self._homographies(planes, sizes, lengths, stage.opaque[picked], first)
        whole = np.column_stack([first, last]).tolist()
        return [
            Sighting(index, planes[row], homographies[row], bounds, halving, shade, outlines.get(row))
            for row, (index, bounds, halving, shade) in enumerate(
                zip(picked.tolist(), whole, map(tuple, halvings.tolist()), shades.tolist(), strict=True)
            )
            if bounds[0] < bounds[2] and bounds[1] < bounds[3]
        ]

    def _homographies(
        self, planes: Floats, sizes: NDArray[np.int64], lengths: Floats, opaque: NDArray[np.bool_], first: Floats
    ) -> Floats:
        """From the texels of framed images to the pixels from `first` on.

        A framed cut-out has its first texel at 1. Of a framed opaque image all that lies between 0 and its size + 1 is
        drawn: that is put upon the face, and a trifle more so that no seam opens between neighbours.
        """
        onto = self._k @ planes
        more = np.where(opaque[:, None], _OVERLAP / lengths, 0.5 / sizes)
        step = np.where(opaque[:, None], (1.0 + 2.0 * more) / (sizes + 1), 1.0 / sizes)
        onto[:, :, 2] -= np.einsum("nij,nj->ni", onto[:, :, :2], more)
        onto[:, :, :2] *= step[:, None, :]
        onto[:, :2] -= first[:, :, None] * onto[:, 2:]
        return np.asarray(onto)

    def _cut(self, corners: Floats) -> Floats:
        """The corners in the ideal image of what of a face is in front of the camera."""
        kept = []
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if start[2] >= _NEAR:
                kept.append(start)
            if (start[2] >= _NEAR) != (end[2] >= _NEAR):
                kept.append(start + (end - start) * (_NEAR - start[2]) / (end[2] - start[2]))
        points = np.array(kept).reshape(-1, 3)
        return np.asarray(points[:, :2] / points[:, 2:] * np.diag(self._k)[:2] + self._k[:2, 2])

    def _warp(self, image: Image | Bytes, sighting: Sighting, border: int = cv2.BORDER_CONSTANT) -> Image:
        left, top, right, bottom = sighting.bounds
        size = right - left, bottom - top
        warped = cv2.warpPerspective(image, sighting.homography, size, flags=cv2.INTER_LINEAR, borderMode=border)
        if sighting.outline is not None:
            # Elsewhere the plane's other half, behind the camera, would show.
            warped[self._outside(sighting)] = 0
        return np.asarray(warped)

    def _outside(self, sighting: Sighting) -> NDArray[np.bool_]:
        left, top, right, bottom = sighting.bounds
        assert sighting.outline is not None
        inside = np.zeros((bottom - top, right - left), np.uint8)
        points = np.clip((sighting.outline - (left, top)) * 16.0, -(2**20), 2**20)
        cv2.fillConvexPoly(inside, np.round(points).astype(np.int32), 1, cv2.LINE_8, 4)
        return np.asarray(inside == 0)

    def _lay(self, canvas: Image | Bytes, image: Image | Bytes, sighting: Sighting) -> None:
        left, top, right, bottom = sighting.bounds
        part = canvas[top:bottom, left:right]
        if sighting.outline is not None:
            warped = self._warp(image, sighting, cv2.BORDER_REPLICATE)
            np.copyto(part, warped, where=_like(~self._outside(sighting), part))
            return
        size, flags = (right - left, bottom - top), cv2.INTER_LINEAR
        cv2.warpPerspective(image, sighting.homography, size, dst=part, flags=flags, borderMode=cv2.BORDER_TRANSPARENT)

    def _blend(self, canvas: Bytes, image: Bytes, sighting: Sighting) -> None:
        left, top, right, bottom = sighting.bounds
        part = canvas[top:bottom, left:right]
        patch = self._warp(image, sighting)
        colour, clear = cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR), cv2.bitwise_not(cv2.extractChannel(patch, 3))
        cv2.multiply(part, cv2.cvtColor(clear, cv2.COLOR_GRAY2BGR), dst=part, scale=1 / 255)
        cv2.add(part, colour, dst=part)

    def _mix(self, canvas: Image, image: Image, sighting: Sighting) -> None:
        left, top, right, bottom = sighting.bounds
        part = canvas[top:bottom, left:right]
        patch = self._warp(image, sighting)
        part *= 1.0 - patch[..., 1]
        part += patch[..., 0]

    def _haze_ground(self, canvas: Bytes, pose: Pose) -> None:
        """The air before the ground, row by row: steps of distance would show on it."""
        # The ground's z is 0: a row's ray reaches it at height / descent, taken in the middle column.
        rows = (np.arange(self._size[1]) - self._k[1, 2]) / self._k[1, 1]
        rays = np.column_stack([np.zeros_like(rows), rows, np.ones_like(rows)])
        descent = -(rays @ pose.rotation.T)[:, 2]
        first = int(np.argmax(descent > 1e-3)) if np.any(descent > 1e-3) else len(rows)
        if first >= len(rows):
            return
        reach = pose.translation[2] / descent[first:] * np.linalg.norm(rays[first:], axis=1)
        light, through, veil = self._air.visible(reach)
        ground = canvas[first:]
        gain = (light * through)[:, None, None].astype(np.float32)
        if np.abs(gain - 1.0).max() < 0.02:
            return
        np.clip(ground * gain + veil[:, None, None].astype(np.float32), 0, 255, out=ground, casting="unsafe")

    def _through_lens(self, canvas: Image | Bytes) -> Image:
        return np.asarray(cv2.remap(canvas, self._maps[0], self._maps[1], cv2.INTER_LINEAR))


def _like(mask: NDArray[np.bool_], image: Image | Bytes) -> NDArray[np.bool_]:
    return mask if image.ndim == 2 else mask[..., None]
