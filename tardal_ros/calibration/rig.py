"""The rig: how each camera images, where it stands, and where its pixels lie in another camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tardal_ros.calibration.cameras import distort_points, undistort_points
from tardal_ros.types import CameraInfo

Floats = NDArray[np.float64]

REFERENCE = "visible/left"
"""The stream in whose optical frame poses and the plane are given."""

STREAMS = (REFERENCE, "visible/right", "infrared/left", "infrared/right")
"""The streams that a rig can have, by topic prefix."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a camera stands: its optical frame in the optical frame of visible/left (REP-103).

    A point X of the camera lies at `rotation @ X + translation` in visible/left, as in a ROS transform whose parent
    is visible/left.

    Attributes:
        rotation: 3x3 float64.
        translation: (3,) float64, metres.
    """

    rotation: Floats = field(default_factory=lambda: np.eye(3))
    translation: Floats = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True, eq=False)
class Camera:
    """One stream's camera, with either its pose or its homography.

    Attributes:
        frame_id: The camera's optical frame.
        info: Its geometry.
        pose: Where it stands; identity for visible/left.
        homography: Instead of the pose, a 3x3 float64 that takes undistorted pixels of visible/left to undistorted
            pixels of this camera. Undistorted pixels are `k` times the ray, without lens distortion.
    """

    frame_id: str
    info: CameraInfo
    pose: Pose = field(default_factory=Pose)
    homography: Floats | None = None


@dataclass(frozen=True, eq=False)
class Rig:
    """All cameras, and the plane on which their views are made to agree.

    Attributes:
        cameras: By stream, at least visible/left.
        plane: (3,) float64 in the optical frame of visible/left: the points X with `plane @ X == 1`, that is the unit
            normal over the distance in metres. Zero puts the plane at infinity.
    """

    cameras: Mapping[str, Camera]
    plane: Floats = field(default_factory=lambda: np.zeros(3))

    def transfer(self, rays: Floats, source: str, target: str) -> Floats:
        """Takes rays of one camera to the rays at which another sees the same points of the plane.

        Args:
            rays: (..., 2) float64 rays of the source camera.
            source: Stream of the source camera.
            target: Stream of the target camera.

        Returns:
            (..., 2) float64 rays of the target camera; NaN where the ray misses the plane, or the point is behind the
            target camera.
        """
        to_reference = np.linalg.inv(self._from_reference(source))
        reference = rays @ to_reference[:, :2].T + to_reference[:, 2]
        seen = reference @ self._from_reference(target).T
        valid = seen[..., 2] > 1e-9
        if self.plane.any():
            valid &= reference @ self.plane > 0
        result: Floats = seen[..., :2] / np.where(valid, seen[..., 2], np.nan)[..., None]
        return result

    def map_pixels(self, pixels: Floats, source: str, target: str) -> Floats:
        """Takes raw pixels of one camera to raw pixels of another, through both lenses and the plane.

        Args:
            pixels: (..., 2) float64 raw pixels of the source camera.
            source: Stream of the source camera.
            target: Stream of the target camera.

        Returns:
            (..., 2) float64 raw pixels of the target camera, possibly outside its image; NaN where there is none.
        """
        rays = undistort_points(self.cameras[source].info, pixels)
        return distort_points(self.cameras[target].info, self.transfer(rays, source, target))

    def _from_reference(self, stream: str) -> Floats:
        """3x3 that takes rays (x, y, 1) of visible/left to those of a stream, positive in z in front of it."""
        camera = self.cameras[stream]
        if camera.homography is None:
            # X_camera = R^T (X - t), and a point of the plane has plane @ X == 1 (Hartley & Zisserman, eq. 13.2).
            by_pose: Floats = camera.pose.rotation.T @ (np.eye(3) - np.outer(camera.pose.translation, self.plane))
            return by_pose
        reference = self.cameras[REFERENCE].info
        # A homography has no sign of its own; what the centre of the visible image shows is in front of both.
        centre = np.array([(reference.width - 1) / 2, (reference.height - 1) / 2, 1.0])
        sign = 1.0 if (camera.homography @ centre)[2] >= 0 else -1.0
        by_homography: Floats = sign * np.linalg.inv(camera.info.k) @ camera.homography @ reference.k
        return by_homography


def pinhole(info: CameraInfo) -> CameraInfo:
    """The geometry of a camera's rectified image: no distortion, no rotation, the intrinsics of `p`."""
    return CameraInfo(width=info.width, height=info.height, k=info.p[:, :3].copy(), p=info.p)
