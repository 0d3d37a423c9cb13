"""What a comparison of detectors is told, as one YAML file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tardal_ros.detection.inputs import INPUTS
from tardal_ros.errors import RigError
from tardal_ros.files import read_yaml
from tardal_ros.training.detector_config import DetectorConfig, parse_config, typed


@dataclass(frozen=True)
class Folds:
    """How real pairs are judged: by detectors that learnt from the other ones.

    Attributes:
        count: In how many parts they are divided.
        steps: Steps of the training that goes on with the detector of rendered scenes, at least.
        learning_rate: The largest one.
    """

    count: int = 3
    steps: int = 300
    learning_rate: float = 0.0005


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        rows: How each detector is trained, by the row's name; they differ in what they look at and in nothing else.
        folds: How they are judged on real pairs.
    """

    rows: dict[str, DetectorConfig]
    folds: Folds


def load_comparison(path: Path) -> Comparison:
    """Reads and checks a configuration: `detector` as in `DetectorConfig`, `folds`, and `rows`.

    A row has a `name`, its `inputs` (see `detection.inputs`), and where they are `fused`, a `fuser` and, if that takes
    any, its `fuser_weights`.

    Raises:
        RigError: The file cannot be read, a key is missing or unknown, or a value is out of range.
    """
    read = read_yaml(path)
    try:
        if not isinstance(read, dict) or set(read) != {"detector", "folds", "rows"}:
            raise RigError("It must have the keys detector, folds and rows, and no others.")
        folds, rows = Folds(**typed(Folds, read["folds"], "folds.")), read["rows"]
        if folds.count < 2 or folds.steps < 1 or not 0.0 < folds.learning_rate < 1.0:
            raise RigError("folds.count must be 2 or more, folds.steps 1 or more, folds.learning_rate between 0 and 1.")
        if not isinstance(rows, list) or not rows:
            raise RigError("rows must list at least one row.")
        configs = dict(_row(row, read["detector"]) for row in rows)
        if len(configs) < len(rows):
            raise RigError("Two rows have the same name: give each its own.")
    except RigError as error:
        raise RigError(f"{path}: {error}") from None
    return Comparison(configs, folds)


@dataclass(frozen=True)
class _Row:
    name: str
    inputs: str
    fuser: str = ""
    fuser_weights: str = ""


def _row(read: object, detector: object) -> tuple[str, DetectorConfig]:
    row = _Row(**typed(_Row, read, "rows."))
    if not re.fullmatch(r"[\w-]+", row.name):
        raise RigError(f"The row {row.name!r} cannot be the name of a folder: use letters, digits, - and _.")
    if row.inputs not in INPUTS:
        raise RigError(f"The row {row.name} has the inputs {row.inputs!r}: choose one of {', '.join(INPUTS)}.")
    if (row.inputs == "fused") != bool(row.fuser):
        raise RigError(f"The row {row.name} must have a fuser if its inputs are fused, and none else.")
    if not isinstance(detector, dict) or _VARIED & set(detector):
        raise RigError(f"detector must hold keys and values, without {', '.join(sorted(_VARIED))}: rows have those.")
    # What does not look at fused images gets the fuser that does nothing.
    varied = {"inputs": row.inputs, "fuser": row.fuser or "visible", "fuser_weights": row.fuser_weights}
    return row.name, parse_config({**detector, **varied})


_VARIED = {"inputs", "fuser", "fuser_weights"}
