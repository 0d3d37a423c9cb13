from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tardal_ros.detection.detector import Detector
from tardal_ros.detection.yolo import Network, Yolo, check_task, class_names
from tardal_ros.errors import RigError

PATH = Path("some.onnx")
NAMES = ("People", "Car")


def network(run, size=(64, 64), fixed=False, stride=32, channels=3) -> Network:
    return Network(PATH, run, NAMES, stride, size, fixed, "cpu", channels)


def rows(*boxes) -> np.ndarray:
    """The layout with one box per object: edges, score, class."""
    return np.array(boxes, np.float32).reshape(1, -1, 6)


def columns(*boxes) -> np.ndarray:
    """The layout with centre, size and a score per class."""
    return np.array([boxes], np.float32).transpose(0, 2, 1)


BOTH = pytest.mark.parametrize(
    ("raw", "unique"),
    [
        (rows([16, 24, 48, 40, 0.9, 1], [0, 0, 9, 9, 0.1, 0]), True),
        (columns([32, 32, 32, 16, 0.2, 0.9], [4.5, 4.5, 9, 9, 0.1, 0.05]), False),
    ],
    ids=["rows", "columns"],
)


@BOTH
def test_both_layouts_are_read(raw, unique) -> None:
    model = Yolo(network(lambda batch: raw))
    assert model.find(np.zeros((64, 64, 3), np.uint8)).unique is unique
    found = Detector(model).detect(np.zeros((64, 64), np.uint8))
    np.testing.assert_allclose(found.xyxy, [[16, 24, 48, 40]])
    np.testing.assert_array_equal(found.class_ids, [1])
    np.testing.assert_allclose(found.scores, [0.9])


@BOTH
def test_boxes_are_in_pixels_of_the_image_given(raw, unique) -> None:
    """A wide image lies between 16 rows of padding, at half its size."""
    detector = Detector(Yolo(network(lambda batch: raw, fixed=True)))
    np.testing.assert_allclose(detector.detect(np.zeros((64, 128), np.uint8)).xyxy, [[32, 16, 96, 48]])


def test_the_network_sees_rgb_between_0_and_1() -> None:
    batches: list[np.ndarray] = []
    model = Yolo(network(lambda batch: batches.append(batch) or rows()))
    image = np.zeros((20, 40, 3), np.uint8)
    image[:] = 255, 51, 0
    model.find(image)
    assert batches[-1].shape == (1, 3, 32, 64)
    assert batches[-1].dtype == np.float32
    np.testing.assert_allclose(batches[-1][0, :, 16, 32], [0, 0.2, 1], atol=1e-6)


def test_four_channels_stay_in_their_order() -> None:
    batches: list[np.ndarray] = []
    model = Yolo(network(lambda batch: batches.append(batch) or rows(), channels=4))
    image = np.zeros((20, 40, 4), np.uint8)
    image[:] = 255, 51, 0, 102
    model.find(image)
    np.testing.assert_allclose(batches[-1][0, :, 16, 32], [1, 0.2, 0, 0.4], atol=1e-6)
    assert batches[0].shape == (1, 4, 64, 64)


@pytest.mark.parametrize("channels", [0, 1, 2, 5])
def test_other_numbers_of_channels_are_refused(channels) -> None:
    with pytest.raises(RigError, match=f"images of {channels} channels"):
        network(lambda batch: rows(), channels=channels)


@pytest.mark.parametrize(("stride", "size"), [(0, (64, 64)), (-32, (64, 64)), (32, (64, 100)), (32, (0, 64))])
def test_a_stride_that_does_not_fit_the_size_is_refused(stride, size) -> None:
    with pytest.raises(RigError, match=f"claims a stride of {stride} at {size[1]}x{size[0]} pixels"):
        network(lambda batch: rows(), size, stride=stride)


def test_its_steps_are_timed_without_the_warm_up() -> None:
    model = Yolo(network(lambda batch: rows()))
    assert model.laps.read() == {}
    model.find(np.zeros((20, 40), np.uint8))
    assert list(model.laps.read()) == ["letterbox", "inference"]


def test_a_fixed_network_always_sees_its_size() -> None:
    shapes: list[tuple[int, ...]] = []
    model = Yolo(network(lambda batch: shapes.append(batch.shape) or rows(), size=(32, 96), fixed=True))
    for shape in [(500, 3), (1, 1), (32, 96), (7, 911)]:
        model.find(np.zeros(shape, np.uint8))
    assert set(shapes) == {(1, 3, 32, 96)}


@pytest.mark.parametrize("raw", [rows([np.nan] * 6, [1, 2, 3, 4, 0.9, np.nan]), columns([1, 1, 2, 2, np.nan, 0.9])])
def test_nan_is_dropped(raw) -> None:
    assert len(Detector(Yolo(network(lambda batch: raw))).detect(np.zeros((64, 64), np.uint8))) == 0


def test_unknown_classes_are_dropped() -> None:
    raw = rows([0, 0, 9, 9, 0.9, 2], [0, 0, 9, 9, 0.9, -1], [0, 0, 9, 9, 0.9, 1])
    assert len(Yolo(network(lambda batch: raw)).find(np.zeros((64, 64), np.uint8))) == 1


@pytest.mark.parametrize("shape", [(1, 7, 100), (1, 100, 7), (100, 6), (2, 6, 100), (1, 5, 100), ()])
def test_an_output_of_another_layout_is_refused_at_once(shape) -> None:
    with pytest.raises(RigError, match=r"some.onnx gives an output of shape"):
        Yolo(network(lambda batch: np.zeros(shape, np.float32)))


def test_a_network_that_fails_is_named() -> None:
    def run(batch):
        raise ValueError("out of\nmemory")

    with pytest.raises(RigError, match=r"some.onnx failed on an input of \(1, 3, 64, 64\): out of memory"):
        Yolo(network(run))


def test_image_size_is_used_or_refused() -> None:
    shapes: list[tuple[int, ...]] = []

    def run(batch):
        shapes.append(batch.shape)
        return rows()

    Yolo(network(run), 128)
    Yolo(network(run, size=(32, 64), fixed=True), 64)
    assert shapes == [(1, 3, 128, 128), (1, 3, 32, 64)]
    with pytest.raises(RigError, match="exported for 64x32 pixels, not 128"):
        Yolo(network(run, size=(32, 64), fixed=True), 128)
    for bad in (-32, 0, 100):
        with pytest.raises(RigError, match="multiple of 32"):
            Yolo(network(run), bad)


def test_names_come_in_the_order_of_their_ids() -> None:
    assert class_names({1: "Car", 0: "People"}, PATH) == ("People", "Car")
    assert class_names(["a", "b"], PATH) == ("a", "b")


@pytest.mark.parametrize("names", [None, {}, [], {1: "Car"}, {0: "a", 2: "b"}, "People"])
def test_missing_names_are_refused(names) -> None:
    with pytest.raises(RigError, match="does not name its classes"):
        class_names(names, PATH)


@pytest.mark.parametrize("task", ["segment", "pose", None])
def test_other_tasks_are_refused(task) -> None:
    with pytest.raises(RigError, match=f"`{task}`"):
        check_task(task, PATH)
