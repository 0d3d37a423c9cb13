"""What all configurations share: typed sections in YAML, sentences about what is wrong, folders that are theirs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml

from tardal_ros.datasets.rendered import Plan
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.files import read_yaml, replace_text
from tardal_ros.simulation import CONDITIONS, VIEWS

try:
    from pydantic import BaseModel, ConfigDict, Field, ValidationError
except ImportError as error:
    raise MissingDependencyError("Training needs pydantic: run `pip install '.[train]'` in the checkout.") from error

Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0.0)]
Rate = Annotated[float, Field(gt=0.0, lt=1.0)]
Precision = Literal["32-true", "bf16-mixed"]
"""Names of Lightning Fabric: all in single precision, or networks in bfloat16 and losses in single precision."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]

Kind = TypeVar("Kind", bound="Section")


class Section(BaseModel):
    """Keys and values of a configuration, each of its own type, none unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def but(self: Kind, **changes: Any) -> Kind:
        """A copy with some values changed.

        Raises:
            pydantic.ValidationError: One of them does not fit.
        """
        return type(self).model_validate(dict(self) | changes)


class Scenes(Section):
    """Rendered scenes.

    Attributes:
        seeds: How many scenes of each condition.
        first: The first seed.
        images: Moments of each scene.
        every: Seconds from one to the next.
        conditions: Conditions of the scenes.
        view: From a car's roof, or from a drone.
    """

    seeds: Positive
    first: Natural = 0
    images: Positive = 8
    every: Annotated[float, Field(gt=0.0)] = 4.0
    conditions: Annotated[tuple[Literal[CONDITIONS], ...], Field(min_length=1)] = CONDITIONS  # type: ignore[valid-type]
    view: Literal[VIEWS] = "vehicle"  # type: ignore[valid-type]

    def plan(self) -> Plan:
        """The scenes for the renderer."""
        return Plan(self.conditions, self.seeds, self.first, self.images, self.every, self.view)


def parse(kind: type[Kind], read: object) -> Kind:
    """Checks what was read from a file.

    Raises:
        RigError: A key is missing or unknown, or a value is of another type or out of range.
    """
    try:
        # By way of JSON, whose arrays are tuples as well, so that everything else can be strict.
        return kind.model_validate_json(json.dumps(read))
    except ValidationError as error:
        raise RigError(_sentence(error)) from None
    except (TypeError, ValueError) as error:  # a date, or an alias of itself
        raise RigError(f"{error}.") from None


def load(kind: type[Kind], path: Path, changes: Sequence[str] = ()) -> Kind:
    """Reads and checks a configuration.

    Args:
        kind: What it must hold.
        path: The YAML file.
        changes: What differs from it, each `key.of.a.section=value`, the value as in YAML.

    Raises:
        RigError: The file cannot be read, a key is missing or unknown, or a value is of another type or out of range.
    """
    read = read_yaml(path)
    for change in changes:
        _apply(read, change)
    try:
        return parse(kind, read)
    except RigError as error:
        raise RigError(f"{path}: {error}") from None


def as_text(section: Section) -> str:
    """A configuration as YAML, with every key."""
    return yaml.safe_dump(section.model_dump(mode="json"), sort_keys=False)


def claim(path: Path, told: Section) -> None:
    """Makes a folder that of what its file tells; keys that an earlier version did not know have their defaults.

    Args:
        path: The file; is written with its folder where it is missing.
        told: What the folder is made with.

    Raises:
        RigError: The folder was made with something else, or cannot be written.
    """
    if not path.exists():
        replace_text(path, as_text(told))
        return
    try:
        before = load(type(told), path)
    except RigError as error:
        raise RigError(f"{error} So nobody can tell what {path.parent} was made with: choose another folder.") from None
    if before != told:
        difference = _difference(before.model_dump(mode="json"), told.model_dump(mode="json"))
        raise RigError(
            f"{path.parent} was made with another configuration, which {path} tells: its {difference}; give that one to"
            " go on, or choose another folder."
        )


def _difference(before: Any, told: Any, key: str = "") -> str:
    """The first value in which two configurations differ."""
    if not isinstance(before, dict) or not isinstance(told, dict):
        return f"{key} is {before}, not {told}"
    name = next(name for name in told.keys() | before.keys() if before.get(name) != told.get(name))
    return _difference(before.get(name), told.get(name), f"{key}.{name}".lstrip("."))


def _apply(read: Any, change: str) -> None:
    try:
        key, value = change.split("=", 1)
        *sections, last = key.split(".")
        for name in sections:
            read = read.setdefault(name, {})
        read[last] = yaml.safe_load(value)
    except (AttributeError, TypeError, ValueError, yaml.YAMLError):
        raise RigError(
            f"The change '{change}' cannot be made: give a key and a value, such as loss.adversarial=0.2."
        ) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"there is no key {key}: remove it, or look for the name that is meant in config/train."
    if first["type"] == "missing":
        return f"the key {key} is missing: add it."
    told = first["msg"].removeprefix("Value error, ")
    if not key:
        return f"{told}."
    shown = f"{key} is {first['input']!r}" if not isinstance(first["input"], dict) else key
    hint = _as_number(first["input"]) if first["type"] == "float_type" else ""
    return f"{shown}: {told[0].lower()}{told[1:]}{hint}."


def _as_number(value: object) -> str:
    """How to write a number that YAML reads as text, as it does 1e-3."""
    try:
        known = isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        known = False
    return f", and YAML reads this as text; write {Decimal(str(value)):f}" if known else ""
