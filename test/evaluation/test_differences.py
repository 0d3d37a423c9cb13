import math

import numpy as np
import pytest

from tardal_ros.evaluation.differences import FEWEST_SCENES, is_better, paired_differences, unpaired_difference


def test_pairing_finds_a_difference_that_the_spread_of_frames_hides():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 10, 40)
    one, other = common + 0.5 + rng.normal(0, 0.1, 40), common
    scenes = [str(number) for number in range(40)]

    apart = paired_differences({"EN": one.tolist()}, {"EN": other.tolist()}, scenes)["EN"]

    assert apart.is_real and apart.paired and apart.low < apart.value < apart.high
    assert apart.value == pytest.approx(0.5, abs=0.1) and apart.high - apart.low < 0.2
    reverse = paired_differences({"EN": other.tolist()}, {"EN": one.tolist()}, scenes)["EN"]
    assert reverse.value == pytest.approx(-apart.value)


def test_equal_figures_are_noise():
    values, scenes = {"EN": [1.0, 2.0, 3.0, 4.0, 5.0]}, list("abcde")

    apart = paired_differences(values, values, scenes)["EN"]
    assert (apart.value, apart.low, apart.high) == (0.0, 0.0, 0.0) and not apart.is_real


def test_only_frames_that_both_have_count():
    apart = paired_differences({"EN": [1.0, None, 9.0]}, {"EN": [0.0, 7.0, None]}, list("abc"))["EN"]

    assert apart.value == 1.0
    assert paired_differences({"EN": [None]}, {"EN": [1.0]}, ["a"]) == {}
    assert paired_differences({"EN": [1.0]}, {"SD": [1.0]}, ["a"]) == {}


@pytest.mark.parametrize(("scenes", "known"), [(FEWEST_SCENES - 1, False), (FEWEST_SCENES, True)])
def test_frames_of_few_scenes_tell_nothing(scenes, known):
    count = 30
    apart = paired_differences(
        {"EN": [2.0] * count}, {"EN": [1.0] * count}, [str(number % scenes) for number in range(count)]
    )["EN"]

    assert apart.is_known == known and apart.is_real == known


def test_without_pairs_the_intervals_add_up():
    apart = unpaired_difference({"value": 5.0, "low": 2.0, "high": 8.0}, {"value": 1.0, "low": -3.0, "high": 5.0})

    assert (apart.value, apart.low, apart.high) == (4.0, -1.0, 9.0) and not apart.is_real and not apart.paired
    assert unpaired_difference({"value": None, "low": None, "high": None}, {"value": 1, "low": 0, "high": 2}) is None
    point = {"value": 1.0, "low": 1.0, "high": 1.0}
    assert math.isnan(unpaired_difference(point, point).low)  # a single scene has no interval


def test_fewer_artefacts_are_better():
    assert is_better("Nabf", -0.1) and not is_better("Nabf", 0.1)
    assert is_better("EN", 0.1) and not is_better("EN", -0.1)
