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

from tardal_ros.datasets.item import Dataset, Item, Sample
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import Plan, RenderedDataset, shrunk
from tardal_ros.datasets.splits import folds
from tardal_ros.detection.inputs import look
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection import open_labelled
from tardal_ros.evaluation.detection_metric import Judged, score
from tardal_ros.files import replace_bytes, replace_text
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.training.comparison_config import Comparison, Folds
from tardal_ros.training.comparison_report import as_markdown
from tardal_ros.training.detection import model_of, read_weights
from tardal_ros.training.detector_config import DetectorConfig
from tardal_ros.training.detector_data import fusion_stage, line_of, spread, write_index, write_picture
from tardal_ros.training.detector_release import state_dict
from tardal_ros.training.detector_trainer import Progress, detector_of, train
from tardal_ros.training.sections import Section, claim
from tardal_ros.types import Array

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


def compare(
    comparison: Comparison,
    folder: Path,
    real: Path | None,
    workers: int,
    watch: Watch,
    real_list: Path | None = None,
) -> list[Path]:
    """Trains and scores row by row; what is done already is kept.

    All rows see the same pairs, rendered once, and made as small as the detector looks at them before they are fused.

    Args:
        comparison: What to compare.
        folder: Where to keep everything, and to write `comparison.json` and `comparison.md` after each row.
        real: A labelled data set to judge on as well, in folds that keep its scenes together (see
            `datasets.dataset`); None for none.
        workers: Processes that render at the same time.
        watch: Follows the work.
        real_list: Which of its pictures, or which of them show the same scene (see `datasets.splits.read_split`); None
            for all, as the data set tells it.

    Returns:
        The files with the figures.

    Raises:
        RigError: The folder holds a row that was made or judged otherwise, a data set or fuser cannot be used, or
            training fails.
        MissingDependencyError: A library is not installed.
    """
    rows = {name: _Row(name, config, folder / "rows" / name, watch) for name, config in comparison.rows.items()}
    first = next(iter(comparison.rows.values()))
    photos = [] if real is None else _photos(real, real_list, first.image_size)
    divided = _divided(photos, comparison.folds.count) if photos else []
    if real is not None:
        for row in rows.values():
            row.claim_real(real.name, photos)
    parts = _rendered(first, folder / "pairs", workers, watch.counter("rendered scenes"))
    files = [folder / "comparison.json", folder / "comparison.md"]
    figures: dict[str, Any] = {}
    for name, row in rows.items():
        scores = {RENDERED: row.on_rendered(parts)}
        if real is not None:
            scores[f"{real.name}, {comparison.folds.count}-fold"] = row.on_real(
                real.name, photos, divided, comparison.folds
            )
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
        claim(folder / "run" / "config.yaml", config)
        claim(folder / "fuser.yaml", _fuser(config))

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

    def claim_real(self, called: str, photos: Sequence[Item]) -> None:
        """Refuses figures of other real pairs.

        Raises:
            RigError: A pair or its labels have changed since, or there are others.
        """
        _claim_pairs(photos, self._folder / called)

    def on_real(
        self, called: str, photos: Sequence[Item], divided: Sequence[tuple[list[int], list[int]]], told: Folds
    ) -> dict[str, Any]:
        """The scores on real pairs, each judged by a detector that went on learning from those of other folds.

        Args:
            called: What the data set is called.
            photos: Its pairs.
            divided: For each fold the indices to learn from and those to judge by.
            told: How detectors go on learning.
        """
        configs = [self._fold_config(len(learnt), told) for learnt, _ in divided]
        for number, config in enumerate(configs):
            claim(self._folder / called / str(number) / "run" / "config.yaml", config)

        def judged() -> list[Judged]:
            lines = self._pictures(called, "all", photos, len(photos))
            found = []
            for number, ((learnt, apart), config) in enumerate(zip(divided, configs, strict=True)):
                folder = self._folder / called / str(number)
                listed = [str((self._folder / called / lines[index]).resolve()) for index in learnt]
                # Nothing is chosen by a validation; and the pairs held apart must have no part in it.
                data = write_index(folder, {"train": listed, "val": listed}, _names(photos))
                self._train(config, data, folder, f"{self._name}, {called} without part {number}", validate=False)
                found += self._judged(folder / self._weights.name, [photos[index] for index in apart], len(apart))
            return found

        return _kept(self._folder / called / "scores.json", judged)

    def _fold_config(self, pictures: int, told: Folds) -> DetectorConfig:
        epochs = -(-told.steps // -(-pictures // self._config.batch))
        return self._config.but(
            epochs=epochs,
            mosaic_epochs=epochs // 2,
            learning_rate=told.learning_rate,
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
        return look(self._stage.process(item.pair()), self._config.inputs)

    @cached_property
    def _stage(self) -> FusionStage:
        return fusion_stage(self._config)

    def _counted(self, items: Iterable[Item], count: int, what: str) -> Iterator[Item]:
        tell = self._watch.counter(f"{self._name}, {what}")
        for done, item in enumerate(items, 1):
            yield item
            tell(done, count)


_LEARNT = ("train", "val")


def _rendered(
    config: DetectorConfig, keep: Path, workers: int, count: Callable[[int, int], None]
) -> dict[str, Dataset]:
    """Renders the scenes that all rows share."""
    plans = {
        "train": (config.train.plan(), "train"),
        "val": (config.validation.plan(), "train"),
        "test": (config.test.plan(), "test"),
    }
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


def _photos(root: Path, file_list: Path | None, longest: int) -> list[Item]:
    return [shrunk(item, longest) for item in _items(open_labelled(root, file_list))]


def _items(dataset: Dataset) -> Iterator[Item]:
    return (dataset.load(index) for index in range(len(dataset)))


def _divided(photos: Sequence[Item], count: int) -> list[tuple[list[int], list[int]]]:
    return folds([Sample(item.name, item.scene, item.condition) for item in photos], count, seed=0)


def _names(items: Sequence[Item]) -> tuple[str, ...]:
    return _objects(items[0]).names


def _objects(item: Item) -> Objects:
    objects = item.objects
    if objects is None:
        raise RigError(f"The pair {item.name} has no labels to judge by: give a labelled data set.")
    small = (objects.xyxy[:, 2:] - objects.xyxy[:, :2]).min(axis=1, initial=np.inf) < SMALLEST
    return Objects(objects.xyxy, objects.class_ids, objects.ignored | small, objects.names)


class _Fuser(Section):
    """What tells the weights of a row's fuser from others."""

    sha256: str


def _fuser(config: DetectorConfig) -> _Fuser:
    weights = config.weights_of_fuser
    try:
        return _Fuser(sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights else "")
    except OSError as error:
        raise RigError(f"The fuser's weights {weights} cannot be read: {error.strerror}.") from None


def _claim_pairs(photos: Sequence[Item], folder: Path) -> None:
    """Makes the folder of what was learnt from real pairs these pairs', or refuses one that is of others."""
    path, told = folder / "pairs.json", {item.name: _digest(item) for item in photos}
    if not folder.exists():
        replace_text(path, json.dumps(told, indent=1) + "\n")
        return
    try:
        before = dict(json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError):  # an earlier version did not write it
        before = {}
    other = sorted(name for name in told.keys() | before.keys() if told.get(name) != before.get(name))
    if other:
        raise RigError(
            f"{folder} was learnt from and judged by other real pairs: {len(other)} of them, the first {other[0]}, have"
            " come, gone or changed, or have other labels or another scene; remove that folder to begin anew."
        )


def _digest(item: Item) -> str:
    """Tells a pair, where it belongs and what is in it from others."""
    objects = _objects(item)
    told = (item.scene, item.condition, objects.names, objects.xyxy.tolist(), objects.class_ids.tolist())
    digest = hashlib.sha256(repr((*told, objects.ignored.tolist(), item.visible.shape)).encode())
    for image in (item.visible, item.infrared, item.seen):
        digest.update(b"" if image is None else image.tobytes())
    return digest.hexdigest()


def _kept(path: Path, judged: Callable[[], list[Judged]]) -> dict[str, Any]:
    """The scores in a file, which is written where it is missing."""
    if not path.exists():
        replace_text(path, json.dumps(asdict(score(judged())), indent=1) + "\n")
    scores: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return scores
