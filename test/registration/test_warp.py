from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.calibration import Camera, Pose, Rig
from tardal_ros.calibration.rig import pinhole
from tardal_ros.registration.warp import Warp, rectifying_warp, registering_warp
from tardal_ros.types import CameraInfo

LENSES = {
    "plumb_bob": [-0.28, 0.10, 0.001, -0.0015, 0.0],
    "rational_polynomial": [0.5, -0.15, 0.0008, -0.0006, 0.02, 0.8, -0.08, 0.01],
    "equidistant": [0.03, -0.01, 0.002, 0.0],
}


def turned(*degrees: float) -> np.ndarray:
    return cv2.Rodrigues(np.radians(degrees))[0]


def camera_info(width: int, height: int, focal: float, model: str = "plumb_bob", rectified: bool = True) -> CameraInfo:
    k = np.array([[focal, 0.0, width / 2 + 7.5], [0.0, focal * 1.01, height / 2 - 4.25], [0.0, 0.0, 1.0]])
    new = np.array([[focal * 0.9, 0.0, width / 2, 0.0], [0.0, focal * 0.9, height / 2, 0.0], [0.0, 0.0, 1.0, 0.0]])
    rotation = turned(1.0, -2.0, 0.5) if rectified else np.eye(3)
    return CameraInfo(width, height, k, d=np.array(LENSES[model]), r=rotation, p=new, distortion_model=model)


PLANE = np.array([0.15, -0.1, 0.98]) / 8.0
POSE = Pose(turned(1.5, -2.0, 1.0), np.array([-0.15, 0.04, 0.03]))


def two_cameras(visible: str, infrared: str) -> Rig:
    return Rig(
        {
            "visible/left": Camera("vis", camera_info(384, 288, 330.0, visible)),
            "infrared/left": Camera("ir", camera_info(240, 192, 190.0, infrared), pose=POSE),
        },
        PLANE,
    )


def imaged(info: CameraInfo, pose: Pose, points: np.ndarray) -> np.ndarray:
    """Pixels by OpenCV's own projection, which shares no code with the warp."""
    local = ((points - pose.translation) @ pose.rotation).reshape(-1, 1, 3)
    project = cv2.fisheye.projectPoints if info.distortion_model == "equidistant" else cv2.projectPoints
    return project(local, np.zeros((3, 1)), np.zeros((3, 1)), info.k, info.d)[0].reshape(-1, 2)


def grid_on_plane() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.35, 0.35, 9), np.linspace(-0.28, 0.28, 7))
    rays = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=-1)
    return rays / (rays @ PLANE)[:, None]


def dots(size: tuple[int, int], centres: np.ndarray) -> np.ndarray:
    """Smooth dots at exact subpixel places."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    image = np.zeros(x.shape)
    for cx, cy in centres:
        image += 250 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.8**2))
    return image.clip(0, 255).astype(np.uint8)


def dot_centre(image: np.ndarray, near: np.ndarray, reach: int = 6) -> np.ndarray:
    column, row = np.rint(near).astype(int)
    patch = image[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(float)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.array([column, row]) + np.array([(patch * x).sum(), (patch * y).sum()]) / patch.sum()


def inner(points: np.ndarray, size: tuple[int, int], margin: int = 9) -> np.ndarray:
    return np.all((points > margin) & (points < np.array(size) - margin), axis=-1)


@pytest.mark.parametrize("visible", LENSES)
@pytest.mark.parametrize("infrared", LENSES)
def test_the_map_is_geometrically_true(visible: str, infrared: str) -> None:
    rig, points = two_cameras(visible, infrared), grid_on_plane()
    seen = imaged(rig.cameras["visible/left"].info, Pose(), points)
    wanted = imaged(rig.cameras["infrared/left"].info, POSE, points)
    assert np.abs(rig.map_pixels(seen, "visible/left", "infrared/left") - wanted).max() < 0.05


@pytest.mark.parametrize("visible", LENSES)
@pytest.mark.parametrize("rectify", [False, True])
def test_dots_of_both_spectra_line_up(visible: str, rectify: bool) -> None:
    rig, points = two_cameras(visible, "plumb_bob"), grid_on_plane()
    info, source = rig.cameras["visible/left"].info, rig.cameras["infrared/left"].info
    seen, hot = imaged(info, Pose(), points), imaged(source, POSE, points)
    size = (info.width, info.height)
    infrared = registering_warp(rig, "infrared/left", "visible/left", rectify).apply(dots((240, 192), hot))
    image = dots(size, seen)
    where = seen
    if rectify:
        image = rectifying_warp(info).apply(image)
        turned_points = points @ info.r.T
        where = turned_points[:, :2] / turned_points[:, 2:] * info.p[0, 0] + info.p[:2, 2]
    chosen = inner(where, size) & inner(seen, size) & inner(hot, (240, 192))
    assert chosen.sum() > 20
    for place in where[chosen]:
        assert np.abs(dot_centre(image, place) - place).max() < 0.3
        assert np.abs(dot_centre(infrared, place) - dot_centre(image, place)).max() < 0.5


def test_rectified_lines_are_straight() -> None:
    info = camera_info(384, 288, 330.0)
    ends = np.array([[-0.45, -0.3, 1.0], [0.45, -0.25, 1.0]])
    line = ends[0] + np.linspace(0, 1, 4000)[:, None] * (ends[1] - ends[0])
    raw = np.zeros((288, 384), np.uint8)
    for x, y in imaged(info, Pose(), line):
        if 0 <= x < 383.5 and 0 <= y < 287.5:
            raw[round(y), round(x)] = 255

    def deviation(image: np.ndarray) -> float:
        """How far the line strays from its straight fit, in pixels."""
        weights = image.astype(float)
        columns = np.flatnonzero(weights.sum(axis=0))
        assert len(columns) > 200
        rows = (weights * np.arange(288)[:, None]).sum(axis=0)[columns] / weights.sum(axis=0)[columns]
        return float(np.abs(rows - np.polyval(np.polyfit(columns, rows, 1), columns)).max())

    assert deviation(raw) > 3
    assert deviation(rectifying_warp(info).apply(raw)) < 1


def test_rectifying_agrees_with_opencv() -> None:
    info = camera_info(384, 288, 330.0, "rational_polynomial")
    x, y = cv2.initUndistortRectifyMap(info.k, info.d, info.r, info.p[:, :3], (384, 288), cv2.CV_32FC1)
    image = dots((384, 288), np.random.default_rng(0).uniform(20, 260, (40, 2)))
    wanted = cv2.remap(image, x, y, cv2.INTER_LINEAR).astype(int)
    assert np.abs(rectifying_warp(info).apply(image) - wanted).max() <= 6  # maps of 1/32 pixels


@pytest.mark.parametrize("rectify", [False, True])
def test_the_mask_is_where_infrared_sees(rectify: bool) -> None:
    rig = two_cameras("plumb_bob", "plumb_bob")
    warp = registering_warp(rig, "infrared/left", "visible/left", rectify)
    full = warp.apply(np.full((192, 240), 255, np.uint8))
    assert 0.2 < (warp.mask == 255).mean() < 0.99
    np.testing.assert_array_equal(warp.mask, full)


def test_the_mask_ends_where_the_image_ends() -> None:
    shift = np.array([[1.0, 0.0, 10.25], [0.0, 1.0, -5.0], [0.0, 0.0, 1.0]])
    plain = CameraInfo(60, 40, np.array([[60.0, 0, 30], [0, 60.0, 20], [0, 0, 1]]))
    rig = Rig({"visible/left": Camera("v", plain), "infrared/left": Camera("i", plain, homography=shift)})
    mask = registering_warp(rig, "infrared/left", "visible/left", False).mask
    wanted = np.zeros((40, 60), np.uint8)
    wanted[5:, : 60 - 11] = 255  # column 49 would need infrared column 59.25
    np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize("model", LENSES)
def test_coinciding_cameras_give_the_image_itself(model: str) -> None:
    info = camera_info(160, 120, 150.0, model)
    rig = Rig({"visible/left": Camera("v", info), "infrared/left": Camera("i", info)})
    warp = registering_warp(rig, "infrared/left", "visible/left", False)
    image = np.random.default_rng(0).integers(0, 255, (120, 160), np.uint8)
    np.testing.assert_array_equal(warp.apply(image), image)
    assert (warp.mask == 255).all()


def test_what_the_lens_folds_over_is_masked() -> None:
    wide = CameraInfo(400, 300, np.array([[150.0, 0, 200], [0, 150.0, 150], [0, 0, 1]]))
    k = np.array([[300.0, 0, 200], [0, 300.0, 150], [0, 0, 1]])
    folding = CameraInfo(400, 300, k, d=np.array([-0.35, 0.0, 0.0, 0.0, 0.0]))
    rig = Rig({"visible/left": Camera("v", wide), "infrared/left": Camera("i", folding)})
    mask = registering_warp(rig, "infrared/left", "visible/left", False).mask
    x, y = np.meshgrid(np.arange(400) - 200.0, np.arange(300) - 150.0)
    beyond = np.hypot(x, y) / 150.0 > np.sqrt(1 / 1.05)
    assert mask[150, 200] == 255
    assert not mask[beyond].any()
    both = Rig({"visible/left": Camera("v", folding), "infrared/left": Camera("i", wide)})
    mask = registering_warp(both, "infrared/left", "visible/left", False).mask
    assert mask[150, 200] == 255
    assert mask[0, 0] == 0


def test_colour_sixteen_bits_and_views() -> None:
    warp = rectifying_warp(camera_info(96, 64, 80.0))
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 255, (64, 96, 3), np.uint8)
    colour.flags.writeable = False
    warped = warp.apply(colour)
    assert warped.shape == colour.shape
    np.testing.assert_array_equal(warped[..., 1], warp.apply(colour[..., 1]))
    deep = rng.integers(0, 65535, (64, 96)).astype(np.uint16)
    assert warp.apply(deep).dtype == np.uint16
    np.testing.assert_array_equal(warp.apply(deep[::-1])[warp.mask == 0], 0)


def test_results_are_read_only() -> None:
    warp = rectifying_warp(camera_info(96, 64, 80.0))
    assert not warp.mask.flags.writeable
    assert not warp.apply(np.zeros((64, 96), np.uint8)).flags.writeable


def test_pinhole_info_of_the_rectified_image_needs_no_second_warp() -> None:
    info = pinhole(camera_info(96, 64, 80.0))
    image = np.random.default_rng(0).integers(0, 255, (64, 96), np.uint8)
    np.testing.assert_array_equal(rectifying_warp(info).apply(image), image)


@settings(deadline=None, max_examples=30)
@given(dx=st.integers(-20, 20), dy=st.integers(-15, 15))
def test_whole_pixel_shifts_are_exact(dx: int, dy: int) -> None:
    pixels = np.stack(np.meshgrid(np.arange(40.0) + dx, np.arange(30.0) + dy), axis=-1)
    warp = Warp(pixels, (40, 30))
    image = np.random.default_rng(0).integers(1, 255, (30, 40), np.uint8)
    padded = np.pad(image, 20)
    wanted = padded[20 + dy : 50 + dy, 20 + dx : 60 + dx]
    np.testing.assert_array_equal(warp.apply(image), wanted)
    np.testing.assert_array_equal(warp.mask, np.where(wanted > 0, 255, 0))


@settings(deadline=None, max_examples=20)
@given(
    angle=st.floats(-8, 8),
    scale=st.floats(0.7, 1.4),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    tilt=st.floats(-2e-4, 2e-4),
)
def test_homographies_agree_with_opencv(angle: float, scale: float, shift: tuple[float, float], tilt: float) -> None:
    matrix = np.vstack([cv2.getRotationMatrix2D((60, 45), angle, scale), [tilt, -tilt, 1.0]])
    matrix[:2, 2] += shift
    plain = CameraInfo(120, 90, np.array([[100.0, 0, 60], [0, 100.0, 45], [0, 0, 1]]))
    rig = Rig({"visible/left": Camera("v", plain), "infrared/left": Camera("i", plain, homography=matrix)})
    image = dots((120, 90), np.random.default_rng(1).uniform(0, 90, (25, 2)))
    warp = registering_warp(rig, "infrared/left", "visible/left", False)
    wanted = cv2.warpPerspective(image, matrix, (120, 90), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    difference = np.abs(warp.apply(image).astype(int) - wanted)[warp.mask == 255]
    assert difference.max(initial=0) <= 4
