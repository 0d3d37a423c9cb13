"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Sequence

from tardal_ros.datasets.item import Dataset, Item, Sample


class Joined:
    """Data sets one after the other.

    Args:
        datasets: At least one.

    Attributes:
        names: The class names that all of them have; none where they differ.
        samples: What there is to load.
    """

    def __init__(self, datasets: Sequence[Dataset]) -> None:
        self._datasets = tuple(datasets)
        first = self._datasets[0].names
        self.names = first if all(each.names == first for each in self._datasets) else ()
        self.samples: tuple[Sample, ...] = ()
        self._list()

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> Item:
        """Reads or renders a pair."""
        rest = range(len(self))[index]
        for dataset in self._datasets:
            if rest < len(dataset):
                break
            rest -= len(dataset)
        return dataset.load(rest)

    def check(self) -> None:
        """Makes sure that every pair of each can be loaded; those that skip broken ones are shorter afterwards."""
        for dataset in self._datasets:
            dataset.check()
        self._list()

    def _list(self) -> None:
        self.samples = tuple(sample for dataset in self._datasets for sample in dataset.samples)
