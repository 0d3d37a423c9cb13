"""Batches of crops, in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from tardal_ros.datasets.item import Dataset
from tardal_ros.errors import RigError
from tardal_ros.training.config import TargetKind
from tardal_ros.training.crops import Augmentation, Crop
from tardal_ros.training.targets import target_mask


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns from.

    Attributes:
        infrared: (N, 1, H, W) float32 in [0, 1].
        visible: (N, 3, H, W) RGB float32 in [0, 1].
        target: (N, 1, H, W) float32 in [0, 1]: the target mask.
        seen: (N, 1, H, W) float32, 1 where infrared really sees, 0 elsewhere.
        boxes: (M, 6) float32: index of the image in the batch, class, then cx cy w h relative to the crop.
        names: Of the pairs.
    """

    infrared: Tensor
    visible: Tensor
    target: Tensor
    seen: Tensor
    boxes: Tensor
    names: tuple[str, ...]

    def tensors(self) -> dict[str, Tensor]:
        """All but the names, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(**{name: value.to(device) for name, value in self.tensors().items()}, names=self.names)


def collate(crops: Sequence[Crop]) -> Batch:
    """Puts crops of one size together."""
    images = {name: torch.stack([getattr(crop, name) for crop in crops]) for name in _IMAGES}
    numbered = [torch.nn.functional.pad(crop.boxes, (1, 0), value=index) for index, crop in enumerate(crops)]
    return Batch(**images, boxes=torch.cat(numbered), names=tuple(crop.name for crop in crops))


_IMAGES = ("infrared", "visible", "target", "seen")


class Stream(data.Dataset[Crop]):
    """The endless stream of crops: every pair once an epoch; order and crops hang on the seed and the index alone.

    Attributes:
        names: The class names.
    """

    def __init__(
        self, dataset: Dataset, augmentation: Augmentation, seed: int, target: TargetKind = "saliency"
    ) -> None:
        """Sets it up.

        Args:
            dataset: The pairs.
            augmentation: How to crop them.
            seed: Of order and crops.
            target: Where target masks come from, see `targets.target_mask`.

        Raises:
            RigError: There are no pairs.
        """
        if not len(dataset):
            raise RigError("There are no pairs to learn from: give a data set that is not empty.")
        self.names = dataset.names
        self._dataset, self._augmentation = dataset, augmentation
        self._seed, self._target = seed, target
        self._order = -1, np.arange(0)

    def __len__(self) -> int:
        """Crops of an epoch."""
        return len(self._dataset)

    def __getitem__(self, index: int) -> Crop:
        """The crop at an index from 0 on, which may lie in any epoch.

        Raises:
            RigError: The pair cannot be read, or has no target mask of the kind that was asked for.
        """
        epoch, place = divmod(index, len(self))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self._seed, epoch, 0]).permutation(len(self))
        item = self._dataset.load(int(self._order[1][place]))
        target = target_mask(self._target, item.visible, item.infrared, item.target, item.seen, item.name)
        return self._augmentation.draw(item, target, _seed_of(self._seed, index))


def batches(
    stream: Stream, batch: int, start_step: int = 0, rank: int = 0, ranks: int = 1, workers: int = 0
) -> Iterator[Batch]:
    """The batches of a run from one of its steps on, without end.

    Args:
        stream: The crops.
        batch: Crops of a step over all processes; each gets its share of the same ones, however many there are.
        start_step: How many steps were done before.
        rank: Which process this is.
        ranks: How many there are.
        workers: Processes that read ahead; 0 to read in this one. Each renders for itself what is to be rendered.

    Raises:
        RigError: The batch cannot be shared out evenly.
    """
    if batch < 1 or batch % ranks:
        raise RigError(f"A batch of {batch} cannot be shared by {ranks} processes: give a multiple of that.")
    loader = data.DataLoader(
        stream,
        batch_sampler=_Steps(batch, start_step, rank, ranks),
        num_workers=workers,
        collate_fn=collate,
        multiprocessing_context="spawn" if workers else None,  # a forked process would inherit locks of threads
        generator=torch.Generator(),  # or it would take a number from torch's own, which belongs to the training
    )
    return iter(loader)


@dataclass(frozen=True)
class _Steps(data.Sampler[list[int]]):
    """The indices of each step's crops."""

    batch: int
    start: int
    rank: int
    ranks: int

    def __iter__(self) -> Iterator[list[int]]:
        step, share = self.start, self.batch // self.ranks
        while True:
            first = step * self.batch + self.rank * share
            yield list(range(first, first + share))
            step += 1


def _seed_of(seed: int, index: int) -> int:
    """A seed for each crop, unlike those of its neighbours and of other runs."""
    return int(np.random.SeedSequence([seed, index, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
