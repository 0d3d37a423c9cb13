from __future__ import annotations

import numpy as np
import pytest

from tardal_ros.detection.inputs import INPUTS, check_channels, look, seen
from tardal_ros.errors import RigError
from tardal_ros.types import Frame, Fused, Pair, View

SIZE = (12, 16)


def frame(*levels: int) -> Frame:
    image = np.full((*SIZE, len(levels)), levels, np.uint8) if len(levels) > 1 else np.full(SIZE, levels[0], np.uint8)
    return Frame(image, 0)


def fused(visible: Frame, infrared: Frame) -> Fused:
    return Fused(frame(7, 8, 9), Pair(View(visible), View(infrared)))


def test_each_input_is_what_it_says() -> None:
    item = fused(frame(1, 2, 3), frame(4))
    assert [look(item, name)[0, 0].tolist() for name in INPUTS] == [[7, 8, 9], [1, 2, 3], 4, [1, 2, 3, 4]]
    assert [seen(item, name).image[0, 0].tolist() for name in INPUTS] == [[7, 8, 9], [1, 2, 3], 4, [7, 8, 9]]


def test_a_grey_visible_image_is_stacked_as_colour() -> None:
    assert look(fused(frame(5), frame(4)), "stack")[0, 0].tolist() == [5, 5, 5, 4]


@pytest.mark.parametrize("name", ["fused", "visible", "infrared"])
def test_an_image_that_came_over_a_topic_is_the_one_asked_for(name) -> None:
    item = Fused(frame(1, 2, 3))
    assert look(item, name) is item.frame.image


def test_what_cannot_be_stacked_is_named() -> None:
    with pytest.raises(RigError, match="came without"):
        look(Fused(frame(1)), "stack")
    with pytest.raises(RigError, match=r"infrared uint8 of shape \(3, 4\): register"):
        look(fused(frame(1), Frame(np.zeros((3, 4), np.uint8), 0)), "stack")
    with pytest.raises(RigError, match="infrared uint16"):
        look(fused(frame(1), Frame(np.zeros(SIZE, np.uint16), 0)), "stack")


def test_channels_must_suit_the_input() -> None:
    check_channels("a.onnx", 4, "stack")
    for name in ("fused", "visible", "infrared"):
        check_channels("a.onnx", 3, name)
        with pytest.raises(RigError, match=f"a.onnx takes 4 channels, but input is `{name}`"):
            check_channels("a.onnx", 4, name)
    with pytest.raises(RigError, match="`stack`, which has 4 channels, but the detector hog takes 3"):
        check_channels("hog", 3, "stack")
