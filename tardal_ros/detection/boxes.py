"""Boxes on their way from a model to `Detections`: filtering and non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Boxes:
    """What a model proposes for one image, in pixels of that image; nothing is filtered yet.

    Attributes:
        xyxy: (N, 4) left, top, right and bottom edges, where a box over the whole image is (0, 0, width, height).
        scores: (N,) confidence in [0, 1].
        class_ids: (N,) indices into the model's names.
        unique: Whether the model itself already left one box per object.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    unique: bool = False

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: NDArray[Any] | slice) -> Boxes:
        return Boxes(self.xyxy[index], self.scores[index], self.class_ids[index], self.unique)

    def by_score(self) -> Boxes:
        """The same boxes, best first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind="stable")]

    def clipped(self, width: int, height: int) -> Boxes:
        """Cuts the boxes at the edges of the image and drops those of which no pixel is left."""
        limits = np.array([width, height, width, height], np.float32)
        xyxy = np.clip(self.xyxy, 0, limits)
        inside = np.all(xyxy[:, 2:] > xyxy[:, :2], axis=1)
        return Boxes(xyxy, self.scores, self.class_ids, self.unique)[inside]


def is_finite(boxes: Boxes) -> NDArray[np.bool_]:
    """(N,) which boxes have neither NaN nor infinity in their edges or score."""
    finite: NDArray[np.bool_] = np.isfinite(boxes.xyxy).all(axis=1) & np.isfinite(boxes.scores)
    return finite


def suppress(boxes: Boxes, iou: float, limit: int) -> Boxes:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes: Boxes of some area inside an image, best first.
        iou: A box goes if it overlaps a better one of its class by more than this (intersection over union).
        limit: Stop when this many boxes are kept.

    Returns:
        The boxes kept, best first.
    """
    # Each class is moved to a place of its own, so that boxes of different classes never overlap.
    place = boxes.class_ids * (np.ceil(boxes.xyxy.max(initial=0)) + 1.0)
    left, top, right, bottom = boxes.xyxy.T + place
    rest = np.stack([left, top, right, bottom, (right - left) * (bottom - top), np.arange(len(boxes))])
    kept: list[int] = []
    while rest.shape[1] and len(kept) < limit:
        (left, top, right, bottom, area, index), rest = rest[:, 0], rest[:, 1:]
        kept.append(int(index))
        width = np.minimum(rest[2], right) - np.maximum(rest[0], left)
        height = np.minimum(rest[3], bottom) - np.maximum(rest[1], top)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        stays = shared <= iou * (rest[4] + area - shared)
        if not stays.all():
            rest = rest[:, stays]
    return boxes[np.array(kept, np.intp)]
