from __future__ import annotations

import cv2
import numpy as np
import pytest

from tardal_ros.calibration import Camera, Pose, Rig
from tardal_ros.calibration.rig import pinhole
from tardal_ros.types import CameraInfo


def plain_camera(width: int = 640, height: int = 512, focal: float = 600.0, **place: object) -> Camera:
    k = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera("optical", CameraInfo(width, height, k, p=np.hstack([k, np.zeros((3, 1))])), **place)  # type: ignore[arg-type]


def turned(*degrees: float) -> np.ndarray:
    return cv2.Rodrigues(np.radians(degrees))[0]


PLANE = np.array([0.1, -0.2, 0.97]) / 6.0
RIG = Rig(
    {
        "visible/left": plain_camera(),
        "visible/right": plain_camera(pose=Pose(turned(0.5, -1.0, 0.2), np.array([0.3, 0.01, -0.02]))),
        "infrared/left": plain_camera(focal=700.0, pose=Pose(turned(1, 2, -3), np.array([-0.2, 0.1, 0.05]))),
        "infrared/right": plain_camera(pose=Pose(turned(-2, 1, 1), np.array([0.5, 0.1, 0.0]))),
    },
    PLANE,
)


def points_on_plane() -> np.ndarray:
    rays = np.concatenate([np.random.default_rng(2).uniform(-0.3, 0.3, (50, 2)), np.ones((50, 1))], axis=1)
    return rays / (rays @ PLANE)[:, None]


def rays_in(stream: str, points: np.ndarray) -> np.ndarray:
    pose = RIG.cameras[stream].pose
    seen = (points - pose.translation) @ pose.rotation
    return seen[:, :2] / seen[:, 2:]


@pytest.mark.parametrize("source", RIG.cameras)
@pytest.mark.parametrize("target", RIG.cameras)
def test_transfer_is_true_for_points_of_the_plane(source: str, target: str) -> None:
    points = points_on_plane()
    moved = RIG.transfer(rays_in(source, points), source, target)
    np.testing.assert_allclose(moved, rays_in(target, points), atol=1e-10)


def test_plane_at_infinity_leaves_only_the_rotation() -> None:
    pose = Pose(turned(0, 10, 0), np.array([0.5, 0.0, 0.0]))
    rig = Rig({"visible/left": plain_camera(), "infrared/left": plain_camera(pose=pose)})
    moved = rig.transfer(np.array([np.tan(np.radians(10)), 0.0]), "visible/left", "infrared/left")
    np.testing.assert_allclose(moved, 0.0, atol=1e-12)


def test_rays_that_miss_the_plane_or_end_behind_the_camera_are_nan() -> None:
    ground = Rig(
        {"visible/left": plain_camera(), "infrared/left": plain_camera(pose=Pose(turned(0, 60, 0)))},
        np.array([0.0, 1.0, 0.0]) / 1.5,
    )
    below, above, aside = np.array([1.0, 0.2]), np.array([1.0, -0.2]), np.array([-2.0, 0.2])
    moved = ground.transfer(np.stack([below, above, aside]), "visible/left", "infrared/left")
    assert np.isfinite(moved[0]).all()
    assert np.isnan(moved[1:]).all()


@pytest.mark.parametrize("scale", [1.0, -2.5])
def test_homography_takes_undistorted_pixels_whatever_its_scale_and_sign(scale: float) -> None:
    matrix = np.array([[0.6, 0.02, 10.0], [-0.01, 0.65, -5.0], [1e-5, 2e-5, 1.0]])
    rig = Rig({"visible/left": plain_camera(), "infrared/left": plain_camera(focal=500.0, homography=scale * matrix)})
    pixels = np.random.default_rng(3).uniform(0, 500, (20, 1, 2))
    moved = rig.map_pixels(pixels, "visible/left", "infrared/left")
    np.testing.assert_allclose(moved, cv2.perspectiveTransform(pixels, matrix), atol=1e-6)
    np.testing.assert_allclose(rig.map_pixels(moved, "infrared/left", "visible/left"), pixels, atol=1e-6)


def test_beyond_the_horizon_of_a_homography_is_nan() -> None:
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1 / 400, 1.0]])
    rig = Rig({"visible/left": plain_camera(), "infrared/left": plain_camera(homography=matrix)})
    moved = rig.map_pixels(np.array([[320.0, 300.0], [320.0, 500.0]]), "visible/left", "infrared/left")
    assert np.isfinite(moved[0]).all()
    assert np.isnan(moved[1]).all()


def test_pinhole_keeps_only_the_projection() -> None:
    p = np.array([[500.0, 0.0, 300.0, -50.0], [0.0, 500.0, 250.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    info = pinhole(
        CameraInfo(640, 512, np.eye(3), d=np.ones(4), r=turned(1, 0, 0), p=p, distortion_model="equidistant")
    )
    assert (info.width, info.height, info.distortion_model) == (640, 512, "plumb_bob")
    np.testing.assert_array_equal(info.k, p[:, :3])
    np.testing.assert_array_equal(info.p, p)
    np.testing.assert_array_equal(info.r, np.eye(3))
    assert not info.d.any()
