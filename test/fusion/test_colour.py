"""Luma out of an image, and back in."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.fusion.colour import luma, with_luma


def _image():
    return np.random.default_rng(1).integers(0, 256, (31, 45, 3), np.uint8)


def test_luma_is_bt601():
    image = _image()
    expected = image @ np.array([0.114, 0.587, 0.299])
    assert np.abs(luma(image) - expected).max() <= 0.51


def test_a_grey_image_is_its_own_luma():
    grey = _image()[..., 0]
    assert luma(grey) is grey
    assert with_luma(grey, grey, grey + 1) is not grey


def test_the_same_luma_gives_the_same_image():
    image = _image()
    np.testing.assert_array_equal(with_luma(image, luma(image), luma(image)), image)


def test_every_channel_changes_by_what_luma_changes_and_saturates():
    image = np.array([[[10, 100, 250], [10, 100, 250]]], np.uint8)
    old, new = np.array([[100, 100]], np.uint8), np.array([[120, 60]], np.uint8)
    np.testing.assert_array_equal(with_luma(image, old, new), [[[30, 120, 255], [0, 60, 210]]])


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 9), width=st.integers(1, 9))
def test_any_luma_is_added_to_every_channel(seed, height, width):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    new = random.integers(0, 256, (height, width), np.uint8)
    old = luma(image)
    expected = np.clip(image.astype(int) + (new.astype(int) - old)[..., None], 0, 255)
    np.testing.assert_array_equal(with_luma(image, old, new), expected)


def test_golden_luma(golden_file):
    golden = golden_file("tardal_color.npz")
    rgb, grey = golden["rgb_u8"], golden["gray_u8_cv2"]
    np.testing.assert_array_equal(luma(np.ascontiguousarray(rgb[..., ::-1])), np.squeeze(grey))


def test_golden_recolouring(golden_file):
    golden = golden_file("tardal_color.npz")
    rgb, new, expected = golden["rgb_u8"], golden["new_y"], golden["recolored_rgb_v1"]
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    new = np.squeeze(new)
    new_luma = np.rint(np.clip(new, 0.0, 1.0) * 255.0).astype(np.uint8)
    wanted = np.squeeze(expected)
    wanted = np.clip(wanted.transpose(1, 2, 0) if wanted.shape[0] == 3 else wanted, 0.0, 1.0) * 255.0
    fused = cv2.cvtColor(with_luma(bgr, luma(bgr), new_luma), cv2.COLOR_BGR2RGB)
    in_range = (new >= 0.0) & (new <= 1.0)
    assert in_range.mean() > 0.5
    assert np.abs(fused - wanted)[in_range].max() <= 2.0
