"""What the lines of a result hold: `offline` and `live` write them, `verdict` reads them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.datasets.labels import Objects
from tardal_ros.types import UNTRACKED, Detections

Boxes = tuple[list[str], NDArray[np.float64]]
"""Classes, and (N, 6) scores, left, top, width, height and track: boxes in a tenth of the memory of their lines."""


def quality_line(values: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics by name; None where one is not defined."""
    return {metric: number(value) for metric, value in values.items()}


def number(value: float) -> float | None:
    """A figure as JSON can hold it."""
    return round(value, 6) if math.isfinite(value) else None


def box_line(name: str, score: float, box: Iterable[float], track: int | None) -> list[Any]:
    """Class, score, left, top, width, height and track of something found."""
    return [name, round(score, 6), *_rounded(box), track]


def object_line(name: str, box: Iterable[float], ignored: bool, object_id: int | None) -> list[Any]:
    """Class, left, top, width, height of an object, whether it need not be found, and its number."""
    return [name, *_rounded(box), ignored, object_id]


def boxes_of(lines: Sequence[Sequence[Any]]) -> Boxes:
    """Takes in what `box_line` returned."""
    rows = [[*each[1:6], UNTRACKED if each[6] is None else each[6]] for each in lines]
    return [each[0] for each in lines], np.array(rows, np.float64).reshape(-1, 6)


def detections_of(boxes: Boxes, names: Sequence[str]) -> Detections:
    """Boxes with their classes as places among the names."""
    classes, numbers = boxes
    return Detections(
        _edges(numbers[:, 1:5]).astype(np.float32),
        numbers[:, 0].astype(np.float32),
        np.array([names.index(name) for name in classes], np.int64),
        tuple(names),
        numbers[:, 5].astype(np.int64),
    )


def objects_of(lines: Sequence[Sequence[Any]], names: Sequence[str]) -> Objects:
    """Takes in what `object_line` returned; without numbers of objects where one has none."""
    ids = [each[6] if len(each) > 6 else None for each in lines]
    return Objects(
        _edges(np.array([each[1:5] for each in lines], np.float64).reshape(-1, 4)),
        np.array([names.index(each[0]) for each in lines], np.int64),
        np.array([each[5] for each in lines], np.bool_),
        tuple(names),
        None if None in ids else np.array(ids, np.int64),
    )


def _rounded(box: Iterable[float]) -> list[float]:
    return [round(value, 3) for value in box]


def _edges(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, top, width and height as edges."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
