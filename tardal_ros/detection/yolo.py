"""YOLO networks: image to network input, network output to boxes, whatever runs the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.laps import Laps
from tardal_ros.detection.letterbox import letterbox
from tardal_ros.errors import RigError


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network and what it says about itself.

    Attributes:
        path: The file it came from.
        run: (1, channels, H, W) float32 in [0, 1] to the raw output of the first head, (1, _, _). Three channels are
            RGB; four are in the order of the image, since ultralytics turns round no others than three.
        names: Class names, in its order.
        stride: What height and width of the input must be multiples of.
        size: Height and width of the input that it was made for.
        fixed: Whether it takes no other size.
        device: Where it runs: `cpu` or `cuda:N`.
        channels: How many channels its input has.

    Raises:
        RigError: Stride, size or channels are impossible.
    """

    path: Path
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    names: tuple[str, ...]
    stride: int
    size: tuple[int, int]
    fixed: bool
    device: str
    channels: int = 3

    def __post_init__(self) -> None:
        height, width = self.size
        if self.stride < 1 or min(self.size) < 1 or height % self.stride or width % self.stride:
            raise RigError(
                f"The detector {self.path} claims a stride of {self.stride} at {width}x{height} pixels, which does not "
                "go together; export it again with ultralytics."
            )
        if self.channels not in (3, 4):
            raise RigError(
                f"The detector {self.path} takes images of {self.channels} channels; give one for 3 (BGR) or 4 (BGR "
                "and infrared)."
            )


class Yolo:
    """Finds objects with a YOLO detection network."""

    def __init__(self, network: Network, image_size: int | None = None) -> None:
        """Checks the network by running it once, which also warms it up.

        Args:
            network: The network.
            image_size: Longer side of the input in pixels; None for the network's own.

        Raises:
            RigError: The size does not suit the network, or it fails, or its output has an unknown layout.
        """
        self._network = network
        self._size = _input_size(network, image_size)
        self.laps = Laps()
        self.find(np.zeros((*self._size, network.channels), np.uint8))
        self.laps = Laps()  # the first time does not count

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in the network's order."""
        return self._network.names

    @property
    def device(self) -> str:
        """Where the network runs."""
        return self._network.device

    @property
    def channels(self) -> int:
        """How many channels the network's input has."""
        return self._network.channels

    def find(self, image: NDArray[np.uint8]) -> Boxes:
        """Proposes boxes in pixels of a (H, W) grey, (H, W, 3) BGR or (H, W, 4) uint8 image."""
        with self.laps.time("letterbox"):
            bgr = image if image.ndim == 3 else np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
            padded, place = letterbox(bgr, self._size, None if self._network.fixed else self._network.stride)
            batch = np.asarray(cv2.dnn.blobFromImage(padded, 1 / 255, swapRB=self.channels == 3), np.float32)
        with self.laps.time("inference"):
            boxes = self._infer(batch)
        return Boxes(place.to_image(boxes.xyxy), boxes.scores, boxes.class_ids, boxes.unique)

    def _infer(self, batch: NDArray[np.float32]) -> Boxes:
        """Boxes in pixels of the network's input."""
        try:
            raw = self._network.run(batch)
        except Exception as error:  # a runtime raises whatever it likes
            reason = " ".join(str(error).split())
            raise RigError(
                f"The detector {self._network.path} failed on an input of {batch.shape}: {reason}"
            ) from error
        with np.errstate(invalid="ignore", over="ignore"):  # a network may give NaN; the detector drops such boxes
            return self._decode(raw)

    def _decode(self, raw: NDArray[np.float32]) -> Boxes:
        """Reads a network's output, in pixels of its input.

        There are two layouts: (1, N, 6) with edges, score and class where the network itself leaves one box per
        object, and (1, 4 + classes, N) with centre, size and one score per class.
        """
        classes = len(self.names)
        if raw.ndim == 3 and len(raw) == 1 and raw.shape[2] == 6:
            ids = raw[0, :, 5]
            known = (ids >= 0) & (ids < classes)
            xyxy, scores, ids = np.split(raw[0, known], [4, 5], axis=1)
            return Boxes(xyxy, scores[:, 0], ids[:, 0].astype(np.int64), unique=True)
        if raw.ndim == 3 and len(raw) == 1 and raw.shape[1] == 4 + classes:
            centre, extent, scores = np.split(raw[0], [2, 4])
            xyxy = np.concatenate([centre - extent / 2, centre + extent / 2]).T
            ids = scores.argmax(axis=0)
            return Boxes(xyxy, scores[ids, np.arange(len(ids))], ids)
        raise RigError(
            f"The detector {self._network.path} gives an output of shape {raw.shape}, which is not that of an "
            f"ultralytics detection model with {classes} classes; export it again from its checkpoint."
        )


def _input_size(network: Network, image_size: int | None) -> tuple[int, int]:
    """Height and width that the network's input must not exceed."""
    if image_size is None or (network.fixed and image_size == max(network.size)):
        return network.size
    if network.fixed:
        height, width = network.size
        raise RigError(
            f"The detector {network.path} was exported for {width}x{height} pixels, not {image_size}: leave image_size "
            "unset, or export it again."
        )
    if image_size < network.stride or image_size % network.stride:
        raise RigError(f"image_size is {image_size}; give a positive multiple of {network.stride}, the model's stride.")
    return image_size, image_size


def class_names(names: object, path: Path) -> tuple[str, ...]:
    """Puts a model's names, a list or a dict by class id, into a tuple.

    Raises:
        RigError: There are none, some are missing, or no message can carry one.
    """
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or set(names) != set(range(len(names))):
        raise RigError(f"The detector {path} does not name its classes from 0 on; export it again with ultralytics.")
    texts = tuple(str(names[index]) for index in range(len(names)))
    for text in texts:
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise RigError(f"The detector {path} names a class {text!a}, which is no text; export it again.")
    return texts


def check_task(task: object, path: Path) -> None:
    """Refuses models that do something else than detect.

    Raises:
        RigError: It is a model for another task.
    """
    if task != "detect":
        raise RigError(f"The weights {path} are for the task `{task}`; give a detection model (task `detect`).")
