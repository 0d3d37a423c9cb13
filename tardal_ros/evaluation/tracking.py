"""How well objects are followed: the CLEAR metrics (Bernardin, Stiefelhagen, 2008) and IDF1 (Ristani et al., 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.types import UNTRACKED, Detections


@dataclass(frozen=True)
class TrackingScore:
    """How well objects were followed over a sequence.

    Attributes:
        mota: 1 - (misses + false alarms + id switches) / true boxes; may be below zero.
        idf1: F1 of the boxes that carry the id which goes best with their object over the whole sequence, 0 to 1.
        id_switches: How often an object's id is another one than before.
        misses: True boxes that no tracked box fits.
        false_alarms: Tracked boxes that fit no true one.
        boxes: True boxes.
    """

    mota: float
    idf1: float
    id_switches: int
    misses: int
    false_alarms: int
    boxes: int


def tracking_score(truth: Sequence[Detections], found: Sequence[Detections], iou: float = 0.5) -> TrackingScore:
    """Compares what was tracked with what is true.

    Args:
        truth: The true boxes of each image; `track_ids` number the objects.
        found: The tracked boxes of the same images. Boxes without a track do not count.
        iou: Boxes of one class name fit if they overlap by this (intersection over union) or more.

    Raises:
        RigError: The sequences differ in length, boxes come without track ids, or there is no true box at all.
        MissingDependencyError: The library that computes the metrics is not installed.
    """
    if len(truth) != len(found):
        raise RigError(f"The truth has {len(truth)} images and the tracks have {len(found)}; give both of the same.")
    true_ids, true_rows = _tracked(truth)
    found_ids, found_rows = _tracked(found)
    boxes = sum(len(ids) for ids in true_ids)
    if not boxes:
        raise RigError("The truth has no boxes, so that there is no MOTA; give a sequence with objects.")
    try:
        from trackers.eval import compute_clear_metrics, compute_identity_metrics
    except ImportError as error:
        raise MissingDependencyError(
            f"Scoring tracks needs the library trackers ({error}): run `pip install '.[track]'` in the checkout."
        ) from error
    fits = [
        _overlaps(one, rows, other, other_rows)
        for one, rows, other, other_rows in zip(truth, true_rows, found, found_rows, strict=True)
    ]
    clear: dict[str, Any] = compute_clear_metrics(true_ids, found_ids, fits, iou)
    identity: dict[str, Any] = compute_identity_metrics(true_ids, found_ids, fits, iou)
    return TrackingScore(
        mota=float(clear["MOTA"]),
        idf1=float(identity["IDF1"]),
        id_switches=int(clear["IDSW"]),
        misses=int(clear["CLR_FN"]),
        false_alarms=int(clear["CLR_FP"]),
        boxes=boxes,
    )


def _tracked(sequence: Sequence[Detections]) -> tuple[list[NDArray[np.int64]], list[NDArray[np.intp]]]:
    """By image, the ids of the boxes that have a track, and their rows."""
    ids, rows = [], []
    for detections in sequence:
        if detections.track_ids is None:
            raise RigError("Boxes without track ids cannot be scored as tracks; run the detection with a tracker.")
        rows.append(np.flatnonzero(detections.track_ids != UNTRACKED))
        ids.append(detections.track_ids[rows[-1]])
    return ids, rows


def _overlaps(
    truth: Detections, true_rows: NDArray[np.intp], found: Detections, found_rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(M, N) intersection over union of true and found boxes, zero across classes."""
    from trackers.eval import box_iou

    if not len(true_rows) or not len(found_rows):
        return np.zeros((len(true_rows), len(found_rows)))
    true_names, found_names = (
        np.array([one.names[class_id] for class_id in one.class_ids[rows]], object)
        for one, rows in ((truth, true_rows), (found, found_rows))
    )
    overlaps = box_iou(truth.xyxy[true_rows].astype(np.float64), found.xyxy[found_rows].astype(np.float64))
    return np.asarray(np.where(true_names[:, None] == found_names, overlaps, 0.0), np.float64)
