"""Metrics of grey levels against worked examples and NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tardal_ros.evaluation.metrics.levels import (
    correlations,
    entropy,
    mutual_information,
    peak_signal_to_noise,
    standard_deviation,
)

FUSED, VISIBLE, INFRARED = np.random.default_rng(0).integers(0, 256, (3, 60, 72), np.uint8)
FUSED = FUSED // 3 + VISIBLE // 3 + INFRARED // 4


def test_known_entropies_and_deviations():
    image = np.repeat(np.uint8([[0, 50, 100, 150]]), 4, axis=0)
    assert entropy(image) == pytest.approx(2.0)
    assert entropy(np.full((5, 5), 7, np.uint8)) == 0.0
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8.0)
    assert standard_deviation(np.uint8([[0, 10]])) == pytest.approx(5.0)


def test_half_of_what_an_image_tells():
    one, other = np.uint8([[0, 50, 100, 150]]), np.uint8([[9, 9, 200, 200]])
    assert mutual_information(one, other) == pytest.approx(1.0)
    assert mutual_information(one, np.uint8([[3, 3, 3, 3]])) == pytest.approx(0.0)


@pytest.mark.parametrize("masked", [False, True])
def test_correlations_and_noise_are_those_of_numpy(masked):
    seen = np.random.default_rng(1).random(FUSED.shape) < 0.6 if masked else None
    fused, visible, infrared = (
        each.astype(float).ravel() if seen is None else each[seen].astype(float) for each in (FUSED, VISIBLE, INFRARED)
    )

    def r(one, other):
        return np.corrcoef(one, other)[0, 1]

    expected = r(fused, visible), r(fused, infrared), r(fused - infrared, visible) + r(fused - visible, infrared)
    assert correlations(FUSED, VISIBLE, INFRARED, seen) == pytest.approx(expected, abs=1e-12)
    noise = 20 * math.log10(255) - 10 * math.log10(((fused - visible) ** 2).mean())
    assert peak_signal_to_noise(FUSED, VISIBLE, seen) == pytest.approx(noise, abs=1e-12)


def test_correlations_of_even_and_of_equal_images():
    even = np.full(FUSED.shape, 7, np.uint8)
    assert correlations(VISIBLE, VISIBLE, 255 - VISIBLE)[:2] == pytest.approx((1.0, -1.0))
    assert np.isnan(correlations(FUSED, even, even)).all()
    found = correlations(FUSED, VISIBLE, even)
    assert np.isnan([found.infrared, found.differences]).all() and not math.isnan(found.visible)
    assert math.isnan(correlations(VISIBLE, VISIBLE, INFRARED).differences)


def test_noise_of_opposite_and_of_equal_images():
    assert peak_signal_to_noise(np.uint8([[0, 255]]), np.uint8([[255, 0]])) == pytest.approx(0.0)
    assert math.isnan(peak_signal_to_noise(FUSED, FUSED))


def test_sums_of_a_large_bright_image_are_exact():
    bright = np.full((3000, 4000), 255, np.uint8)
    bright[0, 0] = 254
    assert correlations(bright, bright, bright)[:2] == (1.0, 1.0)
    assert math.isnan(correlations(bright, bright, np.full_like(bright, 255)).infrared)
