from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("kornia", reason="needs kornia: `make test` sets it up")

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.item import Item, Sample
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.training.batch import Batch, Stream, batches, collate
from tardal_ros.training.crops import Augmentation, Crop


class Pairs:
    """Seven pairs of noise; a pair has as many objects as its number says."""

    names = ("person", "car")

    def __init__(self, count=7, target=True):
        self.samples = tuple(Sample(str(index), str(index), "day") for index in range(count))
        self._target = target

    def __len__(self):
        return len(self.samples)

    def check(self):
        pass

    def load(self, index):
        rng = np.random.default_rng(index)
        visible, infrared = rng.integers(0, 255, (40, 50, 3), np.uint8), rng.integers(0, 255, (40, 50), np.uint8)
        corner = rng.integers(0, 20, (index, 2)).astype(float)
        there = Objects(np.hstack([corner, corner + 12]), np.arange(index) % 2, np.zeros(index, np.bool_), self.names)
        target = np.full((40, 50), 255, np.uint8) if self._target else None
        return Item(str(index), str(index), "day", visible, infrared, there, target)


def a_stream(seed=0, count=7, size=(32, 32)):
    return Stream(Pairs(count), Augmentation(size), seed, target="stored")


def equal(one, other):
    tensors = zip(one.tensors().items(), other.tensors().items(), strict=True)
    return one.names == other.names and all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in tensors)


def crop_of(name, boxes):
    planes = [torch.zeros(count, 8, 8) for count in (1, 3, 1, 1)]
    return Crop(name, *planes, torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5))


def test_a_batch_knows_which_image_a_box_is_in():
    batch = collate([crop_of("a", [[1, 0.5, 0.5, 0.1, 0.2]]), crop_of("b", []), crop_of("c", [[0, 0.1] * 2 + [0.1]])])

    assert batch.boxes[:, 0].tolist() == [0, 2] and batch.boxes[:, 1].tolist() == [1, 0]
    assert batch.boxes[0, 2:].tolist() == pytest.approx([0.5, 0.5, 0.1, 0.2])
    assert (
        batch.visible.shape == (3, 3, 8, 8) and batch.infrared.shape == (3, 1, 8, 8) and batch.names == ("a", "b", "c")
    )
    assert collate([crop_of("a", [])]).boxes.shape == (0, 6)


def test_a_batch_goes_to_a_device():
    batch = collate([crop_of("a", [])]).to(torch.device("meta"))

    assert isinstance(batch, Batch) and batch.visible.device.type == "meta" and batch.names == ("a",)


def test_every_pair_comes_once_an_epoch_in_an_order_of_its_own():
    stream = a_stream()
    epochs = [[stream[epoch * len(stream) + index].name for index in range(len(stream))] for epoch in range(3)]

    assert all(sorted(names) == [str(number) for number in range(7)] for names in epochs)
    assert len({tuple(names) for names in epochs}) == 3
    assert [a_stream(seed=1)[index].name for index in range(7)] != epochs[0]


def test_a_crop_hangs_on_seed_and_index_alone():
    stream = a_stream()
    expected = stream[23]
    for index in (23, 2, 9, 23):
        crop = stream[index]
    again = a_stream()[23]

    for other in (crop, again):
        assert all(torch.equal(getattr(expected, name), getattr(other, name)) for name in ("visible", "seen", "boxes"))
    # The same pair is cut anew in another epoch.
    later = next(stream[index] for index in range(28, 35) if stream[index].name == expected.name)
    assert not torch.equal(later.visible, expected.visible)


def test_a_run_that_resumes_sees_what_it_would_have_seen():
    whole = list(islice(batches(a_stream(), batch=3), 8))
    tail = list(islice(batches(a_stream(), batch=3, start_step=5), 3))

    assert all(equal(*pair) for pair in zip(whole[5:], tail, strict=True))
    assert not equal(whole[0], whole[5])


def test_processes_share_the_batch_of_one():
    whole = next(batches(a_stream(), batch=4, start_step=2))
    shares = [next(batches(a_stream(), batch=4, start_step=2, rank=rank, ranks=2)) for rank in range(2)]

    assert whole.names == shares[0].names + shares[1].names
    assert torch.equal(whole.visible, torch.cat([share.visible for share in shares]))
    with pytest.raises(RigError, match="batch of 4 cannot be shared by 3"):
        batches(a_stream(), batch=4, ranks=3)


def test_workers_change_nothing(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("ir", "vi"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), rng.integers(0, 255, (16, 16, 3), np.uint8))
    stream = Stream(open_dataset(tmp_path), Augmentation((8, 8)), 0)
    alone, helped = (list(islice(batches(stream, 2, start_step=1, workers=count), 4)) for count in (0, 1))

    assert all(equal(*pair) for pair in zip(alone, helped, strict=True))


def test_reading_batches_takes_nothing_from_the_training_s_own_numbers():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    next(batches(a_stream(), batch=2))

    assert torch.equal(torch.rand(1), expected)


def test_a_target_mask_that_is_not_there_is_named():
    stream = Stream(Pairs(target=False), Augmentation((32, 32)), 0, target="stored")
    with pytest.raises(RigError, match="no target mask"):
        stream[0]
    assert Stream(Pairs(target=False), Augmentation((32, 32)), 0)[0].target.shape == (1, 32, 32)


def test_no_pairs_are_refused():
    with pytest.raises(RigError, match="no pairs to learn from"):
        a_stream(count=0)
