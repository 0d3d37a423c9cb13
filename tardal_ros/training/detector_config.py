"""What the training of the detector is told, as one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tardal_ros.detection.inputs import INPUTS, STACK
from tardal_ros.training.sections import Natural, Positive, Precision, Rate, Scenes, Section, load

# After `sections`, which says what to do where it is missing.
from pydantic import Field, model_validator  # isort: skip

MIXED = "mixed"
"""Inputs: of each moment the fused image and, in turn, the visible or the infrared one by itself."""
_INPUTS = (MIXED, *INPUTS)


class DetectorConfig(Section):
    """How to train a detector on rendered scenes.

    Attributes:
        model: An ultralytics detection architecture by name.
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
        scale: Fraction of the resolution that it fuses at, as in the rig where the detector will work.
        inputs: What the detector learns to look at: `MIXED`, or one of `detection.inputs.INPUTS` alone.
        start: Weights (`.safetensors`) of a detector of the same architecture to start from, whatever its classes; a
            stack may start from one of colour images. Empty for random ones.
        hsv: Whether hue, saturation and brightness of the images are varied; those of a stack never are.
        precision: `bf16-mixed` runs the network in bfloat16: about half of the time on CPUs with AVX-512 BF16.
        name: What its files are called.
    """

    model: str
    fuser: str
    image_size: Annotated[int, Field(ge=32, multiple_of=32)]
    batch: Positive
    epochs: Positive
    mosaic_epochs: Natural
    learning_rate: Rate
    seed: Natural
    train: Scenes
    validation: Scenes
    test: Scenes
    fuser_weights: str = ""
    scale: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    inputs: Literal[_INPUTS] = MIXED  # type: ignore[valid-type]
    start: str = ""
    hsv: bool = True
    precision: Precision = "32-true"
    name: Annotated[str, Field(pattern=r"^[\w-]+$")] = "detector"

    @model_validator(mode="after")
    def _fits(self) -> DetectorConfig:
        if self.mosaic_epochs > self.epochs:
            raise ValueError(f"mosaic_epochs is {self.mosaic_epochs}: there are {self.epochs} epochs")
        both = set(self.train.plan().scenes()) & set(self.validation.plan().scenes())
        if both:
            seed, condition = min(both)
            raise ValueError(
                f"the scene {condition} {seed} is in both train and validation: move one of them by `first`"
            )
        return self

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
    return load(DetectorConfig, path)
