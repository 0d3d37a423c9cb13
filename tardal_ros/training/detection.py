"""Detection as a loss: what an ultralytics model says of an image, with a gradient that reaches the image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, device, nn
from torch.autograd import Function

from tardal_ros.detection.inputs import STACK
from tardal_ros.detection.offline import contained
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection_metric import class_key
from tardal_ros.fusion.weights import read_checkpoint

_FAMILIES = "choose a detector of the families yolov5u, yolov8, yolo11 and yolo26, such as yolo11n"

COLOURS = 3
"""Channels of images in colour."""

STRIDE = 32
"""What both sides of an image must be multiples of: the coarsest stride of the models."""


@dataclass(frozen=True, eq=False)
class DetectorWeights:
    """A detector's weights and what it takes to build the model that they are of.

    Attributes:
        path: The file.
        model: The architecture, an ultralytics name.
        names: The class names, in the order of the model's outputs.
        channels: How many channels its images have.
        image_size: Longer side of the images that it learnt from, in pixels.
        state: Tensors by state-dict key, on the CPU.
    """

    path: Path
    model: str
    names: tuple[str, ...]
    channels: int
    image_size: int
    state: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class DetectionLoss:
    """What a detector says of a batch.

    Attributes:
        total: Scalar with a gradient. It does not grow with the number of images or objects.
        parts: Its summands by name, without gradient.
    """

    total: Tensor
    parts: dict[str, Tensor]


class DetectionTask:
    """An ultralytics detection model (v5u, v8, 11, 26) with its own criterion.

    It is no `nn.Module`, so that `model` can be registered wherever its weights are to be trained and saved.

    Args:
        model: The architecture by its ultralytics name, such as `yolo11n`.
        names: The class names of the labels.
        start: Weights as `train-detector` writes them (`.safetensors`); empty for random ones, by torch's seed.
        channels: How many channels the images have.

    Attributes:
        model: The `ultralytics.nn.tasks.DetectionModel`, in training mode. Its mode is the caller's to choose, as with
            any module: in training mode the batch norms go by the batch and learn, in evaluation mode they go by what
            they have learnt; the loss is defined, and differentiable, in both.

    Raises:
        RigError: There is no such architecture, or the weights cannot be read, are of another one, or of other classes.
        MissingDependencyError: torch or ultralytics is not installed.
    """

    def __init__(self, model: str, names: Sequence[str], start: str | Path = "", channels: int = 3) -> None:
        if start:
            weights = read_weights(Path(start))
            check_architecture(weights, model, channels)
            if weights.names != tuple(names):
                raise RigError(
                    f"The detector {start} knows the classes {', '.join(weights.names)}, but the labels have"
                    f" {', '.join(names)}: give weights for these classes, in this order, or begin from random ones."
                )
        self.model = model_of(weights) if start else build_model(model, names, channels)
        self._criteria: dict[device, Any] = {}

    def parameters(self) -> Iterator[nn.Parameter]:
        """What there is to train."""
        return iter(self.model.parameters())

    def state_dict(self) -> dict[str, Tensor]:
        """The model's weights and statistics; see `detector_release.state_dict` for a file of them."""
        return dict(self.model.state_dict())

    def loss(self, images: Tensor, boxes: Tensor) -> DetectionLoss:
        """The model's own loss: boxes, classes, and the distribution or distance of edges.

        With several processes, each divides by the objects of its own share of a batch, as ultralytics does.

        Args:
            images: (N, C, H, W) in [0, 1], RGB where there are three channels; both sides are multiples of `STRIDE`.
            boxes: (M, 6), an object each: index of its image, class, then centre x, centre y, width and height
                relative to the image. M may be 0.

        Raises:
            RigError: The images are of a size that the model cannot look at.
        """
        count, _, height, width = images.shape
        if height % STRIDE or width % STRIDE or count * height * width < 2 * STRIDE**2:
            raise RigError(
                f"A detector cannot learn from {count} images of {width}x{height} pixels: both sides must be multiples"
                f" of {STRIDE}, and a batch must have more than {STRIDE}x{STRIDE} pixels in all."
            )
        if images.device not in self._criteria:  # a criterion has tensors of its own, which do not move with the model
            self._criteria[images.device] = self.model.init_criterion()
        boxes = boxes[boxes[:, 0].argsort(stable=True)]  # the criterion counts on it
        batch = {"batch_idx": boxes[:, 0], "cls": boxes[:, 1], "bboxes": boxes[:, 2:]}
        predicted = in_full(self.model(images))
        with torch.autocast(images.device.type, enabled=False):
            summed, told = self._criteria[images.device](predicted, batch)
        parts = summed / count  # by which ultralytics multiplies, since it adds up gradients of batches
        return DetectionLoss(parts.sum(), dict(zip(told, parts.detach(), strict=True)))


def build_model(model: str, names: Sequence[str], channels: int = 3) -> Any:
    """Builds an `ultralytics.nn.tasks.DetectionModel` with random weights, offline.

    Its head must be a plain `Detect`, as in YOLOv5u, YOLOv8, YOLO11 and YOLO26: losses of others are of another form.

    Args:
        model: The architecture by its ultralytics name.
        names: The class names.
        channels: How many channels its images have.

    Raises:
        RigError: There is no such architecture, or it is none that is known to learn here.
        MissingDependencyError: torch or ultralytics is not installed.
    """
    with contained():
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.modules import Detect
        from ultralytics.nn.tasks import DetectionModel
    try:
        built = DetectionModel(f"{model}.yaml", ch=channels, nc=len(names), verbose=False)
    except FileNotFoundError:
        raise RigError(f"There is no detection model '{model}': give an ultralytics name such as yolo11n.") from None
    except Exception as error:  # what ultralytics raises for a model of another kind may be anything
        why = " ".join(str(error).split())
        raise RigError(f"The model '{model}' cannot be built as a detector ({why}): {_FAMILIES}.") from error
    if type(built.model[-1]) is not Detect:
        raise RigError(f"The model '{model}' has the head {type(built.model[-1]).__name__}: {_FAMILIES}.")
    built.names = dict(enumerate(names))
    built.args = get_cfg()  # the gains of the loss
    return built


def model_of(weights: DetectorWeights) -> Any:
    """The model that weights are of, with them.

    Raises:
        RigError: They do not fit the model that their file names.
    """
    model = build_model(weights.model, weights.names, weights.channels)
    try:
        model.load_state_dict(weights.state)
    except RuntimeError:
        raise RigError(
            f"The weights {weights.path} do not fit {weights.model}, of which they say to be: get or train them again."
        ) from None
    return model


def channels_of(model: Any) -> int:
    """How many channels the images of a detection model have."""
    return int(next(model.parameters()).shape[1])  # of the first convolution


def read_weights(path: Path) -> DetectorWeights:
    """Reads what `detector_release.state_dict` wrote.

    Raises:
        RigError: The file is missing or damaged, or does not say what model it is of.
    """
    state = read_checkpoint(path).state
    told: dict[str, str] = {}
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
    try:
        names = tuple(str(name) for name in json.loads(told["names"]))
        return DetectorWeights(path, told["model"], names, int(told.get("channels", "3")), int(told["imgsz"]), state)
    except (KeyError, TypeError, ValueError):
        raise RigError(
            f"The weights {path} do not say of which detection model they are: give a .safetensors file that"
            " train-detector wrote."
        ) from None


def check_architecture(weights: DetectorWeights, model: str, channels: int, widened: bool = False) -> None:
    """Refuses weights of another architecture.

    Args:
        weights: The weights.
        model: The architecture that is asked for.
        channels: How many channels it has.
        widened: Whether weights of colour images may serve for a stack, see `adopt`.

    Raises:
        RigError: The sentence says which one they are of.
    """
    fit = {channels, COLOURS} if widened and channels == STACK else {channels}
    if weights.model != model or weights.channels not in fit:
        raise RigError(
            f"The weights {weights.path} are of a {weights.model} for {weights.channels} channels, not of a {model} for"
            f" {channels}: give others, or change the model."
        )


def adopt(model: Any, weights: DetectorWeights) -> None:
    """Gives a model the weights of one that may know other classes.

    Classes of one name keep what was learnt of them (a `person` is one of the `People`); others begin at random. Given
    weights of three channels, a model of four looks at the mean of the visible and the infrared image to begin with.

    Args:
        model: A `DetectionModel` of the same architecture, with its class names.
        weights: The weights.
    """
    source, names = model_of(weights), model.names
    for each in (model, source):
        each.names = {number: class_key(name) for number, name in each.names.items()}
    model.load(source, verbose=False)
    model.names = names
    if (channels_of(source), channels_of(model)) == (COLOURS, STACK):
        first = next(source.parameters()).detach()
        with torch.no_grad():
            next(model.parameters()).copy_(torch.cat([first, first.sum(dim=1, keepdim=True)], dim=1) / 2)


def predict_in_half(model: Any) -> None:
    """Makes a model predict in bfloat16, and its loss be computed from that in single precision.

    Sixteen bits place no edge of a box well enough. It is this object that changes, not its weights and no copy.

    Args:
        model: A `DetectionModel` that is to be trained.
    """
    forward = model.forward

    def predict(given: Any, *rest: Any, **named: Any) -> Any:
        if isinstance(given, dict):  # a batch with its labels: the loss of the predictions that follow
            return forward(given, *rest, **named)
        with torch.autocast(given.device.type, torch.bfloat16):
            return in_full(forward(given, *rest, **named))

    model.forward = predict


def in_full(values: Any) -> Any:
    """Predictions in single precision: a tensor, or lists and dictionaries of them."""
    if isinstance(values, Tensor):
        return values.float()
    if isinstance(values, dict):
        return {key: in_full(value) for key, value in values.items()}
    return type(values)(in_full(value) for value in values)


def luma(rgb: Tensor) -> Tensor:
    """The Y of RGB images (ITU-R BT.601): (N, 3, H, W) to (N, 1, H, W)."""
    return (rgb * rgb.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)


def recombine(fused: Tensor, visible: Tensor) -> Tensor:
    """The fused luma with the chroma of the visible image, as the nodes do it (see `fusion.colour.with_luma`).

    With Cb and Cr kept, R, G and B each change by just what Y changes. Luma and result are clamped to [0, 1], and the
    gradient one-sidedly: a value that is out of range still feels what would bring it back, so that a saturated pixel
    can learn, but not what would take it further out, where nothing changes.

    Args:
        fused: (N, 1, H, W), of any range.
        visible: (N, 3, H, W) RGB in [0, 1].

    Returns:
        (N, 3, H, W) RGB in [0, 1].
    """
    return _clamp(visible + (_clamp(fused) - luma(visible)))


def _clamp(values: Tensor) -> Tensor:
    clamped: Tensor = _Clamp.apply(values)  # type: ignore[no-untyped-call]
    return clamped


class _Clamp(Function):
    """Clamps to [0, 1]; its gradient never points further out."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        context.save_for_backward(values)
        return values.clamp(0.0, 1.0)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (values,), (gradient,) = context.saved_tensors, gradients
        # Descent goes against the gradient: above 1 a positive one leads back, below 0 a negative one.
        further_out = ((values > 1.0) & (gradient < 0.0)) | ((values < 0.0) & (gradient > 0.0))
        return gradient.masked_fill(further_out, 0.0)
