from __future__ import annotations

import numpy as np
import pytest

from tardal_ros.detection import create_detector
from tardal_ros.detection.stage import DetectionStage
from tardal_ros.errors import RigError
from tardal_ros.pipeline import Stage
from tardal_ros.types import Frame, Fused


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
