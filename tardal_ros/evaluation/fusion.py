"""Comparing fusers over a data set."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tardal_ros.datasets.item import Item
from tardal_ros.errors import RigError
from tardal_ros.evaluation.bootstrap import RESAMPLES, Mean, means
from tardal_ros.evaluation.fusion_metric import quality
from tardal_ros.fusion.colour import luma
from tardal_ros.fusion.fuser import Fuser, create_fuser

REFERENCES = ("visible", "infrared")
"""The sources themselves, passed through. They win MI, SSIM and VIF to themselves, and are no rivals."""


@dataclass(frozen=True)
class Comparison:
    """How well fusers do on the same images.

    Attributes:
        images: How many there were.
        fusers: By the fuser's name and the metric's (see `fusion_metric.quality`), the references first.
    """

    images: int
    fusers: Mapping[str, Mapping[str, Mean]]


def create_fusers(specifications: Sequence[str]) -> dict[str, Fuser]:
    """Makes the fusers to compare.

    Args:
        specifications: Each `NAME`, or `NAME:WEIGHTS` for a network with its weights file.

    Returns:
        The fusers by name; one with weights goes by the name of their file, without its ending.

    Raises:
        RigError: Two have the same name, or one cannot be made.
        MissingDependencyError: A library that a fuser needs is not installed.
    """
    fusers: dict[str, Fuser] = {}
    for specification in specifications:
        name, _, weights = specification.partition(":")
        label = Path(weights).stem if weights else name
        if label in fusers:
            raise RigError(f"Two fusers are called '{label}': leave one out, or rename its weights file.")
        fusers[label] = create_fuser(name, weights or None)
    return fusers


def score_fusers(items: Iterable[Item], fusers: Mapping[str, Fuser], resamples: int = RESAMPLES) -> Comparison:
    """Scores fusers on the same pairs, each at its own size.

    What is measured is the fused luma, before chroma is put back, as the field does.

    Args:
        items: Registered pairs.
        fusers: By name; the references are added.
        resamples: How many times scenes are drawn with replacement for the intervals.

    Raises:
        RigError: There are no pairs, or one cannot be fused; the sentence names it.
    """
    compared = {**{name: create_fuser(name) for name in REFERENCES}, **fusers}
    values: dict[str, list[dict[str, float]]] = {name: [] for name in compared}
    scenes = []
    for item in items:
        scenes.append(item.scene)
        try:
            for name, fuser in compared.items():
                values[name].append(_measured(fuser, item))
        except RigError as error:
            raise RigError(f"Pair {item.name}: {error}") from None
    if not scenes:
        raise RigError("There are no pairs to score: give a folder with at least one.")
    return Comparison(len(scenes), {name: means(rows, scenes, resamples) for name, rows in values.items()})


def as_table(comparison: Comparison) -> str:
    """The figures as a Markdown table, with a row for each metric and a column for each fuser."""
    names = list(comparison.fusers)
    lines = [f"| {comparison.images} images | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for metric in comparison.fusers[names[0]]:
        cells = (_cell(comparison.fusers[name][metric]) for name in names)
        lines.append(f"| {metric} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def as_json(comparison: Comparison) -> str:
    """The figures as JSON: `images`, and `fusers` by name and metric; what is not defined is null."""
    figures = {
        name: {metric: {key: _number(number) for key, number in vars(mean).items()} for metric, mean in row.items()}
        for name, row in comparison.fusers.items()
    }
    return json.dumps({"images": comparison.images, "fusers": figures}, indent=1, allow_nan=False) + "\n"


def _measured(fuser: Fuser, item: Item) -> dict[str, float]:
    visible = luma(item.visible)
    return quality(fuser.fuse(visible, item.infrared, item.seen), visible, item.infrared, item.seen)


def _cell(mean: Mean) -> str:
    return f"{mean.value:#.4g} ({mean.low:#.4g} to {mean.high:#.4g})"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 5)
