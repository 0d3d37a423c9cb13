"""Comparing what a detector may look at: detectors of one kind, trained and scored the same way on different inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.item import Dataset, Item
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import Plan, RenderedDataset, shrunk
from tardal_ros.detection.inputs import look
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection_metric import Judged, score
from tardal_ros.files import replace_bytes, replace_text
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.training.comparison_config import Comparison, Folds
from tardal_ros.training.comparison_report import as_markdown
from tardal_ros.training.detection import model_of, read_weights
from tardal_ros.training.detector_config import DetectorConfig
from tardal_ros.training.detector_data import fusion_stage, line_of, spread, write_index, write_picture
from tardal_ros.training.detector_release import state_dict
from tardal_ros.training.detector_trainer import Progress, claim, detector_of, train
from tardal_ros.types import Array, Frame, Pair, View

SMALLEST = 5.0
"""Objects of fewer pixels on their shorter side, at the size that the detector looks at, are ignored."""

RENDERED = "Rendered test scenes"
"""What the scores on rendered scenes are called."""


class Watch(Protocol):
    """Follows the work."""

    def counter(self, what: str) -> Callable[[int, int], None]:
        """What is to be called with how much is done and how much there is."""

    def training(self, what: str) -> Callable[[Progress], None]:
        """What is to be called after each step of a training that begins now."""


def compare(comparison: Comparison, folder: Path, real: Path | None, workers: int, watch: Watch) -> list[Path]:
    """Trains and scores row by row; what is done already is kept.

    All rows see the same pairs, rendered once, and made as small as the detector looks at them before they are fused.

    Args:
        comparison: What to compare.
        folder: Where to keep everything, and to write `comparison.json` and `comparison.md` after each row.
        real: A labelled data set to judge on as well, in folds (see `datasets.dataset`); None for none.
        workers: Processes that render at the same time.
        watch: Follows the work.

    Returns:
        The files with the figures.

    Raises:
        RigError: The folder holds a row that was made otherwise, a data set or fuser cannot be used, or training fails.
        MissingDependencyError: A library is not installed.
    """
    rows = {name: _Row(name, config, folder / "rows" / name, watch) for name, config in comparison.rows.items()}
    first = next(iter(comparison.rows.values()))
    photos = [] if real is None else _photos(real, first.image_size)
    parts = _rendered(first, folder / "pairs", workers, watch.counter("rendered scenes"))
    files = [folder / "comparison.json", folder / "comparison.md"]
    figures: dict[str, Any] = {}
    for name, row in rows.items():
        scores = {RENDERED: row.on_rendered(parts)}
        if real is not None:
            scores[f"{real.name}, {comparison.folds.count}-fold"] = row.on_real(real.name, photos, comparison.folds)
        figures[name] = {**row.told(), "scores": scores}
        replace_text(files[0], json.dumps(figures, indent=1) + "\n")
        replace_text(files[1], as_markdown(figures, first, comparison.folds))
    return files


class _Row:
    """What is trained and scored for one row, and its folder.

    Raises:
        RigError: The folder is another row's, or the fuser's weights have changed since.
    """

    def __init__(self, name: str, config: DetectorConfig, folder: Path, watch: Watch) -> None:
        self._name, self._config, self._folder, self._watch = name, config, folder, watch
        self._weights = folder / "detector.safetensors"
        claim(config, folder / "run")
        _claim_fuser(config, folder / "fuser.sha256")

    def told(self) -> dict[str, str]:
        """What tells the row from others."""
        return {key: getattr(self._config, key) for key in ("inputs", "fuser", "fuser_weights")}

    def on_rendered(self, parts: Mapping[str, Dataset]) -> dict[str, Any]:
        """The scores on the test scenes, of a detector that learnt from the training scenes."""

        def judged() -> list[Judged]:
            lists = {part: self._pictures("data", part, _items(parts[part]), len(parts[part])) for part in _LEARNT}
            data = write_index(self._folder / "data", lists, parts["train"].names)
            self._train(self._config, data, self._folder, self._name, validate=True)
            return self._judged(self._weights, _items(parts["test"]), len(parts["test"]))

        return _kept(self._folder / "rendered.json", judged)

    def on_real(self, called: str, photos: Sequence[Item], folds: Folds) -> dict[str, Any]:
        """The scores on real pairs, each judged by a detector that went on learning from those of other folds."""
        parts = divided(photos, folds.count)
        configs = [self._fold_config(len(photos) - len(part), folds) for part in parts]
        for number, config in enumerate(configs):
            claim(config, self._folder / called / str(number) / "run")

        def judged() -> list[Judged]:
            lines = self._pictures(called, "all", photos, len(photos))
            of_item = dict(zip((item.name for item in photos), lines, strict=True))
            found = []
            for number, (part, config) in enumerate(zip(parts, configs, strict=True)):
                folder, apart = self._folder / called / str(number), {item.name for item in part}
                learnt = [
                    str((self._folder / called / line).resolve()) for name, line in of_item.items() if name not in apart
                ]
                # Nothing is chosen by a validation; and the pairs held apart must have no part in it.
                data = write_index(folder, {"train": learnt, "val": learnt}, _names(photos))
                self._train(config, data, folder, f"{self._name}, {called} without part {number}", validate=False)
                found += self._judged(folder / self._weights.name, part, len(part))
            return found

        return _kept(self._folder / called / "scores.json", judged)

    def _fold_config(self, pictures: int, folds: Folds) -> DetectorConfig:
        epochs = -(-folds.steps // -(-pictures // self._config.batch))
        return replace(
            self._config,
            epochs=epochs,
            mosaic_epochs=epochs // 2,
            learning_rate=folds.learning_rate,
            start=str(self._weights.resolve()),
        )

    def _train(self, config: DetectorConfig, data: Path, folder: Path, title: str, validate: bool) -> None:
        weights = folder / self._weights.name
        if not weights.exists():
            model = train(config, data, folder / "run", self._watch.training(title), validate)
            replace_bytes(weights, state_dict(model, config.model, config.image_size))

    def _judged(self, weights: Path, items: Iterable[Item], count: int) -> list[Judged]:
        detector = detector_of(model_of(read_weights(weights)).eval(), self._config.image_size)
        return [
            Judged(item.scene, item.condition, detector.detect(self._look(item)), _objects(item))
            for item in self._counted(items, count, "judged")
        ]

    def _pictures(self, called: str, part: str, items: Iterable[Item], count: int) -> list[str]:
        """Writes what the detector looks at, as far as it is not there; returns the lines of a list of pictures."""
        folder, lines = self._folder / called, []
        for item in self._counted(items, count, f"pictures of {part}"):
            name = item.name.replace("/", "_")
            if not (folder / "labels" / part / f"{name}.txt").exists():
                write_picture(self._config, folder, part, name, self._look(item), _objects(item))
            lines.append(line_of(self._config, part, name))
        return lines

    def _look(self, item: Item) -> Array:
        pair = Pair(View(Frame(item.visible, 0)), View(Frame(item.infrared, 0)), item.seen)
        return look(self._stage.process(pair), self._config.inputs)

    @cached_property
    def _stage(self) -> FusionStage:
        return fusion_stage(self._config)

    def _counted(self, items: Iterable[Item], count: int, what: str) -> Iterator[Item]:
        tell = self._watch.counter(f"{self._name}, {what}")
        for done, item in enumerate(items, 1):
            yield item
            tell(done, count)


def divided(items: Sequence[Item], count: int) -> list[list[Item]]:
    """Divides pairs into parts for cross-validation: of each condition, each part has a run of neighbours.

    Pictures of neighbouring names were often taken one after the other, so that a detector that learnt one knows the
    next.

    Args:
        items: At least as many as parts.
        count: How many parts.
    """
    parts: list[list[Item]] = [[] for _ in range(count)]
    for condition in sorted({item.condition for item in items}):
        ordered = sorted((item for item in items if item.condition == condition), key=lambda item: item.name)
        for part, indices in zip(parts, np.array_split(np.arange(len(ordered)), count), strict=True):
            part += [ordered[index] for index in indices]
    return parts


_LEARNT = ("train", "val")


def _rendered(
    config: DetectorConfig, keep: Path, workers: int, count: Callable[[int, int], None]
) -> dict[str, Dataset]:
    """Renders the scenes that all rows share."""
    plans = {"train": (config.train, "train"), "val": (config.validation, "train"), "test": (config.test, "test")}
    calls = [
        (replace(plan, conditions=(condition,), seeds=1, first=seed), split, config.image_size, keep)
        for plan, split in plans.values()
        for seed, condition in plan.scenes()
    ]
    for done, _ in enumerate(spread(_render, calls, workers), 1):
        count(done, len(calls))
    return {
        part: RenderedDataset(plan, split, config.image_size, keep, cache_bytes=0)
        for part, (plan, split) in plans.items()
    }


def _render(plan: Plan, split: str, longest: int, keep: Path) -> None:
    RenderedDataset(plan, split, longest, keep).load(0)


def _photos(root: Path, longest: int) -> list[Item]:
    dataset = open_dataset(root)
    if not dataset.names:
        raise RigError(f"{root} has no labels to judge by: give a labelled data set.")
    return [shrunk(item, longest) for item in _items(dataset)]


def _items(dataset: Dataset) -> Iterator[Item]:
    return (dataset.load(index) for index in range(len(dataset)))


def _names(items: Sequence[Item]) -> tuple[str, ...]:
    return _objects(items[0]).names


def _objects(item: Item) -> Objects:
    objects = item.objects
    if objects is None:
        raise RigError(f"The pair {item.name} has no labels to judge by: give a labelled data set.")
    small = (objects.xyxy[:, 2:] - objects.xyxy[:, :2]).min(axis=1, initial=np.inf) < SMALLEST
    return Objects(objects.xyxy, objects.class_ids, objects.ignored | small, objects.names)


def _claim_fuser(config: DetectorConfig, path: Path) -> None:
    """Refuses figures of a fuser whose weights have changed."""
    weights = config.weights_of_fuser
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights else ""
    except OSError as error:
        raise RigError(f"The fuser's weights {weights} cannot be read: {error.strerror}.") from None
    if not path.exists():
        replace_text(path, digest)
    elif path.read_text("utf-8") != digest:
        raise RigError(f"{weights} is not the file that {path.parent} was made with: remove that folder to begin anew.")


def _kept(path: Path, judged: Callable[[], list[Judged]]) -> dict[str, Any]:
    """The scores in a file, which is written where it is missing."""
    if not path.exists():
        replace_text(path, json.dumps(asdict(score(judged())), indent=1) + "\n")
    scores: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return scores
