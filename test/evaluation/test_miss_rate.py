from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.evaluation.miss_rate import MissRate, miss_rate


def test_a_worked_example():
    # Of four objects in ten images: right, wrong, right, right, so that FPPI is 0 until the second, and then 0.1.
    found = miss_rate(np.array([0.6, 0.9, 0.8, 0.7]), np.array([True, True, False, True]), 4, 10)
    assert found.fppi == pytest.approx((0.0, 0.1, 0.1, 0.1))
    assert found.miss == pytest.approx((0.75, 0.75, 0.5, 0.25))
    # Four of the nine rates are below 0.1: 0.01, 0.018, 0.032 and 0.056.
    assert found.log_average == pytest.approx((0.75**4 * 0.25**5) ** (1 / 9))


def test_nothing_found_misses_all():
    assert miss_rate(np.zeros(0), np.zeros(0, bool), 3, 2).log_average == 1.0


def test_a_rate_that_is_not_reached_misses_all_there():
    found = miss_rate(np.array([0.9, 0.8]), np.array([False, True]), 1, 2)  # FPPI 0.5 from the start
    assert found.log_average == pytest.approx(1e-10 ** (2 / 9), rel=1e-6)


def naive_miss_rate(scores, right, objects, images):
    """The definition: which part is missed, and what is wrong per image, among what is at least as good as this."""
    points = [
        (float((~right & (scores >= each)).sum()) / images, 1 - float((right & (scores >= each)).sum()) / objects)
        for each in sorted(set(scores.tolist()), reverse=True)
    ]
    missed = [min([miss for fppi, miss in points if fppi <= 10**power], default=1) for power in np.linspace(-2, 0, 9)]
    return points, np.exp(np.mean(np.log(np.maximum(missed, 1e-10))))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(0, 60), st.integers(1, 50))
def test_another_implementation_finds_the_same_in_any_order(seed, count, images):
    rng = np.random.default_rng(seed)
    scores, right = rng.integers(0, 20, count) / 20, rng.random(count) < 0.6  # many of the same score
    objects = int(right.sum()) + int(rng.integers(1, 5))
    points, average = naive_miss_rate(scores, right, objects, images)
    order = rng.permutation(count)
    for found in (miss_rate(scores, right, objects, images), miss_rate(scores[order], right[order], objects, images)):
        assert np.array([found.fppi, found.miss]).T.ravel() == pytest.approx(np.ravel(points))
        assert found.log_average == pytest.approx(average)


def test_a_thinned_curve_keeps_its_shape_on_a_logarithmic_axis():
    fppi = np.arange(100_001) / 1000
    curve = MissRate(tuple(fppi.tolist()), tuple((1 / (1 + fppi)).tolist()), 0.5)
    thin = curve.thinned(100)
    assert set(zip(thin.fppi, thin.miss, strict=True)) < set(zip(curve.fppi, curve.miss, strict=True))
    assert len(thin.fppi) <= 100 and thin.fppi[0] == 0.0 and thin.fppi[-1] == 100.0 and thin.log_average == 0.5
    steps = np.diff(np.log10(thin.fppi[1:]))
    assert steps.min() > 0.0 and steps[-40:].max() < 0.07
    assert sum(0.01 <= each <= 1.0 for each in thin.fppi) > 30


def test_what_is_thin_already_stays():
    curve = MissRate((0.0, 0.5), (0.5, 0.25), 0.4)
    assert curve.thinned(2) == curve
    assert MissRate((), (), 1.0).thinned(5).fppi == ()
