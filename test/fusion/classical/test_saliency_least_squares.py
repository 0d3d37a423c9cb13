"""Fusion by saliency and weighted least squares: what the optimisation gives, and what the layers add up to."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.fusion.classical import SaliencyLeastSquaresMethod
from tardal_ros.fusion.classical import saliency_least_squares as wls


def _image(height=40, width=50, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 1.0)


def test_layers_add_up_to_the_image():
    image = _image()
    layers = list(wls._layers(image))
    assert len(layers) == wls.LEVELS + 1
    np.testing.assert_allclose(sum(layers), image / 255.0, atol=1e-5)


def test_layers_are_ever_coarser():
    image = _image(80, 100)
    steps = [np.abs(np.diff(layer, axis=1)).mean() / np.abs(layer).mean() for layer in wls._layers(image)]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize("sigma", [0.0, 2.0])
def test_detail_is_the_minimum_of_the_least_squares(sigma):
    rng = np.random.default_rng(3)
    visible, infrared = (rng.normal(0.0, 0.05, (20, 24)).astype(np.float32) for _ in range(2))
    detail = wls._fused_detail(visible, infrared, sigma)
    stronger = (np.abs(infrared) > np.abs(visible)).astype(np.float32)
    if sigma:
        stronger = cv2.GaussianBlur(stronger, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    m = stronger * infrared + (1 - stronger) * visible
    padded = np.pad(infrared.astype(np.float64), 3, mode="symmetric")
    around = np.abs(sum(padded[y : y + 20, x : x + 24] for y in range(7) for x in range(7)))
    a = 1 / (around + wls.EPSILON)

    def cost(d):
        return (d - m) ** 2 + wls.LAMBDA * a * (d - visible) ** 2

    for step in (-1e-3, 1e-3):
        assert (cost(detail) <= cost(detail + step)).all()


def test_a_level_far_from_the_others_is_salient():
    image = np.full((20, 20), 50, np.uint8)
    image[5:8, 5:8] = 250
    saliency = wls._saliency(image)
    assert saliency[6, 6] == 1.0
    assert saliency[0, 0] < 0.05
    assert not wls._saliency(np.full((4, 4), 9, np.uint8)).any()


@given(height=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_two_equal_images_give_themselves(height, width, seed):
    image = _image(height, width, seed)
    assert np.abs(SaliencyLeastSquaresMethod().fuse_luma(image, image).astype(int) - image).max() <= 1


def test_a_warm_body_that_only_infrared_sees_is_bright():
    visible, infrared = np.full((120, 160), 120, np.uint8), np.full((120, 160), 40, np.uint8)
    cv2.ellipse(infrared, (80, 60), (10, 30), 0, 0, 360, 230, -1)
    fused = SaliencyLeastSquaresMethod().fuse_luma(visible, infrared).astype(int)
    assert fused[60, 80] - fused[60, 20] > 40
