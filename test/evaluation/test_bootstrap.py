"""Means over images, and intervals over scenes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tardal_ros.evaluation import bootstrap
from tardal_ros.evaluation.bootstrap import mean_over_scenes, means


def test_frames_of_a_scene_are_drawn_together():
    values = np.array([[0.0], [0.0], [0.0], [6.0]])
    apart = mean_over_scenes(values, ["a", "b", "c", "d"])
    assert apart[0] == 1.5 and apart[1] == 0.0 and apart[2] <= 4.5
    together = mean_over_scenes(values, ["a", "a", "b", "b"])
    assert (together[0], together[1], together[2]) == (1.5, 0.0, 3.0)


def test_what_is_nowhere_defined_stays_undefined():
    value, low, high = mean_over_scenes(np.array([[np.nan, 1.0], [np.nan, 2.0]]), ["a", "b"])
    assert np.isnan([value[0], low[0], high[0]]).all() and value[1] == 1.5


def test_without_scenes_each_frame_is_one():
    values = np.random.default_rng(0).normal(size=(7, 3))
    apart = mean_over_scenes(values, [f"{number}" for number in range(7)])
    np.testing.assert_allclose(mean_over_scenes(values), apart)
    assert (apart[1] < apart[0]).all() and (apart[0] < apart[2]).all()


def test_the_interval_is_that_of_the_deviation_of_a_mean():
    values = np.random.default_rng(1).normal(5.0, 2.0, (400, 1))
    mean, low, high = mean_over_scenes(values, resamples=4000)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(400), rel=0.05)


def test_many_scenes_are_drawn_in_blocks_with_the_same_result(monkeypatch):
    values = np.random.default_rng(2).normal(size=(20, 2))
    values[3, 1] = np.nan
    whole = mean_over_scenes(values, resamples=50)
    monkeypatch.setattr(bootstrap, "_BLOCK", 140)
    np.testing.assert_allclose(mean_over_scenes(values, resamples=50), whole)


def test_means_go_by_the_names_of_the_metrics():
    rows = [{"EN": 1.0, "CC": math.nan}, {"EN": 3.0, "CC": 0.5}]
    found = means(rows)
    assert list(found) == ["EN", "CC"]
    assert vars(found["EN"]) == {"value": 2.0, "low": 1.0, "high": 3.0}
    assert vars(found["CC"]) == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert vars(means(rows, ["a", "a"])["EN"]) == {"value": 2.0, "low": 2.0, "high": 2.0}
    assert means([]) == {}
