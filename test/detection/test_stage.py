from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tardal_ros.detection import create_detector
from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.laps import Laps
from tardal_ros.detection.stage import DetectionStage
from tardal_ros.detection.tracking import Tracker
from tardal_ros.errors import RigError
from tardal_ros.pipeline import Stage, run_in_order
from tardal_ros.types import Detections, Frame, Fused, Pair, View


def test_a_fused_image_gets_its_boxes(walker) -> None:
    stage: Stage = DetectionStage(create_detector())
    fused = Fused(Frame(walker, stamp=5, frame_id="visible_left_optical"))
    first = stage.process(fused)
    stage.reset()
    second = stage.process(fused)
    assert stage.name == "detection"
    assert first.fused is fused
    assert len(first.detections) == 1
    np.testing.assert_array_equal(first.detections.xyxy, second.detections.xyxy)


def test_a_bad_image_does_not_harm_the_next(walker) -> None:
    stage = DetectionStage(create_detector())
    with pytest.raises(RigError, match="empty"):
        stage.process(Fused(Frame(np.zeros((0, 4), np.uint8), stamp=0)))
    assert len(stage.process(Fused(Frame(walker, stamp=1))).detections) == 1


class Walking:
    """A model that finds one figure a little further right at each image, and a faint one."""

    names = ("People",)
    device = "cpu"
    channels = 3

    def __init__(self) -> None:
        self.laps = Laps()
        self.looked_at: list[np.ndarray] = []

    def find(self, image: np.ndarray) -> Boxes:
        x = 2 * len(self.looked_at)
        self.looked_at.append(image)
        xyxy = np.array([[x, 5, x + 20, 45], [60, 5, 70, 45]], np.float32)
        return Boxes(xyxy, np.array([0.9, 0.15], np.float32), np.zeros(2, np.int64))


class ByOrder:
    """A tracker that numbers the boxes, and notes what it gets."""

    def __init__(self) -> None:
        self.resets = 0
        self.given: list[tuple[int, int, float]] = []

    def track(self, detections: Detections, stamp: int, confidence: float) -> Detections:
        self.given.append((len(detections), stamp, confidence))
        sure, names = detections.scores >= confidence, ("xyxy", "scores", "class_ids")
        return replace(detections, **{name: getattr(detections, name)[sure] for name in names})

    def reset(self) -> None:
        self.resets += 1


class StampedItem(Fused):
    """A fused image with the stamp that the in-order driver looks at."""

    def __init__(self, stamp: int) -> None:
        super().__init__(**vars(make_item(stamp)))

    @property
    def stamp(self) -> int:
        return self.frame.stamp


def make_item(stamp: int = 0) -> Fused:
    visible, infrared = np.full((50, 80, 3), 90, np.uint8), np.full((50, 80), 40, np.uint8)
    pair = Pair(View(Frame(visible, stamp)), View(Frame(infrared, stamp)))
    return Fused(Frame(np.full((50, 80, 3), 60, np.uint8), stamp), pair)


def test_a_tracker_sees_faint_boxes_and_changes_no_others() -> None:
    detector, tracker = Detector(Walking(), confidence=0.4), ByOrder()
    tracked = DetectionStage(detector, tracker).process(make_item(7)).detections
    plain = DetectionStage(Detector(Walking(), confidence=0.4)).process(make_item(7)).detections
    assert tracker.given == [(2, 7, 0.4)]
    np.testing.assert_array_equal(tracked.xyxy, plain.xyxy)
    assert plain.track_ids is None
    assert set(detector.laps.read()) == {"nms", "tracking"}


def test_a_jump_in_time_resets_the_tracker_in_order_as_live() -> None:
    tracker = ByOrder()
    stage = DetectionStage(Detector(Walking()), tracker)
    list(run_in_order([stage], [StampedItem(stamp) for stamp in (5, 6, 7, 2, 3)]))
    assert tracker.resets == 1


def test_ids_are_real_ones() -> None:
    pytest.importorskip("trackers", reason="tracking needs trackers")
    stage = DetectionStage(Detector(Walking()), Tracker())
    found = [stage.process(make_item(index * 10**8)).detections for index in range(5)]
    assert [one.track(0) for one in found] == [None, 0, 0, 0, 0]


@pytest.mark.parametrize(("source", "level"), [("fused", 60), ("visible", 90), ("infrared", 40)])
def test_the_detector_looks_at_what_it_is_told_to(source, level) -> None:
    model = Walking()
    item = make_item()
    assert DetectionStage(Detector(model), source=source).process(item).fused is item
    assert model.looked_at[0].flat[0] == level


def test_a_stack_goes_to_a_model_of_four_channels() -> None:
    model = Walking()
    model.channels = 4
    DetectionStage(Detector(model), source="stack").process(make_item())
    assert model.looked_at[0][0, 0].tolist() == [90, 90, 90, 40]
    with pytest.raises(RigError, match=r"\(H, W, 4\)"):
        DetectionStage(Detector(model)).process(make_item())
