from __future__ import annotations

import pytest

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.item import Item, Sample
from tardal_ros.datasets.joined import Joined
from tardal_ros.errors import RigError


class Named:
    """Pairs that are only names; one that is broken goes when they are checked."""

    def __init__(self, *samples, names=("person",), broken=()):
        self.names, self._broken = names, broken
        self.samples = tuple(Sample(name, name, "day") for name in samples)

    def __len__(self):
        return len(self.samples)

    def load(self, index):
        sample = self.samples[index]
        return Item(sample.name, sample.scene, sample.condition, None, None)

    def check(self):
        self.samples = tuple(sample for sample in self.samples if sample.name not in self._broken)


def loaded(joined):
    return [joined.load(index).name for index in range(len(joined))]


def test_data_sets_follow_each_other():
    joined = Joined([Named("a", "b"), Named(), Named("c")])

    assert len(joined) == 3 and loaded(joined) == ["a", "b", "c"]
    assert [sample.name for sample in joined.samples] == ["a", "b", "c"]
    assert joined.load(-1).name == "c"


def test_there_is_nothing_beyond_the_last():
    with pytest.raises(IndexError):
        Joined([Named("a"), Named("b")]).load(2)


@pytest.mark.parametrize(
    ("others", "names"),
    [
        ((), ("person", "car")),
        ((("person", "car"),), ("person", "car")),
        ((("car", "person"),), ()),
        ((("person", "car"), ("person",)), ()),
        (((),), ()),
    ],
)
def test_classes_are_those_that_all_have_in_one_order(others, names):
    datasets = [Named("a", names=each) for each in (("person", "car"), *others)]

    assert Joined(datasets).names == names


def test_what_is_skipped_as_broken_is_gone():
    joined = Joined([Named("a", "b", broken=["b"]), Named("c", "d", broken=["c"])])
    joined.check()

    assert loaded(joined) == ["a", "d"] and [sample.name for sample in joined.samples] == ["a", "d"]


def test_what_is_to_be_refused_is(write):
    root = write(["1.png", "2.png"], "ir", "vi")
    (root / "ir" / "2.png").write_bytes(b"no picture")

    with pytest.raises(RigError, match=r"2\.png"):
        Joined([Named("a"), open_dataset(root)]).check()
    skipping = Joined([Named("a"), open_dataset(root, on_broken="skip")])
    skipping.check()
    assert loaded(skipping) == ["a", "1"]
