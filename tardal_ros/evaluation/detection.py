"""Scoring a detector on labelled pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.item import Dataset
from tardal_ros.datasets.rendered import Plan, RenderedDataset, objects_of
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.inputs import INPUTS, STACK, look
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection_metric import RESAMPLES, Figure, Judged, Scores, can_be_scored, score
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.simulation import VISIBLE, Scene
from tardal_ros.types import Detections

# A precision is the mean over all recalls, so that detections of little confidence count too.
CONFIDENCE = 0.01

_FULL = 1024
"""Longer side of the images of the rendered rig, in pixels."""

LOOKS = 24
"""Images of a run that are held against the truth."""


def test_scenes(plan: Plan, keep: Path) -> RenderedDataset:
    """Rendered *test* scenes at the rig's full size, to judge by.

    Args:
        plan: Which of them.
        keep: Folder where they are kept for the next time.

    Raises:
        RigError: There are no such scenes.
    """
    return RenderedDataset(plan, "test", _FULL, keep, cache_bytes=0)


def open_labelled(root: Path, file_list: Path | None = None) -> Dataset:
    """Lists a data set to judge by; the black border of warped infrared pictures does not count as seen.

    Args:
        root: Its folder, see `datasets.layouts`.
        file_list: Which of its pictures, see `open_dataset`.

    Raises:
        RigError: Something is missing or broken, or there are no labels; the sentence names it.
    """
    dataset = open_dataset(root, file_list=file_list, infer_seen=True)
    if not dataset.names:
        raise RigError(f"{root} has no labels to judge by: give a labelled data set.")
    return dataset


def score_dataset(
    detector: Detector,
    dataset: Dataset,
    stage: FusionStage,
    resamples: int = RESAMPLES,
    on_pair: Callable[[int, int], None] = lambda done, all: None,
) -> dict[str, Scores]:
    """Scores a detector on labelled pairs, by what it looks at (see `detection.inputs`).

    Args:
        detector: Its confidence threshold should be low (see `CONFIDENCE`).
        dataset: See `open_labelled`, and `datasets.rendered.RenderedDataset`.
        stage: What fuses the pairs.
        resamples: See `score`.
        on_pair: Called with the number of pairs that are done and that there are.

    Returns:
        The scores on fused, visible and infrared images, or on the stack where the detector takes four channels.

    Raises:
        RigError: A pair cannot be read or fused, or none of the detector's classes is in the labels.
    """
    inputs = [name for name in INPUTS if (name == "stack") == (detector.channels == STACK)]
    judged: dict[str, list[Judged]] = {name: [] for name in inputs}
    for index in range(len(dataset)):
        item = dataset.load(index)
        assert item.objects is not None
        fused = stage.process(item.pair())
        for name, images in judged.items():
            images.append(Judged(item.scene, item.condition, detector.detect(look(fused, name)), item.objects))
        on_pair(index + 1, len(dataset))
    return {name: score(images, resamples) for name, images in judged.items()}


def score_run(found: Sequence[tuple[float, Detections]], scene: Scene) -> Figure | None:
    """Scores what a rig published while it looked at a rendered scene.

    Args:
        found: Seconds of the scene at which the visible left image was taken, and what was found in it. At most `LOOKS`
            of them, evenly spread, are held against the truth, since that takes a moment for each.
        scene: The scene.

    Returns:
        The mean average precision at an overlap of 0.5, of the boxes above the rig's own confidence threshold; None
        where the detector knows no class of which there was an object, or nothing was published.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    chosen = [found[int(index)] for index in np.linspace(0, len(found) - 1, min(len(found), LOOKS))]
    truths = [objects_of(scene.truth(VISIBLE, time)) for time, _ in chosen]
    judged = [Judged("", "", seen, truth) for (_, seen), truth in zip(chosen, truths, strict=True)]
    return score(judged, resamples=0).map50 if can_be_scored(judged) else None


def as_table(scores: Scores) -> str:
    """The figures as a Markdown table."""
    rows = [
        ("all", scores.map50),
        ("all, mAP@.5:.95", scores.map50_95),
        *scores.classes.items(),
        *scores.conditions.items(),
    ]
    lines = ["| | mAP@.5 | 95 % interval | objects |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {_row(figure)} |" for name, figure in rows)]) + "\n"


def _row(figure: Figure) -> str:
    return f"{figure.value:.3f} | {figure.low:.3f} to {figure.high:.3f} | {figure.objects}"
