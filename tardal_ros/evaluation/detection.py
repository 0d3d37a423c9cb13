"""Scoring a detector on labelled pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tardal_ros.datasets.rendered import Plan, objects_of, rendered_examples
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.inputs import INPUTS, STACK, look
from tardal_ros.evaluation.detection_metric import RESAMPLES, Figure, Judged, Scores, can_be_scored, score
from tardal_ros.evaluation.truth import read_folder, save_example
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.simulation import VISIBLE, Scene
from tardal_ros.types import Detections

# A precision is the mean over all recalls, so that detections of little confidence count too.
CONFIDENCE = 0.01

LOOKS = 24
"""Images of a run that are held against the truth."""


def prepare_test_scenes(
    folder: Path, plan: Plan, on_scene: Callable[[int, int], None] = lambda done, all: None
) -> None:
    """Renders *test* scenes into a folder for `score_folder`; what is there already is kept.

    Raises:
        RigError: The folder cannot be written.
    """
    scenes = plan.scenes()
    for done, (seed, condition) in enumerate(scenes):
        on_scene(done, len(scenes))
        done_before = list((folder / "objects").glob(f"test_{condition}_{seed}_*.json"))
        if len(done_before) < plan.images:
            for example in rendered_examples(seed, condition, "test", plan.times()):
                save_example(folder, example)
    on_scene(len(scenes), len(scenes))


def score_folder(
    detector: Detector, folder: Path, stage: FusionStage, resamples: int = RESAMPLES
) -> dict[str, Scores]:
    """Scores a detector on a folder of labelled pairs, by what it looks at (see `detection.inputs`).

    Args:
        detector: Its confidence threshold should be low (see `CONFIDENCE`).
        folder: See `read_folder`.
        stage: What fuses the pairs.
        resamples: See `score`.

    Returns:
        The scores on fused, visible and infrared images, or on the stack where the detector takes four channels.

    Raises:
        RigError: The folder cannot be used, or none of the detector's classes is in the labels.
    """
    inputs = [name for name in INPUTS if (name == "stack") == (detector.channels == STACK)]
    judged: dict[str, list[Judged]] = {name: [] for name in inputs}
    for example in read_folder(folder):
        fused = stage.process(example.pair)
        for name, images in judged.items():
            found = detector.detect(look(fused, name))
            images.append(Judged(example.scene, example.condition, found, example.objects))
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
