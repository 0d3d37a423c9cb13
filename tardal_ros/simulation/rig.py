"""The geometry of the rendered rig: two colour eyes and two thermal ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.types import CameraInfo, freeze

VISIBLE = "visible/left"
INFRARED = "infrared/left"
VISIBLE_RIGHT = "visible/right"
INFRARED_RIGHT = "infrared/right"

_LARGEST_BASELINE = 10.0
_LARGEST_SIDE = 8192
_WIDEST = 1.75  # Tangent of the largest angle off the axis that a plane image of the world can hold: 60 degrees.

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

    def rays(self) -> Floats:
        """The rays of all pixels.

        Returns:
            (H, W, 2), x/z and y/z in this camera's optical frame.
        """
        info = self.info
        pixels = np.stack(np.meshgrid(np.arange(info.width), np.arange(info.height)), axis=-1).astype(np.float64)
        tight = (cv2.TERM_CRITERIA_COUNT, 10, 0.0)
        rays = cv2.undistortPointsIter(pixels.reshape(-1, 1, 2), info.k, info.d, np.eye(3), np.eye(3), tight)
        return np.asarray(rays, np.float64).reshape(info.height, info.width, 2)


@dataclass(frozen=True, eq=False)
class RigGeometry:
    """The cameras by stream name, and the plane for which registration by one homography is exact.

    The plane is `plane_normal . X = plane_distance` in the frame of visible/left, in metres.

    Raises:
        RigError: No such rig can be.
    """

    cameras: Mapping[str, Camera]
    plane_normal: Floats
    plane_distance: float

    def __post_init__(self) -> None:
        if VISIBLE not in self.cameras:
            raise RigError(f"The simulated rig has no camera {VISIBLE}, to which the others are described: add it.")
        for stream, camera in self.cameras.items():
            _check(stream, camera)

    def project(self, stream: str, points: Floats) -> Floats:
        """Images points.

        Args:
            stream: The camera's stream.
            points: (N, 3), in the frame of visible/left, in metres, in front of the camera.

        Returns:
            (N, 2) raw pixels; (0, 0) is the centre of the first one.
        """
        camera = self.cameras[stream]
        local = (points - camera.translation) @ camera.rotation
        pixels, _ = cv2.projectPoints(local, np.zeros(3), np.zeros(3), camera.info.k, camera.info.d)
        return np.asarray(pixels, np.float64).reshape(-1, 2)

    def scaled(self, scale: float) -> RigGeometry:
        """The same rig with images of another resolution.

        Args:
            scale: Width and height relative to this rig's.

        Raises:
            RigError: The scale leaves no image.
        """
        if not 0.0 < scale <= 4.0:
            raise RigError(f"The simulated rig cannot be scaled by {scale}: choose a factor above 0 and up to 4.")
        cameras = {stream: replace(camera, info=_scaled(camera.info, scale)) for stream, camera in self.cameras.items()}
        return replace(self, cameras=MappingProxyType(cameras))


def default_rig() -> RigGeometry:
    """Two 1024x768 colour cameras 12 cm apart, and outside of them two 640x512 thermal ones 20 cm apart.

    Each infrared eye stands 4 cm beside the visible eye of its side. Every eye has intrinsics, distortion and a small
    mounting error of its own.
    """
    cameras = {
        VISIBLE: Camera(
            "visible_left_optical_frame",
            _camera_info(1024, 768, 1100.0, (514.5, 381.25), (-0.12, 0.06, 0.0005, -0.0003, 0.0)),
            freeze(np.eye(3)),
            freeze(np.zeros(3)),
        ),
        INFRARED: Camera(
            "infrared_left_optical_frame",
            _camera_info(640, 512, 715.0, (318.5, 258.75), (-0.25, 0.09, -0.0004, 0.0006, 0.0)),
            freeze(_turned(0.007, -0.012, 0.010)),
            freeze(np.array([-0.04, 0.005, 0.01])),
        ),
        VISIBLE_RIGHT: Camera(
            "visible_right_optical_frame",
            _camera_info(1024, 768, 1096.0, (509.25, 385.5), (-0.115, 0.055, -0.0004, 0.0002, 0.0)),
            freeze(_turned(-0.003, 0.004, -0.002)),
            freeze(np.array([0.12, -0.001, 0.002])),
        ),
        INFRARED_RIGHT: Camera(
            "infrared_right_optical_frame",
            _camera_info(640, 512, 711.0, (322.0, 254.5), (-0.24, 0.085, 0.0003, -0.0005, 0.0)),
            freeze(_turned(0.005, 0.009, -0.007)),
            freeze(np.array([0.16, 0.004, 0.008])),
        ),
    }
    return RigGeometry(MappingProxyType(cameras), freeze(np.array([0.0, 0.0, 1.0])), 30.0)


def _turned(*vector: float) -> Floats:
    return np.asarray(cv2.Rodrigues(np.array(vector))[0], np.float64)


def _camera_info(
    width: int, height: int, focal: float, centre: tuple[float, float], distortion: tuple[float, ...]
) -> CameraInfo:
    k = np.array([[focal, 0.0, centre[0]], [0.0, focal, centre[1]], [0.0, 0.0, 1.0]])
    p = np.column_stack([k, np.zeros(3)])
    return CameraInfo(width, height, k=freeze(k), d=freeze(np.array(distortion)), p=freeze(p))


def _scaled(info: CameraInfo, scale: float) -> CameraInfo:
    width, height = round(info.width * scale), round(info.height * scale)
    # Pixel (0, 0) has its centre at (0, 0), so the image begins half a pixel before it.
    zoom = np.array([[scale, 0.0, 0.5 * scale - 0.5], [0.0, scale, 0.5 * scale - 0.5], [0.0, 0.0, 1.0]])
    return replace(info, width=width, height=height, k=freeze(zoom @ info.k), p=freeze(zoom @ info.p))


def _check(stream: str, camera: Camera) -> None:
    """Refuses what no camera can be, or what cannot be drawn as a plane image."""
    info, name = camera.info, f"The simulated camera {stream}"
    if not all(8 <= side <= _LARGEST_SIDE for side in (info.width, info.height)):
        raise RigError(f"{name} has {info.width}x{info.height} pixels: choose 8 to {_LARGEST_SIDE} a side.")
    numbers = [info.k, info.d, camera.rotation, camera.translation]
    if not all(np.isfinite(part).all() for part in numbers):
        raise RigError(f"{name} has a number that is not finite in its matrices or its pose: calibrate it again.")
    if info.distortion_model not in ("plumb_bob", "rational_polynomial"):
        raise RigError(
            f"{name} has the lens model '{info.distortion_model}':"
            " the simulation draws plumb_bob and rational_polynomial, so calibrate it as one of them."
        )
    if info.k[0, 0] <= 0.0 or info.k[1, 1] <= 0.0:
        raise RigError(f"{name} has the focal lengths {info.k[0, 0]:g} and {info.k[1, 1]:g}: they must be positive.")
    square = camera.rotation @ camera.rotation.T
    if not np.allclose(square, np.eye(3), atol=1e-3) or np.linalg.det(camera.rotation) < 0.0:
        raise RigError(f"{name} has a rotation that is none: its rows must be orthonormal, its determinant +1.")
    baseline = float(np.linalg.norm(camera.translation))
    if baseline > _LARGEST_BASELINE:
        raise RigError(f"{name} stands {baseline:g} m from {VISIBLE}: a rig is at most {_LARGEST_BASELINE:g} m wide.")
    corners = np.array([[[x, y]] for x in (0.0, info.width - 1.0) for y in (0.0, info.height - 1.0)])
    tight = (cv2.TERM_CRITERIA_COUNT, 10, 0.0)
    rays = cv2.undistortPointsIter(corners, info.k, info.d, np.eye(3), np.eye(3), tight).reshape(-1, 2)
    back, _ = cv2.projectPoints(np.column_stack([rays, np.ones(4)]), np.zeros(3), np.zeros(3), info.k, info.d)
    if not np.all(np.hypot(*rays.T) < _WIDEST) or np.abs(back - corners).max() > 0.5:
        raise RigError(f"{name} has a lens too wide to draw, or a distortion that folds its image over: check k and d.")
