from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.detection.tracking import LOWEST, Tracker
from tardal_ros.errors import MissingDependencyError
from tardal_ros.types import UNTRACKED, Detections

pytest.importorskip("trackers", reason="tracking needs trackers")

NAMES = ("People", "Car")
STEP = 100_000_000


def boxes(*xyxy, scores=None, class_ids=None) -> Detections:
    count = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.full(count, 0.9, np.float32) if scores is None else np.array(scores, np.float32),
        np.zeros(count, np.int64) if class_ids is None else np.array(class_ids, np.int64),
        NAMES,
    )


def walker(number: int, index: int) -> list[float]:
    """A figure of 30 by 80 pixels, of which every other walks to the left."""
    x = 40 + 120 * number + (3 if number % 2 else -3) * index
    return [x, 50, x + 30, 130]


def follow(tracker: Tracker, sequence, first: int = 0, step: int = STEP) -> list[list[int]]:
    """The ids of each image's boxes."""
    tracked = [tracker.track(one, first + index * step, 0.25) for index, one in enumerate(sequence)]
    assert all(one.track_ids.dtype == np.int64 and not one.track_ids.flags.writeable for one in tracked)
    return [one.track_ids.tolist() for one in tracked]


def test_each_object_keeps_a_number_of_its_own() -> None:
    ids = follow(Tracker(), [boxes(*(walker(number, index) for number in range(4))) for index in range(20)])
    assert ids[0] == [UNTRACKED] * 4
    assert sorted(ids[1]) == [0, 1, 2, 3]
    assert all(later == ids[1] for later in ids[2:])


@pytest.mark.parametrize("step", [STEP // 3, STEP, 3 * STEP], ids=["30 Hz", "10 Hz", "3 Hz"])
def test_numbers_survive_five_images_without_a_box(step) -> None:
    shown = [[0, 1, 2] if not 10 <= index < 15 else [1] for index in range(25)]
    ids = follow(
        Tracker(), [boxes(*(walker(n, index) for n in numbers)) for index, numbers in enumerate(shown)], step=step
    )
    assert ids[9] == ids[15] == ids[24]
    assert ids[12] == [ids[9][1]]


def test_boxes_come_back_as_they_were_and_in_their_order() -> None:
    tracker, rng = Tracker(), np.random.default_rng(0)
    for index in range(6):
        given_ = boxes(*(walker(n, index) for n in rng.permutation(5)), scores=np.sort(rng.uniform(0.3, 1, 5))[::-1])
        tracked = tracker.track(given_, index * STEP, 0.25)
        np.testing.assert_array_equal(tracked.xyxy, given_.xyxy)
        np.testing.assert_array_equal(tracked.scores, given_.scores)
        np.testing.assert_array_equal(tracked.class_ids, given_.class_ids)
        assert tracked.names == NAMES


def test_a_faint_box_keeps_a_track_but_is_not_reported_and_begins_none() -> None:
    tracker = Tracker()
    # It speeds up while it is faint: without those boxes nobody would find it again.
    places = [0, 0, 0, *np.cumsum(np.full(12, 15)), 180, 180]
    faint = range(4, 14)
    sequence = [
        boxes([x, 50, x + 30, 130], [500, 50, 530, 130], scores=[LOWEST + 0.02 if i in faint else 0.9, 0.15])
        for i, x in enumerate(places)
    ]
    ids = follow(tracker, sequence)
    assert [len(one) for one in ids] == [0 if i in faint else 1 for i in range(len(places))]
    assert ids[1] == ids[-1] == [0]


def test_the_confidence_may_change_while_tracking() -> None:
    tracker = Tracker()
    sure = [tracker.track(boxes(walker(0, i), scores=[0.5]), i * STEP, 0.6 if i < 3 else 0.4) for i in range(6)]
    assert [one.track_ids.tolist() for one in sure] == [[], [], [], [UNTRACKED], [0], [0]]


def test_a_class_that_flickers_changes_no_number() -> None:
    ids = follow(Tracker(), [boxes(walker(0, index), class_ids=[index % 2]) for index in range(10)])
    assert ids[1:] == [[0]] * 9


@pytest.mark.parametrize("jump", [-5_000_000_000, 60_000_000_000], ids=["back", "ahead"])
def test_after_a_jump_in_time_everything_is_new(jump) -> None:
    tracker, begin = Tracker(), 1_700_000_000_000_000_000
    sequence = [boxes(walker(0, 0), walker(1, 0))] * 4
    before = follow(tracker, sequence, begin)
    after = follow(tracker, sequence, begin + jump)
    assert before == [[UNTRACKED] * 2, *[[0, 1]] * 3]
    assert after == [[UNTRACKED] * 2, *[[2, 3]] * 3]


def test_a_reset_forgets_the_objects_but_not_which_numbers_were_used() -> None:
    tracker = Tracker()
    sequence = [boxes(walker(0, 0))] * 3
    assert follow(tracker, sequence)[-1] == [0]
    for _ in range(2):
        tracker.reset()
    assert follow(tracker, sequence, 10 * STEP) == [[UNTRACKED], [1], [1]]


def test_two_trackers_do_not_share_their_numbers() -> None:
    sequence = [boxes(walker(0, 0))] * 3
    assert follow(Tracker(), sequence) == follow(Tracker(), sequence)


def test_no_boxes_are_fine_at_any_time() -> None:
    ids = follow(Tracker(), [boxes(), boxes(walker(0, 0)), boxes(walker(0, 0)), boxes(), boxes(walker(0, 0))])
    assert ids == [[], [UNTRACKED], [0], [], [0]]


def test_ten_thousand_boxes_cost_no_minute() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 900, (10_000, 2)).astype(np.float32)
    crowd = boxes(*np.hstack([corner, corner + 9]), scores=np.sort(rng.uniform(0.3, 1, 10_000))[::-1])
    ids = follow(Tracker(), [crowd, crowd])
    assert np.count_nonzero(np.array(ids[1]) != UNTRACKED) == 300
    assert min(ids[1][:300]) >= 0


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_no_number_twice_in_an_image_whatever_comes(seed) -> None:
    rng, tracker, stamp = np.random.default_rng(seed), Tracker(), 0
    for _ in range(8):
        stamp += int(rng.choice([-STEP, 1, STEP, 50 * STEP], p=[0.1, 0.1, 0.7, 0.1]))
        count = int(rng.integers(0, 8))
        corner = rng.uniform(0, 60, (count, 2))
        xyxy = np.hstack([corner, corner + rng.uniform(0.5, 60, (count, 2))])
        tracked = tracker.track(boxes(*xyxy, scores=np.sort(rng.random(count))[::-1]), stamp, 0.25)
        ids = tracked.track_ids[tracked.track_ids != UNTRACKED]
        assert len(set(ids.tolist())) == len(ids)
        assert np.all(tracked.scores >= 0.25)


def test_the_library_missing_is_one_sentence(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingDependencyError, match=r"run `pip install '\.\[track\]'` in the checkout") as refusal:
        Tracker()
    assert "\n" not in str(refusal.value)


def test_loading_it_needs_no_network_and_neither_torch_nor_ultralytics() -> None:
    code = (
        "import sys\n"
        "calls = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto')\n"
        "sys.addaudithook(lambda event, _: event in calls and print(event))\n"
        "sys.modules['torch'] = sys.modules['torchvision'] = sys.modules['ultralytics'] = None\n"
        "from tardal_ros.detection.tracking import Tracker\n"
        "Tracker()\n"
        "print('loaded')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "loaded\n"
