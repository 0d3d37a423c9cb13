"""The figures of a comparison of detectors, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tardal_ros.training.comparison_config import Folds
from tardal_ros.training.detector_config import DetectorConfig


def as_markdown(figures: Mapping[str, Any], config: DetectorConfig, folds: Folds) -> str:
    """The tables of a comparison.

    Args:
        figures: By row: `inputs`, `fuser`, `fuser_weights`, and `scores` by data set, each the values of a `Scores`.
        config: How any of the rows was trained.
        folds: How they were judged on real pairs.
    """
    plan = config.train
    lines = [
        "# What a detector looks at",
        "",
        f"`{config.model}`, trained the same way for each row: images of {config.image_size} pixels,"
        f" {config.epochs} epochs in batches of {config.batch}, learning rate {config.learning_rate:g}, seed"
        f" {config.seed}; {plan.images} moments of {plan.seeds} rendered scenes in each of"
        f" {', '.join(plan.conditions)}. On real pairs it goes on for {folds.steps} steps at {folds.learning_rate:g},"
        f" and is judged on the part held apart. Mean average precision at an overlap of 0.5, with its 95 % interval:"
        " bootstrap over scenes.",
    ]
    for data in dict.fromkeys(data for row in figures.values() for data in row["scores"]):
        scores = {name: row["scores"][data] for name, row in figures.items() if data in row["scores"]}
        some = next(iter(scores.values()))
        lines += ["", f"## {data}", "", f"{some['images']} images of {some['scenes']} scenes."]
        lines += _table(scores, {"all": ("map50",), "mAP@.5:.95": ("map50_95",)})
        for group in ("conditions", "classes"):
            lines += _table(scores, {name: (group, name) for name in some[group]})
    return "\n".join([*lines, ""])


def _table(scores: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A table of rows by columns, which are named by where their figures are in the scores."""
    counts = [_figure(next(iter(scores.values())), keys)["objects"] for keys in columns.values()]
    titles = [f"{title} ({count})" for title, count in zip(columns, counts, strict=True)]
    return [
        "",
        f"| detector (objects) | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(titles)}",
        *(
            f"| {name} | {' | '.join(_cell(_figure(of, keys)) for keys in columns.values())} |"
            for name, of in scores.items()
        ),
    ]


def _figure(scores: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        scores = scores[key]
    return scores


def _cell(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
