from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.detection import create_detector
from tardal_ros.errors import MissingDependencyError

MSRS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "msrs"
FIGURE = [60, 48, 100, 150]


@pytest.fixture(scope="module")
def hog():
    return create_detector("hog")


def test_a_person_is_found(hog, walker) -> None:
    found = hog.detect(walker)
    assert found.names == ("People",)
    np.testing.assert_array_equal(found.class_ids, [0])
    np.testing.assert_allclose(found.xyxy[0], FIGURE, atol=15)
    assert 0.8 < found.scores[0] <= 1


def test_grey_and_bgr_give_the_same(hog, walker) -> None:
    np.testing.assert_array_equal(hog.detect(cv2.merge([walker] * 3)).xyxy, hog.detect(walker).xyxy)


def test_boxes_are_in_pixels_of_the_image_given(hog, walker) -> None:
    large = cv2.resize(walker, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    found = hog.detect(large)
    np.testing.assert_allclose(found.xyxy[0] / 6, FIGURE, atol=15)


def test_nothing_is_found_where_nothing_is(hog) -> None:
    for level in (0, 128, 255):
        assert len(hog.detect(np.full((300, 400), level, np.uint8))) == 0


def test_a_person_is_one_box(walker) -> None:
    assert len(create_detector("hog", confidence=0.03).detect(walker)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (10, 10), (84, 42), (86, 43), (127, 63), (1, 4000), (4000, 1), (60, 3000)])
def test_images_below_the_window_are_survived(hog, shape) -> None:
    rng = np.random.default_rng(0)
    assert len(hog.detect(rng.integers(0, 255, shape, np.uint8))) <= 300


def test_opencv_5_is_named(monkeypatch) -> None:
    monkeypatch.delattr(cv2, "HOGDescriptor")
    with pytest.raises(MissingDependencyError, match="OpenCV 4"):
        create_detector("hog")


@pytest.mark.skipif(not MSRS.is_dir(), reason="needs shared/data/msrs")
def test_people_are_found_in_real_infrared(hog) -> None:
    """Hits as few labels have, but what is reported is mostly right."""
    hits, reported = 0, 0
    for path in sorted((MSRS / "ir").iterdir())[::3]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        lines = (MSRS / "labels" / f"{path.stem}.txt").read_text().splitlines()
        labels = np.array([line.split() for line in lines if line.startswith("0 ")], float).reshape(-1, 5)[:, 1:]
        centres = labels[:, :2] * image.shape[::-1]
        for left, top, right, bottom in hog.detect(image).xyxy:
            reported += 1
            inside = (centres > [left, top]) & (centres < [right, bottom])
            hits += bool(inside.all(axis=1).any())
    assert hits >= 10
    assert hits >= 0.7 * reported
