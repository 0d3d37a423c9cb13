from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("kornia", reason="needs kornia: `make test` sets it up")

from tardal_ros.datasets.item import Item
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.training.crops import Augmentation, clipped

NAMES = ("person", "car")
STILL = {"towards_objects": 0.0, "flip": 0.0, "colour": 0.0, "tone": 0.0}


def a_pair(box=(10, 20, 30, 44), shape=(60, 80), ignored=(False,), **more):
    """A bright object in a dark image, in both spectra; its box, and its mask."""
    left, top, right, bottom = box
    image = np.full(shape, 20, np.uint8)
    image[top:bottom, left:right] = 220
    there = Objects(np.array([box], np.float64), np.array([1]), np.array(ignored), NAMES)
    mask = (image == 220).astype(np.float32)
    return Item("a", "a", "day", np.dstack([image] * 3), image, there, **more), mask


def bounds(plane, level=0.5):
    """Left, top, right and bottom edge of what is bright."""
    rows, columns = np.nonzero(plane.numpy() > level)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def edges(boxes, size):
    """Left, top, right and bottom edges of boxes in pixels."""
    centre, extent = boxes[:, 1:3].numpy(), boxes[:, 3:].numpy()
    return np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) * np.array([size[1], size[0]] * 2)


@pytest.mark.parametrize(("flip", "box"), [(0.0, [10, 20, 30, 44]), (1.0, [50, 20, 70, 44])])
def test_a_flipped_box_is_where_the_flipped_object_is(flip, box):
    # The published trainer mirrors one edge of the box only.
    item, mask = a_pair()
    crop = Augmentation((60, 80), **STILL | {"flip": flip}).draw(item, mask, 0)

    assert edges(crop.boxes, (60, 80))[0] == pytest.approx(box, abs=1e-3)
    for plane in (crop.visible[0], crop.infrared[0], crop.target[0]):
        assert bounds(plane) == box


@given(
    seed=st.integers(0, 2**63 - 1),
    left=st.integers(0, 60),
    top=st.integers(0, 40),
    size=st.tuples(st.integers(20, 70), st.integers(20, 90)),
    towards=st.sampled_from([0.0, 1.0]),
)
@settings(deadline=None, max_examples=40)
def test_boxes_move_with_everything_else(seed, left, top, size, towards):
    item, mask = a_pair((left, top, left + 20, top + 20))
    crop = Augmentation(size, towards, flip=0.5, colour=0.0, tone=0.0).draw(item, mask, seed)

    assert crop.visible.shape == (3, *size) and crop.infrared.shape == crop.target.shape == crop.seen.shape == (
        1,
        *size,
    )
    shown = crop.target[0]  # unlike the pictures it is not mirrored where the pair is smaller than the crop
    for box in edges(crop.boxes, size):
        assert box == pytest.approx(bounds(shown), abs=1e-3)
        assert (box[2:] - box[:2]).min() >= 4 - 1e-3
    if not len(crop.boxes):
        # Too little of the object is left: less than a quarter of its 400 pixels, or a strip.
        count = int((shown > 0.5).sum())
        assert count == 0 or count < 100 or min(np.subtract(bounds(shown)[2:], bounds(shown)[:2])) < 4
    # Where infrared says something the target lies on it, and nothing is seen beyond the pair.
    assert torch.equal(crop.infrared[crop.target > 0.5], torch.full_like(crop.infrared[crop.target > 0.5], 220 / 255))
    assert crop.seen.sum() == min(size[0], 60) * min(size[1], 80)


@given(seed=st.integers(0, 2**63 - 1), left=st.integers(0, 50), top=st.integers(0, 40))
@settings(deadline=None, max_examples=30)
def test_boxes_are_turned_with_everything_else(seed, left, top):
    item, mask = a_pair((left, top, left + 30, top + 20))
    crop = Augmentation((48, 48), 1.0, 0.5, 0.0, 0.0, 0.5, 0.5).draw(item, mask, seed)

    for box in edges(crop.boxes, (48, 48)):
        for plane in (crop.visible[0], crop.infrared[0], crop.target[0]):
            assert box == pytest.approx(bounds(plane), abs=1e-3)


@pytest.mark.parametrize(("turn", "box"), [("flip_vertical", [10, 16, 30, 40]), ("transpose", [20, 10, 44, 30])])
def test_a_turned_box_is_where_the_turned_object_is(turn, box):
    item, mask = a_pair(shape=(60, 60))
    crop = Augmentation((60, 60), **STILL | {turn: 1.0}).draw(item, mask, 0)

    assert edges(crop.boxes, (60, 60))[0] == pytest.approx(box, abs=1e-3)
    assert bounds(crop.infrared[0]) == box


def test_a_crop_that_is_not_square_cannot_be_transposed():
    with pytest.raises(RigError, match="60x80 pixels cannot be transposed: make them square"):
        Augmentation((60, 80), transpose=0.5)


@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_a_crop_laid_over_an_object_has_it(seed):
    item, mask = a_pair((500, 300, 530, 330), shape=(600, 800))

    assert len(Augmentation((64, 64), towards_objects=1.0).draw(item, mask, seed).boxes) == 1


def test_the_same_seed_gives_the_same_crop_and_leaves_torch_alone():
    item, mask = a_pair()
    augmentation = Augmentation((32, 32))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = augmentation.draw(item, mask, 5)
    assert torch.equal(torch.rand(1), expected)
    again, other = augmentation.draw(item, mask, 5), augmentation.draw(item, mask, 6)

    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in ("visible", "infrared", "boxes"))
    assert not torch.equal(first.visible, other.visible)


def test_what_infrared_does_not_see_goes_along():
    seen = np.full((60, 80), 255, np.uint8)
    seen[:, :30] = 0
    item, mask = a_pair(seen=seen)
    infrared = item.infrared.copy()
    infrared[:, :30] = 0
    item = Item("a", "a", "day", item.visible, infrared, item.objects, None, seen)
    crop = Augmentation((60, 80), **STILL | {"flip": 1.0, "tone": 1.0}).draw(item, mask, 3)

    assert crop.seen[0, :, :50].all() and not crop.seen[0, :, 50:].any()
    assert not crop.infrared[0, :, 50:].any()  # the black border stays black, whatever the tone
    assert not torch.allclose(crop.infrared[0, :, :50], torch.tensor(20 / 255))


def test_a_pair_smaller_than_the_crop_is_mirrored_and_not_seen():
    item, mask = a_pair((10, 20, 30, 44))
    crop = Augmentation((100, 80), **STILL).draw(item, mask, 0)
    padded = crop.seen[0, :, 0] == 0

    assert padded.sum() == 40 and not crop.target[0, padded].any()
    assert (crop.infrared[0, padded] > 0).all()  # mirrored, not black
    assert edges(crop.boxes, (100, 80))[0] == pytest.approx(bounds(crop.target[0]), abs=1e-3)


def test_colours_are_red_green_blue_and_vary_in_the_visible_image_only():
    visible = np.zeros((40, 40, 3), np.uint8)
    visible[:] = (10, 100, 200)  # blue, green, red
    item = Item("a", "a", "day", visible, np.full((40, 40), 50, np.uint8))
    mask = np.zeros((40, 40), np.float32)
    plain = Augmentation((40, 40), **STILL).draw(item, mask, 0)
    coloured = Augmentation((40, 40), **STILL | {"colour": 0.3}).draw(item, mask, 0)
    toned = Augmentation((40, 40), **STILL | {"tone": 0.3}).draw(item, mask, 0)

    assert (plain.visible[:, 0, 0] * 255).tolist() == pytest.approx([200, 100, 10], abs=1e-3)
    assert not torch.allclose(coloured.visible, plain.visible) and torch.equal(coloured.infrared, plain.infrared)
    assert torch.equal(toned.visible, plain.visible) and not torch.allclose(toned.infrared, plain.infrared)
    assert plain.boxes.shape == (0, 5)
    for crop in (coloured, toned):
        assert min(crop.visible.min(), crop.infrared.min()) >= 0 and max(crop.visible.max(), crop.infrared.max()) <= 1


def test_a_grey_visible_image_has_three_equal_channels():
    item = Item("a", "a", "day", np.full((40, 40), 90, np.uint8), np.full((40, 40), 50, np.uint8))
    visible = Augmentation((32, 32)).draw(item, np.zeros((40, 40), np.float32), 0).visible

    assert torch.allclose(visible[0], visible[1], atol=1e-5) and torch.allclose(visible[0], visible[2], atol=1e-5)


def test_ignored_objects_are_no_labels():
    item, mask = a_pair(ignored=(True,))

    assert len(Augmentation((60, 80), **STILL).draw(item, mask, 0).boxes) == 0


def test_little_of_a_box_is_dropped():
    boxes = np.array([[-30, 0, 10, 40], [-31, 0, 9, 40], [0, 0, 3.9, 40], [10, 10, 20, 20], [50, 50, 60, 60.0]])
    left, which = clipped(boxes, (48, 48))

    assert which.tolist() == [0, 3] and left.tolist() == [[0, 0, 10, 40], [10, 10, 20, 20]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"size": (0, 32)}, "Crops of 0x32"), ({"flip": 1.5}, "flip is 1.5"), ({"tone": -0.1}, "tone is -0.1")],
)
def test_what_makes_no_sense_is_refused(changes, sentence):
    with pytest.raises(RigError, match=sentence):
        Augmentation(**{"size": (32, 32)} | changes)
