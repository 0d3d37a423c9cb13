"""A training from its configuration to the weights that come out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tardal_ros.datasets.dataset import FolderDataset, open_dataset
from tardal_ros.datasets.item import Dataset
from tardal_ros.datasets.joined import Joined
from tardal_ros.datasets.rendered import RenderedDataset
from tardal_ros.errors import RigError
from tardal_ros.training.batch import Stream
from tardal_ros.training.config import Folder, Pairs, Rendered, TrainConfig
from tardal_ros.training.crops import Augmentation
from tardal_ros.training.release import release
from tardal_ros.training.samples import Samples
from tardal_ros.training.trainer import Progress, Trainer

# After `trainer`, which says what to do where it is missing.
import torch  # isort: skip
from lightning_fabric import Fabric  # isort: skip
from lightning_fabric.plugins.precision import MixedPrecision  # isort: skip

SHOWN = 4
"""Pairs of the validation data that sample pictures show."""


def launch(accelerator: str, devices: str, nodes: int, strategy: str, precision: str) -> Fabric:
    """Starts the processes of a training; the other ones run this program again, with the same arguments.

    Args:
        accelerator: `auto`, `cpu` or `cuda`.
        devices: How many in each machine, or `auto`.
        nodes: How many machines.
        strategy: Of Lightning Fabric.
        precision: Of Lightning Fabric.

    Raises:
        RigError: There are no such devices, strategy or precision, or their library is not installed.
    """
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=int(devices) if devices.isdigit() else devices,
            num_nodes=nodes,
            strategy=strategy,
            **_precise(precision, accelerator),
        )
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        raise RigError(
            f"Cannot train on {devices} x {accelerator} with strategy {strategy} and precision {precision}:"
            f" {' '.join(str(error).split())}"
        ) from None
    fabric.launch()
    return fabric


class _Mixed(MixedPrecision):
    """Leaves what goes in as it is: sixteen bits place no box well enough, and are coarser than an image's bytes."""

    def convert_input(self, data: Any) -> Any:
        return data


def _precise(precision: str, accelerator: str) -> dict[str, Any]:
    """What tells Fabric the precision."""
    if precision != "bf16-mixed":
        return {"precision": precision}
    cuda = accelerator != "cpu" and torch.cuda.is_available()
    return {"plugins": [_Mixed("bf16-mixed", "cuda" if cuda else "cpu")]}


class Session:
    """A training with its data: opened and checked when it is made.

    Args:
        config: How to train.
        fabric: What `launch` gave.
        folder: Where to keep the run and to write the weights; is made. Rendered scenes are kept in `scenes` beside it,
            for other runs as well.

    Attributes:
        skipped: A sentence on each broken pair that was left out.

    Raises:
        RigError: The data or the weights cannot be used, or the folder is another training's.
    """

    def __init__(self, config: TrainConfig, fabric: Fabric, folder: Path) -> None:
        self._config, self._fabric, self._folder = config, fabric, folder
        self._scenes = folder.parent / "scenes"
        self.skipped: list[str] = []
        self._train = self._open(config.data.train, config.data.target == "stored")
        self._validation = self._open(config.data.validation)
        if config.mode != "dt" and not self._train.names:
            raise RigError(
                "The data sets in data.train have other classes, or none: a detector needs labels of one list of"
                " classes; leave some out, or bring their labels into one."
            )

    def try_out(self) -> str:
        """Takes one step, of which no weights are kept.

        Returns:
            A sentence that tells what it learned from and what the losses are.

        Raises:
            RigError: See `Trainer`.
        """
        trainer = Trainer(self._config, self._fabric, self._folder, self._stream())
        losses = trainer.take(next(trainer.feed()))
        told = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
        return f"{len(self._train)} pairs to learn from, {len(self._validation)} to validate on; first step: {told}"

    def run(self, watch: Callable[[Progress], None]) -> list[Path]:
        """Trains, and writes the weights.

        Args:
            watch: Called after each step.

        Returns:
            The files written: weights and model card; none in processes other than the first.

        Raises:
            RigError: See `Trainer`.
        """
        shown = [self._validation.load(index) for index in _spread(len(self._validation), SHOWN)]
        trainer = Trainer(self._config, self._fabric, self._folder, self._stream())
        with Samples(self._folder, shown) as samples:
            trainer.run(watch, samples)
        if not self._fabric.is_global_zero:
            return []
        items = (self._validation.load(index) for index in range(len(self._validation)))
        return release(self._config, trainer.networks, items, self._folder)

    def _stream(self) -> Stream:
        data = self._config.data
        augmentation = Augmentation(
            data.crop, data.towards_objects, data.flip, data.colour, data.tone, data.flip_vertical, data.transpose
        )
        return Stream(self._train, augmentation, self._config.seed, data.target)

    def _open(self, pairs: Pairs, with_targets: bool = False) -> Joined:
        folders = [_folder(each, self._config.data.broken) for each in pairs.folders]
        rendered: list[Dataset] = [_rendered(each, self._scenes) for each in pairs.rendered]
        joined = Joined([*folders, *rendered])
        joined.check()
        self.skipped += [each.reason for folder in folders for each in folder.skipped]
        untold = [sample.name for folder in folders for sample in folder.samples if sample.target is None]
        if with_targets and untold:
            raise RigError(
                f"data.target is stored, but {len(untold)} pairs in data.train have no target mask, {untold[0]} first:"
                " put masks into the folder mask/, or set data.target to saliency."
            )
        return joined


def _folder(told: Folder, broken: str) -> FolderDataset:
    file_list = Path(told.file_list) if told.file_list else None
    return open_dataset(Path(told.root), told.layout, told.part or None, file_list, broken, told.infer_seen)


def _rendered(told: Rendered, keep: Path) -> Dataset:
    return RenderedDataset(told.plan(), "train", told.longest, keep)


def _spread(count: int, wanted: int) -> list[int]:
    """Numbers that lie evenly among so many."""
    return sorted({(2 * index + 1) * count // (2 * wanted) for index in range(wanted)})
