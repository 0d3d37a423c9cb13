from __future__ import annotations

import numpy as np
import pytest

from tardal_ros.detection.drawing import draw
from tardal_ros.types import Detections

NAMES = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")


def detections(xyxy, class_ids, names=NAMES, track_ids=None) -> Detections:
    count = len(class_ids)
    return Detections(
        np.asarray(xyxy, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, count).astype(np.float32),
        np.asarray(class_ids, np.int64),
        names,
        track_ids,
    )


@pytest.mark.parametrize("shape", [(240, 320), (240, 320, 3), (1080, 1920, 3)])
def test_the_box_is_drawn_on_a_copy(shape) -> None:
    image = np.zeros(shape, np.uint8)
    image.flags.writeable = False
    drawn = draw(image, detections([[40, 60, 200, 220]], [0]))
    assert drawn.shape == (*shape[:2], 3)
    assert not image.any()
    for row, column in [(140, 40), (140, 199), (60, 150), (219, 150)]:
        assert drawn[row, column].tolist() == [0, 0, 255]
    assert not drawn[140, 100].any() and not drawn[230:].any() and not drawn[70:, 210:].any()


@pytest.mark.parametrize(
    ("class_id", "rgb"),
    [(0, 0xFF0000), (1, 0xC1C337), (2, 0x2FA7B4), (3, 0xF541C4), (4, 0xF84F2C), (5, 0x7D2CC8), (6, 0xFF0000)],
)
def test_each_class_has_its_published_colour(class_id, rgb) -> None:
    drawn = draw(np.zeros((100, 200), np.uint8), detections([[20, 40, 120, 90]], [class_id], (*NAMES, "Tram")))
    assert drawn[70, 20, ::-1].tolist() == [rgb >> 16, rgb >> 8 & 255, rgb & 255]


def test_without_boxes_the_image_stays_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    drawn = draw(image, Detections.empty(NAMES))
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_labels_at_the_edges_stay_in_the_image() -> None:
    image = np.zeros((240, 320), np.uint8)
    for corner in ([0, 0, 9, 9], [310, 0, 320, 9], [300, 230, 320, 240]):
        drawn = draw(image, detections([corner], [1]))
        assert (drawn.max(axis=2) > 0).sum() > 400  # box and all of its label


def test_tracks_and_odd_names_are_drawn() -> None:
    image = np.zeros((240, 320), np.uint8)
    boxes = [[10, 40, 100, 200], [150, 40, 250, 200]]
    plain = draw(image, detections(boxes, [0, 1], ("%s{0}", "\u00df\n\U0001f697")))
    tracked = draw(image, detections(boxes, [0, 1], ("%s{0}", "\u00df\n\U0001f697"), np.array([7, 8])))
    assert not np.array_equal(plain, tracked)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300, 3), (300, 2)])
def test_tiny_images_are_drawn_on(shape) -> None:
    drawn = draw(np.zeros(shape, np.uint8), detections([[0, 0, shape[1], shape[0]]], [0]))
    assert drawn.shape == (*shape[:2], 3)
