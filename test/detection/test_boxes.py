from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.detection.boxes import Boxes, suppress


def make_boxes(xyxy, scores, class_ids=None) -> Boxes:
    ids = np.zeros(len(scores), np.int64) if class_ids is None else np.asarray(class_ids, np.int64)
    return Boxes(np.asarray(xyxy, np.float32).reshape(-1, 4), np.asarray(scores, np.float32), ids)


def overlap(one, other) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other))
    return width * height / (areas - width * height)


def some_boxes(seed: int, count: int) -> Boxes:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 60, (count, 2))
    xyxy = np.concatenate([corner, corner + rng.integers(1, 40, (count, 2))], axis=1)
    return make_boxes(xyxy, rng.random(count), rng.integers(0, 3, count)).by_score()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 40), iou=st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]))
def test_suppression_is_the_greedy_one(seed, count, iou) -> None:
    boxes = some_boxes(seed, count)
    expected: list[int] = []
    for index in range(count):
        rivals = [other for other in expected if boxes.class_ids[other] == boxes.class_ids[index]]
        if all(overlap(boxes.xyxy[index], boxes.xyxy[other]) <= iou + 1e-9 for other in rivals):
            expected.append(index)
    kept = suppress(boxes, iou, 1000)
    np.testing.assert_array_equal(kept.xyxy, boxes.xyxy[expected])
    np.testing.assert_array_equal(kept.class_ids, boxes.class_ids[expected])


def test_suppression_stops_at_the_limit() -> None:
    boxes = some_boxes(1, 40)
    assert len(suppress(boxes, 1.0, 7)) == 7
    np.testing.assert_array_equal(suppress(boxes, 1.0, 7).scores, boxes.scores[:7])


def test_the_same_place_may_hold_two_classes() -> None:
    boxes = make_boxes([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]], [0.9, 0.8, 0.7], [0, 1, 0])
    np.testing.assert_array_equal(suppress(boxes, 0.45, 10).class_ids, [0, 1])


def test_clipping_cuts_at_the_edges_and_drops_what_is_outside() -> None:
    xyxy = [[-5, -5, 5, 5], [90, 40, 200, 200], [120, 0, 130, 10], [10, 10, 10, 30], [30, 30, 20, 40], [1, 1, 2, 2]]
    clipped = make_boxes(xyxy, np.linspace(1, 0.5, 6)).clipped(100, 50)
    np.testing.assert_array_equal(clipped.xyxy, [[0, 0, 5, 5], [90, 40, 100, 50], [1, 1, 2, 2]])
    np.testing.assert_allclose(clipped.scores, [1.0, 0.9, 0.5])


def test_equal_scores_keep_their_order() -> None:
    boxes = make_boxes(np.arange(12).reshape(3, 4), [0.5, 0.7, 0.5]).by_score()
    np.testing.assert_array_equal(boxes.xyxy[:, 0], [4, 0, 8])
