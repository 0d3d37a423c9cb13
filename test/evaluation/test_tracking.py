from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from tardal_ros.detection.tracking import Tracker
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.tracking import tracking_score
from tardal_ros.simulation import CLASSES, VISIBLE, Scene, default_rig
from tardal_ros.types import UNTRACKED, Detections

pytest.importorskip("trackers", reason="the metrics need trackers")

STEP = 100_000_000
IMAGES = 14
HIDDEN = range(6, 11)


def detections(*rows, names=("People", "Car")) -> Detections:
    """Boxes of 10 by 20 pixels, from rows of track id, left edge and class id."""
    xyxy = [[left, 0, left + 10, 20] for _, left, _ in rows]
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.ones(len(rows), np.float32),
        np.array([row[2] for row in rows], np.int64),
        names,
        np.array([row[0] for row in rows], np.int64),
    )


def test_what_is_right_scores_one() -> None:
    truth = [detections((5, 0, 0), (6, 50, 1)), detections(), detections((5, 2, 0), (6, 50, 1))]
    found = [detections((0, 50, 1), (1, 0, 0)), detections(), detections((0, 50, 1), (1, 2, 0))]
    score = tracking_score(truth, found)
    assert (score.mota, score.idf1, score.id_switches, score.misses, score.false_alarms) == (1.0, 1.0, 0, 0, 0)
    assert score.boxes == 4


def test_each_kind_of_error_counts_once() -> None:
    truth = [detections((5, 0, 0))] * 10
    right = [detections((0, 0, 0))] * 10
    switch = [*right[:4], *[detections((1, 0, 0))] * 6]
    score = tracking_score(truth, switch)
    assert (score.id_switches, score.mota, score.idf1) == (1, pytest.approx(0.9), pytest.approx(0.6))
    missing = [*right[:4], detections(), *right[:5]]
    assert tracking_score(truth, missing).misses == 1
    assert tracking_score(truth, missing).id_switches == 0
    more = [*right[:9], detections((0, 0, 0), (1, 90, 0))]
    assert tracking_score(truth, more).false_alarms == 1
    assert tracking_score(truth, more).mota == pytest.approx(0.9)


def test_boxes_without_a_track_count_as_not_there() -> None:
    truth = [detections((5, 0, 0))] * 4
    score = tracking_score(truth, [detections((UNTRACKED, 0, 0)), *[detections((0, 0, 0), (UNTRACKED, 90, 0))] * 3])
    assert (score.misses, score.false_alarms, score.id_switches) == (1, 0, 0)


def test_nothing_found_is_all_missed() -> None:
    score = tracking_score([detections((5, 0, 0))] * 3, [detections()] * 3)
    assert (score.mota, score.idf1, score.misses) == (0.0, 0.0, 3)


def test_classes_are_joined_by_name_and_overlap_must_suffice() -> None:
    truth = [detections((5, 0, 1))]
    assert tracking_score(truth, [detections((0, 0, 0), names=("Car", "People"))]).misses == 0
    assert tracking_score(truth, [detections((0, 0, 0))]).misses == 1
    assert tracking_score(truth, [detections((0, 4, 1))]).misses == 1
    assert tracking_score(truth, [detections((0, 4, 1))], iou=0.4).misses == 0


def test_what_cannot_be_scored_is_named() -> None:
    one = detections((5, 0, 0))
    with pytest.raises(RigError, match="2 images and the tracks have 1"):
        tracking_score([one, one], [one])
    with pytest.raises(RigError, match="no boxes"):
        tracking_score([detections()], [one])
    with pytest.raises(RigError, match="without track ids"):
        tracking_score([one], [Detections.empty(("People",))])


def test_the_library_missing_is_one_sentence(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers.eval", None)
    with pytest.raises(MissingDependencyError, match=r"run `pip install '\.\[track\]'`"):
        tracking_score([detections((5, 0, 0))], [detections()])


@pytest.fixture(scope="module")
def street() -> list[Detections]:
    """The true boxes of a rendered street at 10 images per second, of what a detector could find."""
    scene = Scene(5, "day", rig=default_rig().scaled(0.5))
    return [true_boxes(scene, index) for index in range(IMAGES)]


def true_boxes(scene: Scene, index: int) -> Detections:
    truth = scene.truth(VISIBLE, index * STEP / 1e9)
    found = [one for one in truth.instances if one.visibility > 0.4 and one.box[3] - one.box[1] >= 12]
    return Detections(
        np.array([one.box for one in found], np.float32).reshape(-1, 4),
        np.ones(len(found), np.float32),
        np.array([one.class_id for one in found], np.int64),
        CLASSES,
        np.array([one.number for one in found], np.int64),
    )


def select(detections: Detections, rows: np.ndarray) -> Detections:
    names = ("xyxy", "scores", "class_ids", "track_ids")
    return replace(detections, **{name: getattr(detections, name)[rows] for name in names})


def as_detected(truth: Detections, rng: np.random.Generator) -> Detections:
    """The true boxes with edges off by 3 % of their size, and scores as of a detector."""
    size = np.tile(truth.xyxy[:, 2:] - truth.xyxy[:, :2], 2)
    noisy = truth.xyxy + 0.03 * rng.standard_normal(truth.xyxy.shape) * size
    scores = rng.uniform(0.3, 1, len(truth))
    made = replace(truth, xyxy=noisy.astype(np.float32), scores=scores.astype(np.float32))
    return select(made, np.argsort(-scores))


def test_numbers_are_stable_through_five_hidden_images_on_a_rendered_street(street) -> None:
    rng = np.random.default_rng(0)
    steady = set.intersection(*(set(one.track_ids.tolist()) for one in street[HIDDEN[0] - 4 : HIDDEN[-1] + 2]))
    assert len(steady) >= 10
    # Every other object is hidden for five images, those beside it are not.
    hidden = set(sorted(steady)[::2])
    truth = [
        select(one, ~np.isin(one.track_ids, list(hidden))) if index in HIDDEN else one
        for index, one in enumerate(street)
    ]
    given = [as_detected(one, rng) for one in truth]
    tracker = Tracker()
    tracked = [tracker.track(one, index * STEP, 0.25) for index, one in enumerate(given)]

    def number(index: int, instance: int) -> int | None:
        rows = np.flatnonzero(given[index].track_ids == instance)
        return tracked[index].track(int(rows[0]))

    kept = [number(HIDDEN[0] - 1, instance) == number(HIDDEN[-1] + 1, instance) for instance in hidden]
    assert sum(kept) >= len(kept) - 1, kept
    score = tracking_score(truth[1:], tracked[1:])  # in its first image nothing has a number yet
    assert score.mota > 0.93, score
    assert score.id_switches <= 0.02 * score.boxes, score
