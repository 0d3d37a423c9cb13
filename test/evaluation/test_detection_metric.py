from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")

from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection_metric import Judged, can_be_scored, score
from tardal_ros.types import Detections

NAMES = ("People", "Car", "Bus")
ONE = (10.0, 10.0, 50.0, 60.0)
OTHER = (100.0, 20.0, 180.0, 70.0)


def objects(*boxes, ids=None, ignored=None):
    count = len(boxes)
    ids = [1] * count if ids is None else ids
    ignored = [False] * count if ignored is None else ignored
    return Objects(np.array(boxes, float).reshape(-1, 4), np.array(ids, np.int64), np.array(ignored, bool), NAMES)


def detections(*boxes, scores=None, ids=None, names=NAMES):
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count) if scores is None else scores
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array([1] * count if ids is None else ids, np.int64),
        names,
    )


def judged(found, there, scene="a", condition="day"):
    return Judged(scene, condition, found, there)


def test_finding_all_and_nothing_else_is_perfect():
    scores = score([judged(detections(ONE, OTHER), objects(ONE, OTHER))], resamples=10)

    assert scores.map50.value == scores.map50_95.value == 1.0
    assert (scores.map50.low, scores.map50.high, scores.map50.objects) == (1.0, 1.0, 2)
    assert set(scores.classes) == {"Car"} and set(scores.conditions) == {"day"}
    assert (scores.images, scores.scenes) == (1, 1)


def test_finding_nothing_scores_zero():
    assert score([judged(detections(), objects(ONE))], 0).map50.value == 0.0


def test_average_precision_is_that_of_coco():
    # Best first: right, wrong, right. Precision is 1 up to recall 1/2, and 2/3 up to recall 1: 51 of the 101 recalls
    # at which it is taken are at most 1/2.
    found = detections(ONE, (300.0, 300.0, 340.0, 340.0), OTHER)
    value = score([judged(found, objects(ONE, OTHER))], 0).map50.value

    assert value == pytest.approx((51 * 1.0 + 50 * 2 / 3) / 101, abs=1e-4)


def test_overlap_decides():
    shifted = (10.0, 10.0, 50.0, 10.0 + 50.0 * 0.6)  # 0.6 of it
    scores = score([judged(detections(shifted), objects(ONE))], 0)

    assert scores.map50.value == 1.0
    assert scores.map50_95.value == pytest.approx(0.3, abs=1e-4)  # right at 0.5, 0.55 and 0.6


def test_what_is_ignored_is_neither_right_nor_wrong():
    there = objects(ONE, OTHER, ignored=[False, True])
    with_it = score([judged(detections(OTHER, ONE), there)], 0)
    without_it = score([judged(detections(ONE), there)], 0)

    assert with_it.map50.value == without_it.map50.value == 1.0
    assert with_it.map50.objects == 1


def test_classes_are_matched_by_name():
    found = detections(ONE, OTHER, ids=[2, 0], names=("person", "bicycle", "car"))
    scores = score([judged(found, objects(ONE, OTHER, ids=[1, 0]))], 0)

    assert scores.classes["Car"].value == scores.classes["People"].value == 1.0


def test_classes_that_the_detector_cannot_know_do_not_count():
    found = detections(ONE, names=("x", "Car"))
    scores = score([judged(found, objects(ONE, OTHER, ids=[1, 2]))], 0)

    assert scores.map50.value == 1.0 and set(scores.classes) == {"Car"}


def test_nothing_in_common_is_refused():
    image = judged(detections(ONE, names=("tree", "dog")), objects(ONE))
    assert not can_be_scored([image])
    with pytest.raises(RigError, match="tree, dog"):
        score([image], 0)
    with pytest.raises(RigError, match="no images"):
        score([], 0)


def test_the_interval_comes_of_scenes_and_not_of_images():
    good = judged(detections(ONE), objects(ONE), "good")
    bad = judged(detections(), objects(ONE), "bad")
    two_scenes = score([good] * 10 + [bad] * 10, resamples=200).map50
    many_scenes = [
        judged(each.detections, each.objects, f"{each.scene}{number}") for number in range(10) for each in (good, bad)
    ]
    twenty_scenes = score(many_scenes, resamples=200).map50

    assert (two_scenes.low, two_scenes.high) == (0.0, 1.0)
    assert 0.0 < twenty_scenes.low < twenty_scenes.value < twenty_scenes.high < 1.0


def test_conditions_are_scored_by_themselves():
    images = [
        judged(detections(ONE), objects(ONE), "a", "day"),
        judged(detections(), objects(ONE), "b", "night"),
        judged(detections(), objects(), "c", "fog"),
    ]
    conditions = score(images, 5).conditions

    assert {name: figure.value for name, figure in conditions.items()} == {"day": 1.0, "night": 0.0}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_the_order_of_images_and_boxes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    images = []
    for number in range(4):
        corner = rng.uniform(0, 300, (5, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 90, (5, 2))], axis=1)
        found = boxes + rng.normal(0, 6, boxes.shape)
        scores, ids = rng.permutation(20)[:5] / 20 + number / 100, rng.integers(0, 3, 5)
        images.append((f"s{number}", found, scores, ids, boxes))

    def scored(order):
        turned = [
            judged(
                detections(*found[::order], scores=scores[::order], ids=ids[::order]), objects(*boxes, ids=ids), scene
            )
            for scene, found, scores, ids, boxes in images[::order]
        ]
        return score(turned, 0).map50.value

    assert scored(1) == pytest.approx(scored(-1))
