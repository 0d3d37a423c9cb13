"""The detector: any model that proposes boxes, behind one set of thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection.boxes import Boxes, is_finite, suppress
from tardal_ros.detection.laps import Laps
from tardal_ros.errors import RigError
from tardal_ros.types import Detections


class Model(Protocol):
    """What finds things: a network or a classical detector."""

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in the model's order."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu` or `cuda:N`."""

    @property
    def channels(self) -> int:
        """How many channels its images have; a model of three takes grey images too."""

    @property
    def laps(self) -> Laps:
        """Times of its steps, to which its user adds others."""

    def find(self, image: NDArray[np.uint8]) -> Boxes:
        """Proposes boxes for a contiguous (H, W) grey or (H, W, channels) uint8 image, unfiltered."""


class Detector:
    """Finds objects in images with one model.

    The thresholds may be set at any time, also from another thread while an image is being worked on.
    """

    def __init__(
        self,
        model: Model,
        *,
        confidence: float = 0.25,
        iou: float = 0.45,
        max_detections: int = 300,
        classes: Sequence[str] | None = None,
    ) -> None:
        """See `create_detector`."""
        self._model = model
        self.confidence = confidence
        self.iou = iou
        self.max_detections = max_detections
        self.classes = classes

    @property
    def names(self) -> tuple[str, ...]:
        """The model's class names, in its order."""
        return self._model.names

    @property
    def device(self) -> str:
        """Where the model runs: `cpu` or `cuda:N`."""
        return self._model.device

    @property
    def channels(self) -> int:
        """How many channels its images have; a detector of three takes grey images too."""
        return self._model.channels

    @property
    def laps(self) -> Laps:
        """How long its steps take."""
        return self._model.laps

    @property
    def confidence(self) -> float:
        """Lowest score of a box, in [0, 1]."""
        return self._confidence

    @confidence.setter
    def confidence(self, value: float) -> None:
        self._confidence = _fraction("confidence", value)

    @property
    def iou(self) -> float:
        """Overlap (intersection over union) above which the weaker of two boxes of a class goes, in [0, 1]."""
        return self._iou

    @iou.setter
    def iou(self, value: float) -> None:
        self._iou = _fraction("iou", value)

    @property
    def max_detections(self) -> int:
        """Most boxes per image; the best stay."""
        return self._max_detections

    @max_detections.setter
    def max_detections(self, value: int) -> None:
        if not isinstance(value, int) or value < 1:
            raise RigError(f"max_detections is {value!r}; give a whole number of 1 or more.")
        self._max_detections = value

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes reported; None for all."""
        return self._classes

    @classes.setter
    def classes(self, value: Sequence[str] | None) -> None:
        names = tuple(value) if value is not None else None
        unknown = sorted(set(names or ()) - set(self.names))
        if unknown:
            raise RigError(f"The model has no class {unknown[0]!r}; it has {', '.join(self.names)}.")
        self._classes = names

    def detect(self, image: NDArray[np.uint8], lowest: float = 1.0) -> Detections:
        """Finds the objects in one image.

        Args:
            image: (H, W) grey or (H, W, 3) BGR, for a model of four channels (H, W, 4); uint8. Strided and read-only
                arrays will do.
            lowest: Report boxes down to this score where it is below `confidence`; the others stay as they are.

        Returns:
            The boxes, best first, clipped to the image.

        Raises:
            RigError: The image is empty, or not of eight bits and the model's channels.
        """
        check_image(image, self.channels)
        height, width = image.shape[:2]
        boxes = self._model.find(np.ascontiguousarray(image))
        with self.laps.time("nms"):
            boxes = boxes[self._wanted(boxes, lowest)].clipped(width, height).by_score()
            if not boxes.unique:
                boxes = suppress(boxes, self.iou, self.max_detections)
            boxes = boxes[: self.max_detections]
        return Detections(
            boxes.xyxy.astype(np.float32),
            boxes.scores.astype(np.float32),
            boxes.class_ids.astype(np.int64),
            self.names,
        )

    def _wanted(self, boxes: Boxes, lowest: float) -> NDArray[np.bool_]:
        """(N,) which boxes are valid, sure enough and of a class asked for."""
        wanted = is_finite(boxes) & (boxes.scores >= min(self.confidence, lowest))
        if (classes := self.classes) is not None:
            wanted &= np.isin(boxes.class_ids, [index for index, name in enumerate(self.names) if name in classes])
        return wanted


def create_detector(
    weights: str | PathLike[str] = "hog",
    *,
    confidence: float = 0.25,
    iou: float = 0.45,
    max_detections: int = 300,
    classes: Sequence[str] | None = None,
    device: str = "auto",
    image_size: int | None = None,
    trust_weights: bool = False,
    trusted: str | PathLike[str] | None = None,
) -> Detector:
    """Loads a detector.

    Args:
        weights: `hog` (OpenCV's people detector, on the CPU, no weights), an ultralytics detection checkpoint `.pt`,
            or a detection model that ultralytics exported to `.onnx`.
        confidence: Lowest score of a box, in [0, 1].
        iou: Overlap above which the weaker of two boxes of a class goes, in [0, 1].
        max_detections: Most boxes per image.
        classes: Names of the classes to report; None for all.
        device: Where a network runs: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
        image_size: Longer side in pixels at which a network looks; None for the size it was trained or exported at.
        trust_weights: Load a `.pt` although its sha256 is not in the list of trusted weights. It can run any code.
        trusted: The list of trusted weights; None for the one the package ships.

    Raises:
        RigError: The weights are missing, broken, not trusted or no detection model, or an option is out of range.
        MissingDependencyError: A library that these weights need is not installed.
    """
    model = _load(weights, device, image_size, trust_weights, trusted)
    return Detector(model, confidence=confidence, iou=iou, max_detections=max_detections, classes=classes)


def _load(
    weights: str | PathLike[str],
    device: str,
    image_size: int | None,
    trust_weights: bool,
    trusted: str | PathLike[str] | None,
) -> Model:
    if weights == "hog":
        from tardal_ros.detection.hog import Hog

        return Hog()
    path = Path(weights)
    if path.suffix not in (".pt", ".onnx"):
        raise RigError(f"The detector weights {path} are not known: give `hog`, an ultralytics .pt or an .onnx file.")
    if not path.is_file():
        raise RigError(f"The detector weights {path} do not exist; check the path (nothing is downloaded).")
    from tardal_ros.detection.yolo import Yolo

    if path.suffix == ".onnx":
        from tardal_ros.detection.exported import load_exported

        return Yolo(load_exported(path, device), image_size)
    from tardal_ros.detection.checkpoint import load_checkpoint
    from tardal_ros.detection.trust import read_trusted

    data = path.read_bytes() if trust_weights else read_trusted(path, trusted)
    return Yolo(load_checkpoint(path, data, device), image_size)


def check_image(image: NDArray[Any], channels: int = 3) -> None:
    """Refuses what is not an image of eight bits and so many channels; for three, grey will do.

    Raises:
        RigError: The image is empty, or of another layout or type.
    """
    fits = image.shape[2:] == (channels,) or (channels == 3 and image.ndim == 2)
    if image.dtype != np.uint8 or not fits:
        layout = "grey (H, W) or BGR (H, W, 3)" if channels == 3 else f"(H, W, {channels})"
        raise RigError(f"The detector takes 8-bit {layout} images, not {image.dtype} of shape {image.shape}.")
    if image.size == 0:
        raise RigError(f"The detector got an empty image of shape {image.shape}.")


def _fraction(name: str, value: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or not 0 <= value <= 1
    ):
        raise RigError(f"{name} is {value!r}; give a number from 0 to 1.")
    return float(value)
