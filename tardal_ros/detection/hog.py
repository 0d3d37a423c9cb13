"""People by histograms of oriented gradients (Dalal and Triggs, 2005), as OpenCV 4 ships them: no weights needed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.laps import Laps
from tardal_ros.errors import MissingDependencyError

# The detector's window, and the part of it that a person fills (left, top, right, bottom): the windows were trained
# with a margin around the person.
_WINDOW = (64, 128)
_PERSON = np.array([0.25, 0.11, 0.75, 0.87], np.float32)

# Far people are smaller than the window, so small images are enlarged; the area worked on bounds the time taken.
_LARGEST_AREA = 1024 * 768
_LARGEST_FACTOR = 1.5
_STEP = (8, 8)
_PYRAMID_FACTOR = 1.1

# Legs, or a torso, pass for a smaller person: a box that lies in a better one by more than this share is part of it.
_PART = 0.75

# How the distance from the SVM's plane becomes a score: a logistic fit (Platt, 1999) of hits and false alarms on road
# scenes in infrared, visible and fused images. Below the lowest margin (score 0.03) nothing is worth reporting.
_SLOPE, _BIAS = 2.8, -2.1
_LOWEST_MARGIN = -0.5


class Hog:
    """Finds people who stand or walk; runs on the CPU."""

    names = ("People",)
    device = "cpu"
    channels = 3

    def __init__(self) -> None:
        if not hasattr(cv2, "HOGDescriptor"):
            raise MissingDependencyError(
                f"The detector `hog` needs OpenCV 4, and this is OpenCV {cv2.__version__}: run "
                "`pip install 'opencv-python<5'`."
            )
        self.laps = Laps()
        self._descriptor = cv2.HOGDescriptor()
        self._descriptor.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))

    def find(self, image: NDArray[np.uint8]) -> Boxes:
        """Proposes a box per window that looks like a person.

        Args:
            image: (H, W) grey or (H, W, 3) BGR, uint8.
        """
        with self.laps.time("inference"):
            return self._find(image)

    def _find(self, image: NDArray[np.uint8]) -> Boxes:
        grey = image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        height, width = grey.shape
        factor = min(_LARGEST_FACTOR, (_LARGEST_AREA / (width * height)) ** 0.5)
        size = round(width * factor), round(height * factor)
        if size[0] < _WINDOW[0] or size[1] < _WINDOW[1]:
            return self._boxes([], [])  # OpenCV writes outside its buffers when the image is smaller than the window
        work = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
        # By position: the last name differs between releases. It groups windows, which our own suppression does.
        windows, margins = self._descriptor.detectMultiScale(work, _LOWEST_MARGIN, _STEP, (0, 0), _PYRAMID_FACTOR, 0)
        scale = np.tile([width / size[0], height / size[1]], 2)
        return self._boxes(np.reshape(windows, (-1, 4)) * scale, np.ravel(margins))

    @staticmethod
    def _boxes(windows: object, margins: object) -> Boxes:
        """Makes boxes of (N, 4) windows (left, top, width, height) and (N,) SVM margins."""
        window = np.asarray(windows, np.float32).reshape(-1, 4)
        xyxy = np.tile(window[:, :2], 2) + np.tile(window[:, 2:], 2) * _PERSON
        scores = 1 / (1 + np.exp(-(_SLOPE * np.asarray(margins, np.float32) + _BIAS)))
        boxes = Boxes(xyxy, scores.astype(np.float32), np.zeros(len(window), np.int64))
        return boxes[~_parts(boxes)]


def _parts(boxes: Boxes) -> NDArray[np.bool_]:
    """(N,) which boxes are part of a better one."""
    low, high = boxes.xyxy[:, :2], boxes.xyxy[:, 2:]
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    inside = np.clip(shared, 0, None).prod(axis=2) > _PART * (high - low).prod(axis=1)
    better = boxes.scores[:, None] > boxes.scores
    parts: NDArray[np.bool_] = (inside & better).any(axis=0)
    return parts
