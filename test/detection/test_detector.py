from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.detection import create_detector
from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.laps import Laps
from tardal_ros.errors import RigError


class Scripted:
    """A model that proposes what it is told."""

    names = ("People", "Car", "Bus")
    channels = 3

    def __init__(self, xyxy, scores, class_ids=None, unique: bool = False) -> None:
        ids = np.zeros(len(scores), np.int64) if class_ids is None else np.asarray(class_ids, np.int64)
        self.boxes = Boxes(np.asarray(xyxy, np.float32).reshape(-1, 4), np.asarray(scores, np.float32), ids, unique)
        self.seen: list[np.ndarray] = []
        self.laps = Laps()

    def find(self, image: np.ndarray) -> Boxes:
        self.seen.append(image)
        return self.boxes


IMAGE = np.zeros((50, 100), np.uint8)
APART = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]]


def test_boxes_are_sorted_and_below_confidence_dropped() -> None:
    found = Detector(Scripted(APART, [0.3, 0.2, 0.9], [0, 1, 2])).detect(IMAGE)
    np.testing.assert_array_equal(found.xyxy, [APART[2], APART[0]])
    np.testing.assert_array_equal(found.class_ids, [2, 0])
    assert found.names == ("People", "Car", "Bus")
    assert (found.xyxy.dtype, found.scores.dtype, found.class_ids.dtype) == (np.float32, np.float32, np.int64)


def test_results_are_read_only() -> None:
    found = Detector(Scripted(APART, [0.9, 0.9, 0.9])).detect(IMAGE)
    assert not any(array.flags.writeable for array in (found.xyxy, found.scores, found.class_ids))


def test_thresholds_change_at_run_time() -> None:
    detector = Detector(Scripted([[0, 0, 10, 10], [0, 0, 10, 8], [60, 0, 70, 10]], [0.9, 0.8, 0.3], [0, 0, 1]))
    assert len(detector.detect(IMAGE)) == 2
    detector.iou = 0.9
    assert len(detector.detect(IMAGE)) == 3
    detector.confidence = 0.5
    assert len(detector.detect(IMAGE)) == 2
    detector.max_detections = 1
    assert len(detector.detect(IMAGE)) == 1
    detector.confidence, detector.classes = 0.1, ["Car"]
    np.testing.assert_array_equal(detector.detect(IMAGE).class_ids, [1])
    detector.classes = None
    np.testing.assert_array_equal(detector.detect(IMAGE).class_ids, [0])


def test_fainter_boxes_come_on_request_and_leave_the_others_as_they_are() -> None:
    xyxy = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [20, 0, 30, 9]]
    detector = Detector(Scripted(xyxy, [0.9, 0.2, 0.15, 0.3]), confidence=0.25)
    plain, more = detector.detect(IMAGE), detector.detect(IMAGE, 0.1)
    np.testing.assert_allclose(plain.scores, [0.9, 0.3])
    np.testing.assert_array_equal(more.xyxy[:2], plain.xyxy)
    detector.iou = 0.95
    np.testing.assert_allclose(detector.detect(IMAGE, 0.18).scores, [0.9, 0.3, 0.2])
    assert len(detector.detect(IMAGE, 0.8)) == 2


def test_classes_of_one_name_are_all_reported() -> None:
    model = Scripted(APART, [0.9, 0.8, 0.7], [0, 1, 2])
    model.names = ("Car", "Bus", "Car")
    assert Detector(model, classes=["Car"]).detect(IMAGE).class_ids.tolist() == [0, 2]


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf"), "half", None, True])
@pytest.mark.parametrize("name", ["confidence", "iou"])
def test_a_threshold_out_of_range_is_refused_and_the_old_one_stays(name, bad) -> None:
    detector = Detector(Scripted([], []), **{name: 0.3})
    with pytest.raises(RigError, match=name):
        setattr(detector, name, bad)
    assert getattr(detector, name) == 0.3


@pytest.mark.parametrize("bad", [0, -1, 2.5, None])
def test_a_limit_below_one_is_refused(bad) -> None:
    with pytest.raises(RigError, match="max_detections"):
        Detector(Scripted([], []), max_detections=bad)


def test_a_class_the_model_lacks_is_refused() -> None:
    with pytest.raises(RigError, match="no class 'Dog'; it has People, Car, Bus"):
        Detector(Scripted([], []), classes=["Car", "Dog"])


def test_no_class_asked_for_is_no_class_found() -> None:
    assert len(Detector(Scripted(APART, [0.9] * 3), classes=[]).detect(IMAGE)) == 0


@pytest.mark.parametrize("unique", [False, True])
def test_invalid_boxes_are_dropped_and_harm_no_others(unique) -> None:
    nan, inf = float("nan"), float("inf")
    xyxy = [[nan, 0, 10, 10], [0, 0, inf, 10], [0, 0, 10, 10], [5, 5, 5, 9], [300, 300, 310, 310], [20, 0, 30, 10]]
    found = Detector(Scripted(xyxy, [0.99, 0.98, nan, 0.97, 0.96, 0.5], unique=unique)).detect(IMAGE)
    np.testing.assert_array_equal(found.xyxy, [[20, 0, 30, 10]])


def test_unique_boxes_are_not_suppressed() -> None:
    twice = [[0, 0, 10, 10], [0, 0, 10, 10]]
    assert len(Detector(Scripted(twice, [0.9, 0.8], unique=True)).detect(IMAGE)) == 2
    assert len(Detector(Scripted(twice, [0.9, 0.8])).detect(IMAGE)) == 1


@pytest.mark.parametrize("unique", [False, True])
def test_ten_thousand_boxes_are_cut_to_the_best(unique) -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 900, (10_000, 2))
    scores = rng.uniform(0.3, 1, 10_000)
    model = Scripted(np.concatenate([corner, corner + 5], axis=1), scores, unique=unique)
    found = Detector(model, iou=1.0, max_detections=50).detect(np.zeros((1000, 1000), np.uint8))
    np.testing.assert_allclose(found.scores, np.sort(scores)[::-1][:50], rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 90), width=st.integers(1, 90))
def test_every_box_lies_in_the_image(seed, height, width) -> None:
    rng = np.random.default_rng(seed)
    model = Scripted(rng.normal(0, 100, (30, 4)), rng.random(30), rng.integers(0, 3, 30))
    xyxy = Detector(model, confidence=0.0).detect(np.zeros((height, width), np.uint8)).xyxy
    assert np.all(xyxy >= 0) and np.all(xyxy <= [width, height, width, height])
    assert np.all(xyxy[:, 2:] > xyxy[:, :2])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 10), np.uint8),
        np.zeros((10, 0, 3), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 1), np.uint8),
        np.zeros(10, np.uint8),
        np.zeros((10, 10), np.uint16),
        np.full((10, 10, 3), np.nan, np.float32),
    ],
    ids=lambda image: f"{image.dtype}{image.shape}",
)
def test_what_is_no_image_is_refused(image) -> None:
    with pytest.raises(RigError, match="detector"):
        Detector(Scripted([], [])).detect(image)


def test_strided_and_read_only_images_reach_the_model_contiguous() -> None:
    model = Scripted([], [])
    image = np.arange(60 * 80 * 3, dtype=np.uint8).reshape(60, 80, 3)
    image.flags.writeable = False
    views = [image[::2, ::-1], image[..., ::-1], image[5:20, 7:9], image[..., 1]]
    for view in views:
        Detector(model).detect(view)
        np.testing.assert_array_equal(model.seen[-1], view)
        assert model.seen[-1].flags.c_contiguous


@pytest.mark.parametrize("name", ["yolo11n.pt", "yolo26n.onnx", "folder/missing.pt"])
def test_missing_weights_are_named_and_not_fetched(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RigError, match=rf"{name} do not exist"):
        create_detector(name, trust_weights=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["weights.engine", "yolo", "", "http://example.org/a.pth"])
def test_weights_of_an_unknown_kind_are_refused(name) -> None:
    with pytest.raises(RigError, match="not known"):
        create_detector(name)


def test_a_folder_is_no_weights_file(tmp_path) -> None:
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(RigError, match="do not exist"):
        create_detector(tmp_path / "model.pt")


def test_the_default_detector_needs_no_network_library() -> None:
    code = (
        "import sys, tardal_ros.detection, tardal_ros.detection.stage, tardal_ros.detection.drawing\n"
        "tardal_ros.detection.create_detector()\n"
        "print([name for name in ('torch', 'ultralytics', 'onnxruntime', 'yaml') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_the_room_has_no_other_public_names() -> None:
    import tardal_ros.detection

    with pytest.raises(AttributeError, match="nothing"):
        _ = tardal_ros.detection.nothing
