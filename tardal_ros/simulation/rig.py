"""The geometry of the rendered rig: two cameras that look at one flat stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.types import CameraInfo, freeze

VISIBLE = "visible/left"
INFRARED = "infrared/left"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """One eye of the rig.

    Attributes:
        frame_id: Its optical frame (REP-103).
        info: Its intrinsics and distortion.
        rotation: (3, 3), turns a point of this camera into the frame of visible/left.
        translation: (3,), this camera's centre in the frame of visible/left, in metres.
    """

    frame_id: str
    info: CameraInfo
    rotation: Floats
    translation: Floats


@dataclass(frozen=True, eq=False)
class RigGeometry:
    """The cameras by stream name, and the plane on which everything they see lies.

    The plane is `plane_normal . X = plane_distance` in the frame of visible/left, in metres.
    """

    cameras: Mapping[str, Camera]
    plane_normal: Floats
    plane_distance: float

    def project(self, stream: str, points: Floats) -> Floats:
        """Images points of the plane.

        Args:
            stream: The camera's stream.
            points: (N, 2), x/z and y/z of the points as visible/left sees them.

        Returns:
            (N, 2) raw pixels.
        """
        camera = self.cameras[stream]
        rays = np.column_stack([points, np.ones(len(points))])
        world = rays * (self.plane_distance / (rays @ self.plane_normal))[:, None]
        local = (world - camera.translation) @ camera.rotation
        pixels, _ = cv2.projectPoints(local, np.zeros(3), np.zeros(3), camera.info.k, camera.info.d)
        return np.asarray(pixels, np.float64).reshape(-1, 2)

    def unproject(self, stream: str) -> Floats:
        """Where the ray of each pixel meets the plane.

        Returns:
            (H, W, 2), x/z and y/z of that point as visible/left sees it.
        """
        camera = self.cameras[stream]
        info = camera.info
        pixels = np.stack(np.meshgrid(np.arange(info.width), np.arange(info.height)), axis=-1).astype(np.float64)
        tight = (cv2.TERM_CRITERIA_COUNT, 8, 0.0)
        rays = cv2.undistortPointsIter(pixels.reshape(-1, 1, 2), info.k, info.d, np.eye(3), np.eye(3), tight)
        rays = cv2.convertPointsToHomogeneous(rays).reshape(-1, 3) @ camera.rotation.T
        reach = (self.plane_distance - self.plane_normal @ camera.translation) / (rays @ self.plane_normal)
        world = rays * reach[:, None] + camera.translation
        return np.asarray(world[:, :2] / world[:, 2:]).reshape(info.height, info.width, 2)


def default_rig() -> RigGeometry:
    """The left eyes of the rig: a 1024x768 colour camera and a 640x512 thermal one, four centimetres apart."""
    visible = Camera(
        frame_id="visible_left_optical_frame",
        info=_camera_info(1024, 768, 1100.0, (514.5, 381.25), (-0.12, 0.06, 0.0005, -0.0003, 0.0)),
        rotation=freeze(np.eye(3)),
        translation=freeze(np.zeros(3)),
    )
    infrared = Camera(
        frame_id="infrared_left_optical_frame",
        info=_camera_info(640, 512, 715.0, (318.5, 258.75), (-0.25, 0.09, -0.0004, 0.0006, 0.0)),
        rotation=freeze(np.asarray(cv2.Rodrigues(np.array([0.007, -0.012, 0.010]))[0], np.float64)),
        translation=freeze(np.array([-0.04, 0.005, 0.01])),
    )
    return RigGeometry(
        cameras=MappingProxyType({VISIBLE: visible, INFRARED: infrared}),
        plane_normal=freeze(np.array([0.0, 0.0, 1.0])),
        plane_distance=30.0,
    )


def _camera_info(
    width: int, height: int, focal: float, centre: tuple[float, float], distortion: tuple[float, ...]
) -> CameraInfo:
    k = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    p = np.column_stack([k, np.zeros(3)])
    return CameraInfo(width, height, k=freeze(k), d=freeze(np.array(distortion)), p=freeze(p))
