from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration.cameras import distort_points, fold_radius, undistort_points
from tardal_ros.types import CameraInfo

K = np.array([[610.0, 0.0, 331.0], [0.0, 605.0, 250.0], [0.0, 0.0, 1.0]])
LENSES = {
    "plumb_bob": [-0.31, 0.12, 0.002, -0.0015, -0.02],
    "rational_polynomial": [0.6, -0.2, 0.001, -0.0008, 0.03, 0.95, -0.1, 0.01],
    "equidistant": [0.05, -0.01, 0.004, -0.001],
}


def lens(model: str, d: list[float] | None = None) -> CameraInfo:
    return CameraInfo(640, 512, K, d=np.array(LENSES[model] if d is None else d), distortion_model=model)


def opencv_pixels(info: CameraInfo, rays: np.ndarray) -> np.ndarray:
    points = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1).reshape(-1, 1, 3)
    project = cv2.fisheye.projectPoints if info.distortion_model == "equidistant" else cv2.projectPoints
    zero = np.zeros((3, 1))
    return project(points, zero, zero, info.k, info.d)[0].reshape(rays.shape)


@pytest.mark.parametrize("model", LENSES)
def test_distort_agrees_with_opencv(model: str) -> None:
    rays = np.random.default_rng(1).uniform(-0.5, 0.5, (40, 5, 2))
    np.testing.assert_allclose(distort_points(lens(model), rays), opencv_pixels(lens(model), rays), atol=1e-6)


@pytest.mark.parametrize("model", LENSES)
def test_undistort_undoes_distort_over_the_whole_image(model: str) -> None:
    info = lens(model)
    pixels = np.stack(np.meshgrid(np.linspace(0, 639, 33), np.linspace(0, 511, 27)), axis=-1)
    rays = undistort_points(info, pixels)
    np.testing.assert_allclose(opencv_pixels(info, rays), pixels, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(
    k1=st.floats(-0.4, 0.4),
    k2=st.floats(-0.2, 0.2),
    p1=st.floats(-0.01, 0.01),
    x=st.floats(-0.6, 0.6),
    y=st.floats(-0.5, 0.5),
)
def test_what_is_imaged_comes_back_or_is_nan(k1: float, k2: float, p1: float, x: float, y: float) -> None:
    info = lens("plumb_bob", [k1, k2, p1, 0.003, 0.0])
    ray = np.array([x, y])
    pixel = distort_points(info, ray)
    if fold_radius(info) < 1.2 * np.hypot(*ray):
        return  # near the fold the pixel says little about the ray
    np.testing.assert_allclose(undistort_points(info, pixel), ray, atol=1e-5)


def test_beyond_the_fold_there_is_no_pixel_and_no_ray() -> None:
    info = lens("plumb_bob", [-0.3, 0.0, 0.0, 0.0, 0.0])
    fold = np.sqrt(1 / 0.9)  # d/dr (r - 0.3 r^3) = 0
    assert fold_radius(info) == pytest.approx(fold - 0.3 * fold**3, rel=1e-5)
    assert np.isfinite(distort_points(info, np.array([fold * 0.99, 0.0]))).all()
    assert np.isnan(distort_points(info, np.array([fold * 1.01, 0.0]))).all()
    edge = K[:2, 2] + K[0, 0] * np.array([fold_radius(info), 0.0])
    assert np.isfinite(undistort_points(info, edge * [0.99, 1])).all()
    assert np.isnan(undistort_points(info, edge * [1.01, 1])).all()


def test_a_pole_of_the_rational_model_is_a_fold() -> None:
    info = lens("rational_polynomial", [0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0])
    assert np.isnan(distort_points(info, np.array([1.2, 0.0]))).all()


def test_no_distortion_is_exact_and_never_folds() -> None:
    info = CameraInfo(640, 512, K)
    assert fold_radius(info) == np.inf
    pixels = np.array([[0.0, 0.0], [331.0, 250.0], [639.0, 511.0]])
    np.testing.assert_allclose(distort_points(info, undistort_points(info, pixels)), pixels, atol=1e-6)


def test_a_fisheye_sees_up_to_a_right_angle_and_no_further() -> None:
    info = lens("equidistant", [0.0, 0.0, 0.0, 0.0])
    at = K[:2, 2] + K[0, 0] * np.array([[np.radians(80), 0.0], [np.radians(95), 0.0]])
    rays = undistort_points(info, at)
    assert rays[0, 0] == pytest.approx(np.tan(np.radians(80)), rel=1e-3)
    assert np.isnan(rays[1]).all()


def test_nan_stays_nan() -> None:
    for model in LENSES:
        assert np.isnan(distort_points(lens(model), np.full(2, np.nan))).all()
        assert np.isnan(undistort_points(lens(model), np.full(2, np.nan))).all()
