from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.detection.letterbox import Letterbox, letterbox

sides = st.integers(1, 1300)


def onto_padded(xyxy: np.ndarray, place: Letterbox) -> np.ndarray:
    """The way there, which a network's boxes come back from."""
    return xyxy * np.tile(place.scale, 2) + np.tile(place.offset, 2)


@settings(deadline=None, max_examples=50)
@given(height=sides, width=sides, longest=st.sampled_from([32, 160, 640]), fixed=st.booleans(), data=st.data())
def test_boxes_return_to_where_they_came_from(height, width, longest, fixed, data) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    _, place = letterbox(image, (longest, longest), None if fixed else 32)
    edges = [data.draw(st.floats(0, length)) for length in (width, height, width, height)]
    box = np.array([edges])
    returned = place.to_image(onto_padded(box, place).astype(np.float32))
    np.testing.assert_allclose(returned, box, rtol=0, atol=0.01)


@settings(deadline=None, max_examples=30)
@given(height=sides, width=sides, size=st.tuples(st.sampled_from([32, 96, 320]), st.sampled_from([32, 160, 320])))
def test_the_whole_image_lands_inside_and_its_edges_map_to_its_edges(height, width, size) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    padded, place = letterbox(image, size, None)
    assert padded.shape == (*size, 3)
    rows, columns = np.nonzero(padded[..., 0] == 0)
    picture = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(place.to_image(picture), [[0, 0, width, height]], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((480, 640), (480, 640)), ((768, 1024), (480, 640)), ((333, 640), (352, 640)), ((1, 2000), (32, 640))],
)
def test_padding_to_the_stride_is_minimal(shape, expected) -> None:
    padded, _ = letterbox(np.zeros((*shape, 3), np.uint8), (640, 640), 32)
    assert padded.shape[:2] == expected


def test_an_object_is_found_where_it_is() -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    image[30:60, 15:75] = 255
    padded, place = letterbox(image, (320, 320), None)
    rows, columns = np.nonzero(padded[..., 0] > 200)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(place.to_image(seen), [[15, 30, 75, 60]], atol=0.5)


def test_aspect_is_kept_to_the_pixel() -> None:
    _, place = letterbox(np.zeros((301, 977, 3), np.uint8), (640, 640), 32)
    assert place.scale[0] == pytest.approx(place.scale[1], abs=0.5 / 301)
