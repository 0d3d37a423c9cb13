"""What the training of the detector is told, as one YAML file."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from tardal_ros.datasets.rendered import Plan
from tardal_ros.detection.inputs import INPUTS, STACK
from tardal_ros.errors import RigError
from tardal_ros.files import read_yaml
from tardal_ros.simulation import CONDITIONS

MIXED = "mixed"
"""Inputs: of each moment the fused image and, in turn, the visible or the infrared one by itself."""


@dataclass(frozen=True)
class DetectorConfig:
    """How to train a detector on rendered scenes.

    Attributes:
        model: An ultralytics detection architecture by name; it starts from random weights.
        fuser: What fuses the pairs.
        image_size: Longer side of the images trained on, in pixels; a multiple of 32.
        batch: Images per step.
        epochs: Passes over the training images.
        mosaic_epochs: How many of them, from the first on, put four images together.
        learning_rate: The largest one; it rises over the first epoch and falls as a cosine.
        seed: Of weights and augmentation.
        train: The *train* scenes to learn from.
        validation: The *train* scenes to validate on after each epoch; none of those to learn from.
        test: The *test* scenes for the figures of the model card.
        fuser_weights: Weights file of the fuser; empty for none.
        inputs: What the detector learns to look at: `MIXED`, or one of `detection.inputs.INPUTS` alone.
        start: Weights (`.safetensors`) of a detector of the same architecture to start from, whatever its classes;
            empty for random ones.
        hsv: Whether hue, saturation and brightness of the images are varied; those of a stack never are.
    """

    model: str
    fuser: str
    image_size: int
    batch: int
    epochs: int
    mosaic_epochs: int
    learning_rate: float
    seed: int
    train: Plan
    validation: Plan
    test: Plan
    fuser_weights: str = ""
    inputs: str = MIXED
    start: str = ""
    hsv: bool = True

    def __post_init__(self) -> None:
        _check(self.inputs in (MIXED, *INPUTS), "inputs", self.inputs, f"of {', '.join((MIXED, *INPUTS))}")
        _check(self.image_size >= 32 and self.image_size % 32 == 0, "image_size", self.image_size, "a multiple of 32")
        for name in ("batch", "epochs"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        _check(0 <= self.mosaic_epochs <= self.epochs, "mosaic_epochs", self.mosaic_epochs, f"0 to {self.epochs}")
        _check(0.0 < self.learning_rate < 1.0, "learning_rate", self.learning_rate, "above 0 and below 1")
        _check(self.seed >= 0, "seed", self.seed, "0 or more")
        for name in ("train", "validation", "test"):
            _check_plan(name, getattr(self, name))
        both = set(self.train.scenes()) & set(self.validation.scenes())
        if both:
            seed, condition = min(both)
            raise RigError(
                f"The scene {condition} {seed} is in both train and validation: move one of them by `first`."
            )

    @property
    def channels(self) -> int:
        """How many channels the detector's images have."""
        return STACK if self.inputs == "stack" else 3

    @property
    def weights_of_fuser(self) -> Path | None:
        """The weights file of the fuser, if it has one."""
        return Path(self.fuser_weights) if self.fuser_weights else None


def load_config(path: Path) -> DetectorConfig:
    """Reads and checks a configuration.

    Raises:
        RigError: The file cannot be read, a key is missing or unknown, or a value is out of range.
    """
    read = read_yaml(path)
    try:
        return parse_config(read)
    except RigError as error:
        raise RigError(f"{path}: {error}") from None


def parse_config(read: object) -> DetectorConfig:
    """Checks a configuration that was read.

    Raises:
        RigError: A key is missing or unknown, or a value is out of range.
    """
    values = typed(DetectorConfig, read)
    return DetectorConfig(**{**values, **{name: Plan(**typed(Plan, values[name], f"{name}.")) for name in _PLANS}})


_PLANS = ("train", "validation", "test")
_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "Plan": (dict,),
}


def typed(kind: Any, read: object, prefix: str = "") -> dict[str, Any]:
    """The values of a section, each of the type that its field has.

    Args:
        kind: The dataclass whose fields they are.
        read: What the file has.
        prefix: The section's name and a dot, for messages.

    Raises:
        RigError: A key is missing or unknown, or of another type.
    """
    if not isinstance(read, dict):
        raise RigError(f"{prefix.rstrip('.') or 'the file'} must hold keys and values, not {read!r}.")
    known = {each.name: each for each in fields(kind)}
    for name, value in read.items():
        if name not in known:
            raise RigError(f"There is no key {prefix}{name}: the keys are {', '.join(known)}.")
        wanted = str(known[name].type)
        kinds = _KINDS.get(wanted, (list,))
        if isinstance(value, bool) != (wanted == "bool") or not isinstance(value, kinds):
            raise RigError(f"{prefix}{name} is {value!r}: it must be {wanted}.")
    for name, each in known.items():
        if name not in read and each.default is MISSING and each.default_factory is MISSING:
            raise RigError(f"The key {prefix}{name} is missing: add it.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in read.items()}


def _check_plan(name: str, plan: Plan) -> None:
    _check(len(plan.conditions) > 0, f"{name}.conditions", plan.conditions, f"some of {', '.join(CONDITIONS)}")
    for condition in plan.conditions:
        _check(condition in CONDITIONS, f"{name}.conditions", condition, f"of {', '.join(CONDITIONS)}")
    for key in ("seeds", "images"):
        _check(getattr(plan, key) >= 1, f"{name}.{key}", getattr(plan, key), "1 or more")
    _check(plan.first >= 0, f"{name}.first", plan.first, "0 or more")
    _check(0.0 < plan.every < math.inf, f"{name}.every", plan.every, "above 0 and finite")


def _check(fine: bool, name: str, value: object, wanted: str) -> None:
    if not fine:
        raise RigError(f"{name} is {value!r}: it must be {wanted}.")
