"""SSIM and MS-SSIM against a plain computation."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from tardal_ros.evaluation.metrics.structure import similarities

KERNEL = cv2.getGaussianKernel(11, 1.5)
ONE, OTHER = np.random.default_rng(0).integers(0, 256, (2, 200, 190), np.uint8)
ONE = cv2.GaussianBlur(ONE, (0, 0), 1.0)
OTHER = cv2.addWeighted(ONE, 0.6, OTHER, 0.4, 0)


def factors(x, y):
    """Means of the windows inside, and contrast with structure."""
    wx, wy = (np.lib.stride_tricks.sliding_window_view(each, (11, 11)) for each in (x, y))
    window = KERNEL @ KERNEL.T
    mx, my = ((each * window).sum(axis=(2, 3)) for each in (wx, wy))
    vx, vy, cov = ((a * b * window).sum(axis=(2, 3)) for a, b in ((wx, wx), (wy, wy), (wx, wy)))
    light = (2 * mx * my + 6.5025) / (mx * mx + my * my + 6.5025)
    return light, (2 * (cov - mx * my) + 58.5225) / (vx - mx * mx + vy - my * my + 58.5225)


def test_ssim_is_that_of_a_plain_computation():
    light, structure = factors(*(np.pad(each.astype(float), 5, mode="reflect") for each in (ONE, OTHER)))
    assert similarities(ONE, [OTHER])[0].single == pytest.approx((light * structure).mean(), abs=1e-9)
    seen = np.full(ONE.shape, 255, np.uint8)
    seen[:20] = 0
    expected = (light * structure)[25:].mean()  # windows of the row 25 begin at the row 20
    assert similarities(ONE, [OTHER], seen)[0].single == pytest.approx(expected, abs=1e-9)


def test_multi_scale_ssim_is_that_of_a_plain_computation():
    x, y, product = ONE.astype(float), OTHER.astype(float), 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        if scale:
            x, y = (
                each[: len(each) // 2 * 2, : each.shape[1] // 2 * 2].reshape(len(each) // 2, 2, -1, 2).mean(axis=(1, 3))
                for each in (x, y)
            )
        light, structure = factors(x, y)
        product *= (light * structure if scale == 4 else structure).mean() ** weight
    assert similarities(ONE, [OTHER])[0].multi == pytest.approx(product, abs=1e-9)


def test_each_source_is_compared_on_its_own():
    assert similarities(ONE, [OTHER, ONE]) == similarities(ONE, [OTHER]) + similarities(ONE, [ONE])
    assert similarities(ONE, [ONE])[0] == pytest.approx((1.0, 1.0))
    assert similarities(ONE, [OTHER])[0] == pytest.approx(similarities(OTHER, [ONE])[0], abs=1e-12)


def test_opposite_structure():
    single, multi = similarities(ONE, [255 - ONE])[0]
    assert -1.0 < single < 0.0 == multi


def test_multi_scale_needs_windows_at_the_coarsest_scale():
    for small in (np.s_[:175], np.s_[:, :175]):
        (single, multi), *_ = similarities(ONE[small].copy(), [OTHER[small].copy()])
        assert math.isnan(multi) and not math.isnan(single)
    assert not math.isnan(similarities(ONE[:176, :176].copy(), [OTHER[:176, :176].copy()])[0].multi)
