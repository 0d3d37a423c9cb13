import numpy as np
import pytest

from tardal_ros.types import CameraInfo, Detections


def test_a_cameras_arrays_are_read_only_and_its_makers_stay_writable():
    k = np.eye(3)
    info = CameraInfo(64, 48, k)
    for name in "kdrp":
        with pytest.raises(ValueError, match="read-only"):
            getattr(info, name)[0] = 7
    k[0, 0] = 7
    assert info.k[0, 0] == 1


def test_detections_are_read_only():
    found = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), ("a",), np.ones(1))
    for detections in (found, Detections.empty(("a",))):
        for name in ("xyxy", "scores", "class_ids"):
            assert not getattr(detections, name).flags.writeable
    assert not found.track_ids.flags.writeable


def test_read_only_arrays_are_not_copied():
    info = CameraInfo(64, 48, np.eye(3))
    assert CameraInfo(64, 48, info.k).k is info.k
