"""What the trainer of the fusion networks is told, as one YAML file; checked before anything heavy begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from tardal_ros.training.sections import Amount, Natural, Positive, Precision, Rate, Scenes, Section, Share, load

# After `sections`, which says what to do where it is missing.
from pydantic import Field, model_validator  # isort: skip


TargetKind = Literal["stored", "saliency", "visible_saliency"]
"""Where masks come from, see `tardal_ros.training.targets`."""

_NOT_OF = {"tardal": ("channels",), "dgfusion": ("dim", "depth", "norm_steps")}


class Generator(Section):
    """The network that fuses.

    Attributes:
        network: Which one.
        start: Weights file to start from, relative to the working directory; empty for random weights.
        dim: Channels of TarDAL's layers, where it starts from random weights.
        depth: Dense layers of TarDAL, where it starts from random weights.
        channels: Of DGFusion's first layers, where it starts from random weights.
        norm_steps: Of TarDAL: steps over which batch norm goes by the batch and learns its statistics; from then on it
            goes by them, as it will afterwards, and the weights adapt to that. None for all steps, 0 to go by those of
            `start`.
    """

    network: Literal["tardal", "dgfusion"] = "tardal"
    start: str = ""
    dim: Positive = 32
    depth: Positive = 3
    channels: Positive = 16
    norm_steps: Natural | None = None

    @model_validator(mode="after")
    def _fits(self) -> Generator:
        fields = type(self).model_fields
        for key in _NOT_OF[self.network]:
            if getattr(self, key) != fields[key].default:
                raise ValueError(f"generator.{key} is not a key of the network {self.network}: remove it")
        return self


class DetectorSide(Section):
    """The detector that learns beside the generator (modes `tt` and `ct`).

    Attributes:
        model: An ultralytics detection architecture by name.
        start: Its weights, `.safetensors` as `train-detector` writes them; empty for random weights.
        norm_steps: As of the generator. Statistics of a few small crops are not those of whole images: a detector that
            starts from good ones should go by those.
    """

    model: str = "yolo11n"
    start: str = ""
    norm_steps: Natural | None = None


class Folder(Section):
    """Registered pairs on disk, see `tardal_ros.datasets`.

    Attributes:
        root: The folder.
        layout: How it is laid out; `auto` to recognise it.
        part: Which part of it, where it has parts.
        file_list: Names of the pictures to use, one a line; empty for all.
        infer_seen: Take the black border of infrared images as not seen.
    """

    root: str
    layout: str = "auto"
    part: str = ""
    file_list: str = ""
    infer_seen: bool = False


class Rendered(Scenes):
    """Rendered scenes, made on the fly; always of the split `train`.

    Attributes:
        longest: Longer side of the images in pixels; the rig's own is 1024.
    """

    longest: Annotated[int, Field(ge=64)] = 512


class Pairs(Section):
    """Pairs to learn from, or to look at.

    Attributes:
        folders: Those on disk.
        rendered: Those that are rendered.
    """

    folders: tuple[Folder, ...] = ()
    rendered: tuple[Rendered, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Pairs:
        if not self.folders and not self.rendered:
            raise ValueError("it names no pairs, give folders or rendered")
        return self


def _same_pairs(one: Folder, other: Folder) -> bool:
    """Whether two sections name the same pairs: one root, and neither another part nor another list."""
    if Path(one.root).resolve() != Path(other.root).resolve():
        return False
    told = ((one.part, other.part), (one.file_list, other.file_list))
    return all(mine == others or not mine or not others for mine, others in told)


class Data(Section):
    """What to learn from, and how it is cut.

    Attributes:
        train: The pairs to learn from.
        validation: Pairs that are never learned from: a few are shown, with their fusion quality, while it trains, and
            the model card's figures are of all. They must not be among those in `train`.
        crop: Height and width of the crops in pixels; multiples of 8, of 32 with a detector.
        batch: Crops per step, over all processes.
        target: Where the target mask comes from, see `tardal_ros.training.targets`.
        towards_objects: Share of the crops that are laid over an object.
        flip: Share of the crops in which left and right change places.
        flip_vertical: Share of the crops in which top and bottom do, as pictures taken from above may.
        transpose: Share of the crops in which rows and columns do; they must be square.
        colour: By how much brightness, contrast and saturation of the visible image vary, as parts of them.
        tone: By how much gain and offset of the infrared image vary, as parts of it and of its mean.
        broken: Whether a broken file stops the training before it starts, or is left out and named.
        workers: Processes that read ahead, for each process that trains; 0 to read in that one.
    """

    train: Pairs
    validation: Pairs
    crop: tuple[Positive, Positive]
    batch: Positive
    target: TargetKind = "saliency"
    towards_objects: Share = 0.5
    flip: Share = 0.5
    flip_vertical: Share = 0.0
    transpose: Share = 0.0
    colour: Share = 0.2
    tone: Share = 0.1
    broken: Literal["refuse", "skip"] = "refuse"
    workers: Natural = 0

    @model_validator(mode="after")
    def _square(self) -> Data:
        if self.transpose > 0.0 and self.crop[0] != self.crop[1]:
            raise ValueError(f"crop is {list(self.crop)}: crops must be square where transpose is above 0")
        return self

    @model_validator(mode="after")
    def _apart(self) -> Data:
        for mine, other in product(self.train.folders, self.validation.folders):
            if _same_pairs(mine, other):
                raise ValueError(f"train and validation both have pairs of {mine.root}: give another part or file_list")
        for taken, shown in product(self.train.rendered, self.validation.rendered):
            both = range(max(taken.first, shown.first), min(taken.first + taken.seeds, shown.first + shown.seeds))
            if both and taken.view == shown.view and set(taken.conditions) & set(shown.conditions):
                raise ValueError(
                    f"train and validation both have the rendered scenes of seed {both[0]}: give other seeds"
                )
        return self


class Loss(Section):
    """What is minimised: `detection * L_d + fusion * (source + contrast + adversarial * (target + detail))`.

    Attributes:
        source: How the fused image is compared to its sources: `paper` (equations 4 to 6 with the corrections of
            `tardal_ros.training.losses`), `dgfusion` (the published loss of that network, which needs
            `data.target` to be `visible_saliency` and `adversarial` to be 0), or another kind of `source_loss` there.
        pixel: Weight of absolute differences against dissimilarity in `paper` and `legacy`.
        tilt: By how much errors to infrared count; those to the visible image count by what is missing to 2.
        contrast: Weight of infrared's local contrast in and around the targets, see `contrast_term` there; 0 in the
            paper.
        saliency: What weights the sources pixel by pixel: `paper`, `normalised` or `legacy`.
        adversarial: Weight of what the discriminators make of the fused image.
        target_discriminator: Whether there is one that compares targets with infrared.
        detail_discriminator: Whether there is one that compares gradients with the visible image.
        detail_mask: Whether the detail discriminator leaves the targets out, as in the paper; not so in the published
            code.
        adversarial_after: Steps before they count; they learn meanwhile.
        fusion: Weight of the fusion loss against detection (lambda); only in mode `ct`.
        detection: Weight of the detection loss; only in modes `tt` and `ct`.
    """

    source: Literal["paper", "legacy", "ssim_l1", "ms_ssim", "ms_ssim_cubed", "dgfusion"] = "paper"
    pixel: Amount = 20.0
    tilt: Annotated[float, Field(gt=0.0, lt=2.0)] = 1.0
    contrast: Amount = 0.0
    saliency: Literal["paper", "normalised", "legacy"] = "paper"
    adversarial: Amount = 0.1
    target_discriminator: bool = True
    detail_discriminator: bool = True
    detail_mask: bool = False
    adversarial_after: Natural = 0
    fusion: Amount = 1.0
    detection: Amount = 1.0


class Optimizer(Section):
    """AdamW; rates rise over the warm-up, and fall exponentially to `final` of themselves or at milestones.

    Attributes:
        generator: Learning rate of the generator.
        detector: Of the detector.
        discriminators: Of both discriminators; constant.
        final: Fraction of the rates at the last step.
        milestones: Steps at each of which the rates fall to three quarters, as DGFusion's do; none to let them fall
            exponentially.
        warmup: Steps over which they rise.
        weight_decay: Not on biases and norms.
        clip: Largest norm of the gradient.
        average: Decay of the moving average of the weights, which is what comes out.
    """

    generator: Rate = 1e-3
    detector: Rate = 1e-3
    discriminators: Rate = 1e-4
    final: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    milestones: tuple[Positive, ...] = ()
    warmup: Natural = 100
    weight_decay: Amount = 5e-4
    clip: Annotated[float, Field(gt=0.0)] = 10.0
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999


class TrainConfig(Section):
    """How to train a fusion network.

    Attributes:
        mode: `dt` fuses for its own sake, `tt` for detection alone, `ct` for both (TarDAL, section 3.3).
        steps: Steps in all.
        seed: Of weights, crops and everything random.
        precision: `bf16-mixed` runs the networks in bfloat16: half of the time on CPUs with AVX-512 BF16.
        checkpoint_every: Steps between checkpoints: what a killed run loses at most.
        sample_every: Steps between looks at a few validation pairs: a grid of pictures, and their fusion quality.
    """

    mode: Literal["dt", "tt", "ct"]
    steps: Positive
    data: Data
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Precision = "32-true"
    generator: Generator = Generator()
    detector: DetectorSide | None = None
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    checkpoint_every: Positive = 200
    sample_every: Positive = 500

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        multiple = 8 if self.mode == "dt" else 32
        if any(side % multiple for side in self.data.crop):
            raise ValueError(f"data.crop is {list(self.data.crop)}: in mode {self.mode} both must divide by {multiple}")
        if (self.detector is None) != (self.mode == "dt"):
            raise ValueError(
                "detector is not used in mode dt: leave it out"
                if self.mode == "dt"
                else f"mode {self.mode} needs a section detector"
            )
        if (self.loss.source == "dgfusion") != (self.data.target == "visible_saliency"):
            raise ValueError(
                "loss.source dgfusion and data.target visible_saliency belong together: give both, or neither"
            )
        for key in ("adversarial", "contrast"):
            if self.loss.source == "dgfusion" and getattr(self.loss, key) > 0.0:
                raise ValueError(f"loss.{key} needs masks of targets, which loss.source dgfusion has not: set it to 0")
        for name, part in (("generator", self.generator), ("detector", self.detector)):
            if part is not None and part.norm_steps == 0 and not part.start:
                raise ValueError(f"{name}.norm_steps is 0: give {name}.start, whose statistics it is to use")
        return self


def load_config(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Reads and checks a configuration.

    Args:
        path: The YAML file.
        changes: What differs from it, each `key.of.a.section=value`, the value as in YAML.

    Raises:
        RigError: The file cannot be read, a key is missing or unknown, or a value is of another type or out of range.
    """
    return load(TrainConfig, path, changes)
