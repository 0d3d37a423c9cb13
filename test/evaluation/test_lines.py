import json
import math

import numpy as np

from tardal_ros.evaluation.lines import box_line, boxes_of, detections_of, object_line, objects_of, quality_line
from tardal_ros.types import UNTRACKED


def test_boxes_are_read_back_as_they_were_written():
    lines = [box_line("car", 0.75, (1.0, 2.0, 3.0, 4.0), 7), box_line("person", 0.1234567, (0.0, 0.0, 0.5, 0.25), None)]
    found = detections_of(boxes_of(json.loads(json.dumps(lines))), ("person", "car"))

    assert found.names == ("person", "car") and found.class_ids.tolist() == [1, 0]
    np.testing.assert_allclose(found.xyxy, [[1, 2, 4, 6], [0, 0, 0.5, 0.25]])
    np.testing.assert_allclose(found.scores, [0.75, 0.123457], atol=1e-7)
    assert found.track_ids.tolist() == [7, UNTRACKED]


def test_objects_are_read_back_and_are_numbered_only_together():
    lines = [object_line("car", (1.0, 2.0, 3.0, 4.0), True, 9), object_line("car", (0.0, 0.0, 1.0, 1.0), False, 5)]
    there = objects_of(json.loads(json.dumps(lines)), ("car",))

    np.testing.assert_allclose(there.xyxy, [[1, 2, 4, 6], [0, 0, 1, 1]])
    assert there.ignored.tolist() == [True, False] and there.object_ids.tolist() == [9, 5]
    assert objects_of([lines[0], object_line("car", (0.0, 0.0, 1.0, 1.0), False, None)], ("car",)).object_ids is None
    assert len(objects_of([], ("car",))) == 0 and len(detections_of(boxes_of([]), ())) == 0


def test_what_is_not_defined_is_none():
    assert quality_line({"EN": 1.23456789, "PSNR": math.nan}) == {"EN": 1.234568, "PSNR": None}
