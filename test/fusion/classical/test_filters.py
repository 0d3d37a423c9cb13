"""The guided filter against its definition, and what it leaves alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.fusion.classical.filters import box_mean, guided_filter


def _noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def _window_means(image, radius):
    padded = np.pad(image.astype(np.float64), radius, mode="symmetric")
    side = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    return windows.mean(axis=(2, 3))


def test_means_reflect_the_image_at_its_border():
    image = _noise((9, 12))
    np.testing.assert_allclose(box_mean(image, 2), _window_means(image, 2), atol=1e-6)


def test_the_filter_is_the_least_squares_line_of_each_window():
    guide, image, radius, flat = _noise((14, 17), 1), _noise((14, 17), 2), 2, 0.01
    means = [_window_means(each, radius) for each in (guide, image, guide * image, guide * guide)]
    gain = (means[2] - means[0] * means[1]) / (means[3] - means[0] ** 2 + flat)
    offset = means[1] - gain * means[0]
    expected = _window_means(gain, radius) * guide + _window_means(offset, radius)
    np.testing.assert_allclose(guided_filter(guide, image, radius, flat), expected, atol=1e-5)


@given(height=st.integers(1, 12), width=st.integers(1, 12), radius=st.integers(1, 45), level=st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=30)
def test_what_is_flat_stays_so_whatever_guides_it(height, width, radius, level):
    image = np.full((height, width), level, np.float32)
    np.testing.assert_allclose(guided_filter(_noise((height, width)), image, radius, 1e-6), level, atol=1e-4)


@pytest.mark.parametrize(("flat", "kept"), [(1e-4, True), (10.0, False)])
def test_edges_of_the_guide_stay_where_they_are_stronger_than_flat(flat, kept):
    step = np.repeat(np.float32([[0.0] * 10 + [1.0] * 10]), 8, axis=0)
    filtered = guided_filter(step, step, 3, flat)
    assert bool(filtered[4, 10] - filtered[4, 9] > 0.95) is kept
