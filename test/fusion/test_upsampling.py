"""The way back from a fraction of the resolution."""

import cv2
import numpy as np
import pytest

from tardal_ros.fusion.upsampling import guided_upsample, shrink


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [((40, 60), 0.5, (20, 30)), ((41, 63), 0.5, (20, 32)), ((1, 1), 0.1, (1, 1)), ((9, 300), 0.01, (1, 3))],
)
def test_shrunken_sizes(size, scale, expected):
    assert shrink(np.zeros(size, np.uint8), scale).shape == expected


@pytest.fixture
def full(make_pair):
    visible, infrared = make_pair(120, 160)
    return cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY), infrared


@pytest.mark.parametrize("scale", [0.5, 0.3, 0.25])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_mixture_comes_back_with_its_detail(full, scale, share):
    visible, infrared = full
    wanted = cv2.addWeighted(visible, 1.0 - share, infrared, share, 0.0)
    small = shrink(visible, scale), shrink(infrared, scale)
    fused = shrink(wanted, scale)
    plain = cv2.resize(fused, wanted.shape[::-1], interpolation=cv2.INTER_CUBIC)
    error, plain_error = (
        np.sqrt(np.mean((image.astype(float) - wanted) ** 2))
        for image in (guided_upsample(fused, small, (visible, infrared)), plain)
    )
    assert error < 0.5 * plain_error


def test_no_halo_beside_an_edge():
    visible, infrared = np.full((80, 80), 120, np.uint8), np.full((80, 80), 30, np.uint8)
    infrared[:, 41:] = 220
    small = shrink(visible, 0.25), shrink(infrared, 0.25)
    fused = guided_upsample(cv2.addWeighted(*(small[0], 0.5, small[1], 0.5), 0.0), small, (visible, infrared))
    assert fused.min() >= 73
    assert fused.max() <= 172


def test_constant_images():
    image = np.full((30, 50), 77, np.uint8)
    small = shrink(image, 0.5)
    np.testing.assert_array_equal(guided_upsample(small, (small, small), (image, image)), image)


def test_results_saturate():
    white, black = np.full((30, 50), 255, np.uint8), np.zeros((30, 50), np.uint8)
    for level in (0, 255):
        small = np.full((15, 25), level, np.uint8)
        fused = guided_upsample(small, (shrink(white, 0.5), shrink(black, 0.5)), (white, black))
        np.testing.assert_array_equal(fused, level)


def test_fine_detail_that_goes_below_black_is_black():
    random = np.random.default_rng(0)
    visible = np.clip(np.linspace(10, 90, 160) + random.normal(0, 25, (120, 160)), 0, 255).astype(np.uint8)
    infrared = np.full_like(visible, 40)
    small = shrink(visible, 0.25), shrink(infrared, 0.25)
    steeper = np.clip(3.0 * small[0] - 60.0, 0, 255).astype(np.uint8)
    fused = guided_upsample(steeper, small, (visible, infrared)).astype(float)
    dark = (visible < 10) & (cv2.blur(visible, (15, 15)) > 35)
    assert dark.sum() > 50
    assert fused[dark].mean() < 5
