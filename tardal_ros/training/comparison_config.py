"""What a comparison of detectors is told, as one YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tardal_ros.detection.inputs import INPUTS
from tardal_ros.errors import RigError
from tardal_ros.training.detector_config import DetectorConfig
from tardal_ros.training.sections import Positive, Rate, Section, load, parse

# After `sections`, which says what to do where it is missing.
from pydantic import Field, model_validator  # isort: skip


class Folds(Section):
    """How real pairs are judged: by detectors that learnt from the other ones.

    Attributes:
        count: In how many parts they are divided.
        steps: Steps of the training that goes on with the detector of rendered scenes, at least.
        learning_rate: The largest one.
    """

    count: Annotated[int, Field(ge=2)] = 3
    steps: Positive = 300
    learning_rate: Rate = 0.0005


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        rows: How each detector is trained, by the row's name; they differ in what they look at and in nothing else.
        folds: How they are judged on real pairs.
    """

    rows: Mapping[str, DetectorConfig]
    folds: Folds


def load_comparison(path: Path) -> Comparison:
    """Reads and checks a configuration: `detector` as in `DetectorConfig`, `folds`, and `rows`.

    A row has a `name`, its `inputs` (see `detection.inputs`), and where they are `fused`, a `fuser` and, if that takes
    any, its `fuser_weights`.

    Raises:
        RigError: The file cannot be read, a key is missing or unknown, or a value is out of range.
    """
    told = load(_Told, path)
    try:
        rows = {row.name: parse(DetectorConfig, {**told.detector, **row.varied()}) for row in told.rows}
    except RigError as error:
        raise RigError(f"{path}: detector: {error}") from None
    return Comparison(rows, told.folds)


class _Row(Section):
    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    inputs: Literal[INPUTS]  # type: ignore[valid-type]
    fuser: str = ""
    fuser_weights: str = ""

    @model_validator(mode="after")
    def _fits(self) -> _Row:
        if (self.inputs == "fused") != bool(self.fuser):
            raise ValueError(f"the row {self.name} must have a fuser if its inputs are fused, and none else")
        return self

    def varied(self) -> dict[str, str]:
        # What does not look at fused images gets the fuser that does nothing.
        return {"inputs": self.inputs, "fuser": self.fuser or "visible", "fuser_weights": self.fuser_weights}


class _Told(Section):
    detector: dict[str, Any]
    folds: Folds
    rows: Annotated[tuple[_Row, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> _Told:
        if len({row.name for row in self.rows}) < len(self.rows):
            raise ValueError("two rows have the same name: give each its own")
        if varied := {"inputs", "fuser", "fuser_weights"} & set(self.detector):
            raise ValueError(f"detector must not hold {', '.join(sorted(varied))}: rows have those")
        return self
