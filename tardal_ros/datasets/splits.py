"""Which pictures to learn from and which to judge by: lists, ranges of numbers, and folds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from tardal_ros.capture.folder import SUFFIXES
from tardal_ros.datasets.item import Sample
from tardal_ros.datasets.labels import read_text
from tardal_ros.errors import RigError

AnySample = TypeVar("AnySample", bound=Sample)

_DIGITS = 20


@dataclass(frozen=True)
class Split:
    """What a file says of the pictures of a data set.

    Attributes:
        parts: Names of the pictures of each part, without extension; none where it says nothing of parts.
        scenes: First and last number of the pictures of each scene, both included.
    """

    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scenes: tuple[tuple[int, int], ...] = ()


def read_split(path: Path, part: str | None = None) -> Split:
    """Reads a list of pictures (one name a line), or a YAML file of ranges.

    Such a YAML file has parts by name, `train: [[0, 269], [350, 619]]` with both ends included, and `digits`, of which
    the names of the pictures consist; or `scenes`, ranges as well.

    Args:
        path: The file.
        part: What a list of names is the list of.

    Raises:
        RigError: The file is unusable, or two parts share a picture.
    """
    text = read_text(path)
    if path.suffix not in (".yaml", ".yml"):
        return Split({part or "": tuple(_name(line) for line in text.splitlines() if line.strip())})
    try:
        told: dict[str, Any] = yaml.safe_load(text)
        digits = int(told.pop("digits", 0))
        ranges = {name: [(int(first), int(last)) for first, last in each] for name, each in told.items()}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise RigError(f"{path} is no file of ranges: write lines such as `train: [[0, 269], [350, 619]]`.") from None
    if not 0 <= digits <= _DIGITS:
        raise RigError(f"{path}: digits is {digits}: give 0 to {_DIGITS}, as many as the names of the pictures have.")
    for name, each in ranges.items():
        wrong = [f"{first} to {last}" for first, last in each if not 0 <= first <= last]
        if wrong:
            raise RigError(f"{path}: {name} has the range {wrong[0]}, which is empty: put the smaller number first.")
    scenes = tuple(ranges.pop("scenes", ()))
    parts = {name: expand(each, digits) for name, each in ranges.items()}
    _check_disjoint(path, parts)
    return Split(parts, scenes)


def expand(ranges: Iterable[tuple[int, int]], digits: int) -> tuple[str, ...]:
    """The names of numbered pictures: `expand([(8, 10)], 5)` gives `00008`, `00009` and `00010`."""
    return tuple(f"{number:0{digits}d}" for first, last in ranges for number in range(first, last + 1))


def in_scenes(samples: Iterable[AnySample], scenes: Sequence[tuple[int, int]]) -> list[AnySample]:
    """Puts pictures into the scenes in whose range their number is; others stay where they are."""
    placed = []
    for sample in samples:
        number = re.match(r"\d+", sample.name.rpartition("/")[2])
        at = [f"{first} to {last}" for first, last in scenes if number and first <= int(number[0]) <= last]
        placed.append(replace(sample, scene=at[0]) if at else sample)
    return placed


def folds(samples: Sequence[Sample], k: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Splits samples k times, so that each is judged once, and never by what learnt from its scene.

    Args:
        samples: What to split.
        k: How many folds.
        seed: Shuffles the scenes.

    Returns:
        For each fold the indices to learn from and those to judge by, ascending.

    Raises:
        RigError: There are fewer than two folds, or fewer scenes than folds.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        members[sample.scene].append(index)
    if not 2 <= k <= len(members):
        raise RigError(f"{len(members)} scenes cannot make {k} folds: ask for 2 to {len(members)}.")
    scenes = sorted(members)
    np.random.default_rng(seed).shuffle(scenes)
    judged: list[list[int]] = [[] for _ in range(k)]
    # The large scenes first, each to the fold that has least, so that the folds come out about equal.
    for scene in sorted(scenes, key=lambda scene: -len(members[scene])):
        min(judged, key=len).extend(members[scene])
    everything = range(len(samples))
    return [([index for index in everything if index not in fold], sorted(fold)) for fold in judged]


def _name(line: str) -> str:
    path = Path(line.strip())
    return (path.with_suffix("") if path.suffix.lower() in SUFFIXES else path).as_posix()


def _check_disjoint(path: Path, parts: dict[str, tuple[str, ...]]) -> None:
    seen: dict[str, str] = {}
    for part, names in parts.items():
        for name in names:
            if name in seen:
                raise RigError(f"{path}: {name} is in {seen[name]} and in {part}: it can be in one of them only.")
            seen[name] = part
