from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")

from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection_metric import (
    Judged,
    can_be_scored,
    class_key,
    detail,
    score,
    track_switches,
    unknown_classes,
)
from tardal_ros.types import UNTRACKED, Detections

NAMES = ("People", "Car", "Bus")
ONE = (10.0, 10.0, 50.0, 60.0)
OTHER = (100.0, 20.0, 180.0, 70.0)


def objects(*boxes, ids=None, ignored=None, names=NAMES):
    count = len(boxes)
    ids = [1] * count if ids is None else ids
    ignored = [False] * count if ignored is None else ignored
    return Objects(np.array(boxes, float).reshape(-1, 4), np.array(ids, np.int64), np.array(ignored, bool), names)


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


def test_misses_and_false_positives_are_counted_over_all_images():
    images = [
        judged(detections(ONE, (300.0, 300.0, 340.0, 340.0)), objects(ONE, OTHER)),
        judged(detections(), objects()),
    ]
    found = detail(images, 0).missed
    assert found.fppi == (0.0, 0.5) and found.miss == (0.5, 0.5)
    assert found.log_average == pytest.approx(0.5)
    ignored = objects(ONE, OTHER, ignored=[False, True])
    assert detail([judged(detections(OTHER, ONE), ignored)], 0).missed.fppi == (0.0,)


def test_a_curve_has_the_precision_at_each_recall():
    found = detections(ONE, (300.0, 300.0, 340.0, 340.0), OTHER)
    third = (400.0, 10.0, 440.0, 60.0)
    curves = detail([judged(found, objects(ONE, OTHER, third))], 0).curves

    recall, precision = curves["Car"]
    assert set(curves) == {"Car"} and recall.tolist() == pytest.approx(np.linspace(0, 1, 101))
    # One of three is found at once, two of three with one error, and the third never.
    assert precision.tolist() == pytest.approx([1.0] * 34 + [2 / 3] * 33 + [0.0] * 34)


def square(side, left=0.0):
    return (left, 0.0, left + side, side)


@pytest.mark.parametrize(
    ("side", "size"), [(4, "small"), (31.9, "small"), (32, "medium"), (95.9, "medium"), (96, "large"), (400, "large")]
)
def test_sizes_are_those_of_coco(side, size):
    sizes = detail([judged(detections(square(side)), objects(square(side)))], 5).sizes
    assert {name: (figure.value, figure.objects) for name, figure in sizes.items()} == {size: (1.0, 1)}


def test_each_size_is_scored_without_the_others():
    there = objects(square(20), square(50, 500), square(200, 1000), ignored=[False, False, True])
    # A false positive of medium size counts against medium objects, and none against small ones.
    found = detections(square(20), square(60, 800), square(50, 500), square(200, 1000))
    sizes = detail([judged(found, there)], 0).sizes
    assert {name: (figure.value, figure.objects) for name, figure in sizes.items()} == {
        "small": (1.0, 1),
        "medium": (0.5, 1),
    }


def test_sizes_have_intervals_over_scenes():
    images = [judged(detections(ONE), objects(ONE), "a"), judged(detections(), objects(ONE), "b")]
    medium = detail(images, 100).sizes["medium"]
    assert (medium.low, medium.high) == (0.0, 1.0) and 0.0 < medium.value < 1.0


def overlap(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def listed(images, name, counts):
    """Boxes as score, image and edges; objects as image, edges and whether they count."""
    boxes, truth = [], []
    for number, image in enumerate(images):
        there, found = image.objects, image.detections
        for box, kind, ignored in zip(there.xyxy, there.class_ids, there.ignored, strict=True):
            truth += [(number, tuple(box), counts(box) and not ignored)] if there.names[kind] == name else []
        for box, confidence, kind in zip(found.xyxy, found.scores, found.class_ids, strict=True):
            boxes += [(confidence, number, tuple(box.astype(float)))] if found.names[kind] == name else []
    return boxes, truth


def naive_precision(images, name, threshold=0.5, least=0.0, most=np.inf):
    """Average precision of one class straight from its definition; None where there is nothing to find.

    Boxes are taken best first over all images. Each takes the free object that it overlaps most; only where none
    counts, an object that does not count, and then the box does not count either.
    """

    def counts(box):
        return least <= (box[2] - box[0]) * (box[3] - box[1]) < most

    boxes, truth = listed(images, name, counts)
    objects = sum(counted for _, _, counted in truth)
    if not objects:
        return None
    taken, right, wrong, points = set(), 0, 0, []
    for _, number, box in sorted(boxes, reverse=True):
        fitting = [
            (counted, overlap(box, other), index)
            for index, (where, other, counted) in enumerate(truth)
            if where == number and index not in taken and overlap(box, other) >= threshold
        ]
        if fitting:
            counted, _, index = max(fitting)
            taken.add(index)
            right += counted
        else:
            wrong += counts(box)
        if right + wrong:
            points.append((right / objects, right / (right + wrong)))
    return np.mean([max([p for r, p in points if r >= recall], default=0.0) for recall in np.linspace(0, 1, 101)])


def crowd(seed, count=5):
    """Images with objects of all classes and sizes, some ignored, and with boxes around and beside them."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        corner = rng.uniform(0, 300, (8, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(8, 130, (8, 2))], axis=1).round(2)
        drift = rng.normal(0, 0.12, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        found, kinds = (boxes + drift).round(2)[rng.random(8) < 0.8], rng.integers(0, 3, 8)
        scores = rng.permutation(100)[: len(found)] / 200 + number / 1000 + 0.1  # no two are the same
        ids = rng.integers(0, 3, len(found)) if rng.random() < 0.3 else kinds[: len(found)]
        there = objects(*boxes, ids=kinds, ignored=rng.random(8) < 0.2)
        images.append(judged(detections(*found, scores=scores, ids=ids), there, f"s{number}", "day"))
    return images


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_another_implementation_finds_the_same(seed):
    images = crowd(seed)
    scores, behind = score(images, 0), detail(images, 0)

    expected = {name: naive_precision(images, name) for name in NAMES}
    expected = {name: value for name, value in expected.items() if value is not None}
    assert {name: figure.value for name, figure in scores.classes.items()} == pytest.approx(expected, abs=6e-5)
    assert scores.map50.value == pytest.approx(np.mean(list(expected.values())), abs=6e-5)
    assert {name: precision.mean() for name, (_, precision) in behind.curves.items()} == pytest.approx(expected)
    overlaps = [naive_precision(images, name, threshold) for name in expected for threshold in np.arange(10) / 20 + 0.5]
    assert scores.map50_95.value == pytest.approx(np.mean(overlaps), abs=6e-5)
    for size, least, most in (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, np.inf)):
        values = [naive_precision(images, name, 0.5, least, most) for name in NAMES]
        known = [value for value in values if value is not None]
        assert (size in behind.sizes) == bool(known)
        if known:
            assert behind.sizes[size].value == pytest.approx(np.mean(known), abs=6e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31))
def test_intervals_are_those_of_images_drawn_twice_and_not_at_all(seed):
    images = crowd(seed)
    rng, values = np.random.default_rng(0), []
    for _ in range(8):
        drawn = [images[index] for index in rng.integers(0, len(images), len(images))]
        values.append(score(drawn, 0).map50.value)

    figure = score(images, 8).map50
    assert (figure.low, figure.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=2e-4)


def reordered(found_or_there, names):
    """The same with other names or another order of them, which may have more of them."""
    keys = [class_key(name) for name in names]
    ids = [keys.index(class_key(found_or_there.names[number])) for number in found_or_there.class_ids]
    return replace(found_or_there, class_ids=np.array(ids, np.int64), names=tuple(names))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.data())
def test_the_order_of_names_does_not_matter(seed, data):
    images = crowd(seed, 3)
    turned = [
        replace(
            image,
            detections=reordered(image.detections, data.draw(st.permutations(["car", "PERSON", "bus", "tree"]))),
            objects=reordered(image.objects, data.draw(st.permutations(["Car", "pedestrian", "Bus", "Lamp"]))),
        )
        for image in images
    ]

    def told(judged):
        scores, behind = score(judged, 5), detail(judged, 5)
        classes = {class_key(name): figure for name, figure in scores.classes.items()}
        curves = {class_key(name): precision.tolist() for name, (_, precision) in behind.curves.items()}
        return classes, scores.map50.objects, behind.sizes, curves, behind.missed

    assert told(turned) == told(images)
    assert unknown_classes(turned) == unknown_classes(images) == ()


def test_two_names_of_one_class_are_one_class():
    images = [
        judged(detections(ONE, names=("car", "person")), objects(ONE, ids=[0], names=("People",))),
        judged(detections(ONE, names=("car", "person")), objects(ONE, ids=[1], names=("bus", "pedestrian"))),
    ]
    scores = score(images, 0)
    assert {name: (figure.value, figure.objects) for name, figure in scores.classes.items()} == {"People": (1.0, 2)}


def test_what_the_detector_cannot_know_is_named():
    there = objects(ONE, OTHER, square(20), ids=[0, 1, 2], ignored=[False, False, True], names=("Lamp", "car", "Bus"))
    images = [judged(detections(OTHER, names=("tree", "Car")), there)]
    assert unknown_classes(images) == ("Lamp",)
    assert unknown_classes([judged(detections(OTHER), there)]) == ("Lamp",)
    assert unknown_classes([]) == ()


def followed(track, number, box=ONE, ignored=False):
    found = replace(detections(box, names=("tree", "CAR")), track_ids=np.array([track]))
    return judged(found, replace(objects(box, ignored=[ignored]), object_ids=np.array([number])))


def test_switches_of_tracks_are_counted():
    pytest.importorskip("trackers", reason="the count needs trackers")
    assert track_switches([followed(3, 7), followed(3, 7), followed(3, 7)]) == 0
    assert track_switches([followed(3, 7), followed(4, 7), followed(UNTRACKED, 7), followed(3, 7)]) == 2
    assert track_switches([followed(3, 7), followed(4, 8)]) == 0  # another object
    assert track_switches([followed(3, 7), followed(4, 7, ignored=True), followed(3, 7)]) == 0


def test_without_tracks_or_numbers_of_objects_there_are_no_switches():
    assert track_switches([]) is None
    assert track_switches([followed(UNTRACKED, 7)]) is None
    assert track_switches([judged(detections(ONE), objects(ONE))]) is None
    unnumbered = followed(3, 7)
    unnumbered = replace(unnumbered, objects=replace(unnumbered.objects, object_ids=None))
    assert track_switches([followed(3, 7), unnumbered]) is None
    assert track_switches([followed(3, 7, ignored=True)]) is None
