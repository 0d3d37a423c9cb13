"""What a running rig amounts to: the messages of each moment put together, judged, and summed up.

A moment is judged as `offline` does, and becomes the same line of JSON, so that both can be compared line by line. What
differs is what is there to be judged: a live rig drops what it cannot keep up with.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.detection_metric import Judged, can_be_scored, score
from tardal_ros.evaluation.fusion_metric import FusionScores, Measure
from tardal_ros.evaluation.lines import box_line, boxes_of, detections_of, number, object_line, objects_of, quality_line
from tardal_ros.evaluation.recording import UNKNOWN
from tardal_ros.evaluation.summary import percentiles
from tardal_ros.files import replace_text
from tardal_ros.fusion.colour import luma
from tardal_ros.types import Fused

IMAGES = ("visible", "infrared", "mask", "fused")
"""The parts that a moment must have."""

AFTERWARDS = ("detections", "fuse_ms", "detect_ms")
"""The parts that come later, if they come."""

EXTRA = ("truth",)
"""The parts that are there or not, and are not waited for."""

NOTE = (
    "Live, the rig drops what it cannot keep up with, so that these means are over fewer pairs than those of an"
    " evaluation of the bag with `evaluate`."
)

_MOMENTS = 64  # What may be incomplete at the same time.

Box = tuple[str, float, tuple[float, float, float, float]]
"""Class, score, and left, top, width and height in pixels."""


class Assembler:
    """Puts together what comes over several topics with one stamp, though some of it may never come.

    Moments leave in order. One leaves when all of it is there, or, without what is missing of `AFTERWARDS`, when a
    later one does or too many wait. A stamp before that of the same part's last one is a recording that begins again.

    Attributes:
        lost: Moments with a fused image of whose pair a part never came.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._moments: dict[int, dict[str, Any]] = {}
        self._newest: dict[str, int] = {}
        self._done = -1

    def add(self, part: str, stamp: int, content: Any) -> list[tuple[int, dict[str, Any]]]:
        """Takes a part of `IMAGES`, `AFTERWARDS` or `EXTRA`; returns the moments that are ready: stamps and parts."""
        ready = []
        if stamp < self._newest.get(part, stamp):
            ready = self.flush()
        self._newest[part] = stamp
        if stamp <= self._done:
            return ready
        moment = self._moments.setdefault(stamp, {})
        moment[part] = content
        if all(name in moment for name in (*IMAGES, *AFTERWARDS)):
            ready += self._settle(stamp)
        elif len(self._moments) > _MOMENTS:
            ready += self._settle(min(self._moments))
        return ready

    def flush(self) -> list[tuple[int, dict[str, Any]]]:
        """Ends all waits, and begins anew; returns the moments that can be judged."""
        ready = self._settle(max(self._moments)) if self._moments else []
        self._newest.clear()
        self._done = -1
        return ready

    def _settle(self, last: int) -> list[tuple[int, dict[str, Any]]]:
        """Takes out all moments up to one; without a fused image, there is nothing to judge."""
        self._done = last
        stamps = sorted(stamp for stamp in self._moments if stamp <= last)
        moments = [(stamp, self._moments.pop(stamp)) for stamp in stamps]
        whole = [each for each in moments if all(name in each[1] for name in IMAGES)]
        self.lost += sum("fused" in parts for _, parts in moments) - len(whole)
        return whole


@dataclass(frozen=True, eq=False)
class LiveMoment:
    """What a rig made of one moment.

    Attributes:
        fused: The fused image with the registered pair that it was made of.
        boxes: What was found, best first; None where the rig does not say.
        tracks: The track of each box, an empty text where it has none.
        objects: Class, box, and whether it need not be found, of what is truly there; None where that is not known.
        fuse_ms: Milliseconds that fusion took; None where the rig does not say.
        detect_ms: Milliseconds that detection took, likewise.
        scene: See `recording.Moment`.
        condition: See `recording.Moment`.
    """

    fused: Fused
    boxes: Sequence[Box] | None = None
    tracks: Sequence[str] = ()
    objects: Sequence[tuple[str, tuple[float, float, float, float], bool]] | None = None
    fuse_ms: float | None = None
    detect_ms: float | None = None
    scene: str = ""
    condition: str = UNKNOWN


@dataclass
class Losses:
    """What the rig and the evaluation dropped.

    Attributes:
        unpaired: Frames that made no pair, by reason.
        pairs: Pairs that registration made.
        skew_mean_ms: Mean absolute skew of all pairs.
        skew_max_ms: Largest absolute skew.
        stages: Pairs that a newer one replaced before a stage took them, by stage.
    """

    unpaired: dict[str, int] = field(default_factory=dict)
    pairs: int = 0
    skew_mean_ms: float = 0.0
    skew_max_ms: float = 0.0
    stages: dict[str, int] = field(default_factory=dict)


class Ledger:
    """Judges moments, writes them down, and sums them up.

    Args:
        fuser: The name under which the figures go.
        measure: `fusion_metric.quality` or `information`.
        folder: Where `pairs.jsonl` and `summary.json` go; None for nowhere.
        about: What else the file's first line tells.

    Attributes:
        count: How many moments were judged.

    Raises:
        RigError: The folder cannot be written.
    """

    def __init__(
        self, fuser: str, measure: Measure, folder: Path | None = None, about: Mapping[str, str] | None = None
    ) -> None:
        self._fuser, self._folder = fuser, folder
        self._scores = FusionScores(measure)
        self._timing = {"fuse": array("d"), "detect": array("d")}
        self._seen: list[tuple[str, str, Sequence[Box], Sequence[tuple[str, Sequence[float], bool]]]] = []
        self._draft: Path | None = None
        self.count = 0
        if folder is not None:
            self._draft = folder / ".pairs.jsonl.draft"
            self._write({**(about or {}), "fusers": [fuser]}, "w")

    def add(self, moment: LiveMoment) -> dict[str, float]:
        """Judges a moment; returns its quality.

        Raises:
            RigError: The images do not fit each other, or the line cannot be written.
        """
        pair, frame = moment.fused.pair, moment.fused.frame
        assert pair is not None
        visible, infrared = luma(pair.visible.left.image), pair.infrared.left.image
        values = self._scores.update(luma(frame.image), visible, infrared, pair.mask, moment.scene)
        self._write(self._row(moment, values))
        self.count += 1
        for stage, taken in (("fuse", moment.fuse_ms), ("detect", moment.detect_ms)):
            if taken is not None:
                self._timing[stage].append(taken)
        if moment.objects is not None and moment.boxes is not None:
            self._seen.append((moment.scene, moment.condition, moment.boxes, moment.objects))
        return values

    def close(self, losses: Losses, problems: Sequence[str] = ()) -> dict[str, Any]:
        """Finishes the files, which replace those of an earlier run; returns what `summary.json` holds.

        Raises:
            RigError: They cannot be written.
        """
        problems = list(problems)
        self._write({"pairing": losses.unpaired, "problems": problems, "finished": True})
        if self._draft is not None and self._folder is not None:
            self._draft.replace(self._folder / "pairs.jsonl")
        try:
            detection = self._detection()
        except MissingDependencyError as error:
            detection = None
            problems.append(f"There is no precision of the boxes: {error}")
        summary = {
            "fuser": self._fuser,
            "pairs": self.count,
            "quality": {metric: number(mean.value) for metric, mean in self._scores.compute().items()},
            "detection": detection,
            "timing_ms": percentiles(self._timing),
            "pairing": {
                "pairs": losses.pairs,
                "skew_mean_ms": round(losses.skew_mean_ms, 3),
                "skew_max_ms": round(losses.skew_max_ms, 3),
                "drops": losses.unpaired,
            },
            "drops": losses.stages,
            "problems": problems,
            "note": NOTE,
        }
        if self._folder is not None:
            replace_text(self._folder / "summary.json", json.dumps(summary, indent=1, allow_nan=False) + "\n")
        return summary

    def _row(self, moment: LiveMoment, values: Mapping[str, float]) -> dict[str, Any]:
        frame = moment.fused.frame
        found = zip(moment.boxes or (), moment.tracks or [""] * len(moment.boxes or ()), strict=True)
        return {
            "name": str(frame.stamp),
            "scene": moment.scene,
            "condition": moment.condition,
            "stamp": frame.stamp,
            "skew_ms": None,  # A registered pair has one stamp; `summary.json` has the skews of all pairs.
            "width": frame.size[0],
            "height": frame.size[1],
            "objects": None
            if moment.objects is None
            else [object_line(name, box, ignored, None) for name, box, ignored in moment.objects],
            "classes": sorted({name for name, _, _ in moment.objects or ()}),
            "registration_px": None,  # The rig registers before anything is judged here.
            "fusers": {
                self._fuser: {
                    "quality": quality_line(values),
                    "fuse_ms": moment.fuse_ms,
                    "detect_ms": moment.detect_ms,
                    "detections": [
                        box_line(name, confidence, box, int(track) if track.isdigit() else None)
                        for (name, confidence, box), track in found
                    ],
                    "sha256": hashlib.sha256(frame.image.tobytes()).hexdigest(),
                }
            },
        }

    def _write(self, line: Mapping[str, Any], mode: str = "a") -> None:
        if self._draft is None:
            return
        try:
            self._draft.parent.mkdir(parents=True, exist_ok=True)
            with self._draft.open(mode, encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as error:
            raise RigError(
                f"The report folder {self._folder} cannot be written ({error.strerror}): make room or choose another."
            ) from None

    def _detection(self) -> dict[str, Any] | None:
        """The mean average precision; None where there is no truth, or nothing of which the rig knows the class."""
        found = tuple(sorted({name for _, _, boxes, _ in self._seen for name, _, _ in boxes}))
        known = tuple(sorted({name for _, _, _, objects in self._seen for name, _, _ in objects}))
        judged = [
            Judged(
                scene,
                condition,
                detections_of(boxes_of([[name, confidence, *box, None] for name, confidence, box in boxes]), found),
                objects_of([[name, *box, ignored] for name, box, ignored in objects], known),
            )
            for scene, condition, boxes, objects in self._seen
        ]
        if not can_be_scored(judged):
            return None
        scores = score(judged, resamples=0)
        return {
            "map50": round(scores.map50.value, 6),
            "map50_95": round(scores.map50_95.value, 6),
            "objects": scores.map50.objects,
            "images": len(judged),
        }


def as_text(summary: Mapping[str, Any]) -> str:
    """The summary for people."""
    drops = Counter({f"unpaired, {reason}": n for reason, n in summary["pairing"]["drops"].items()})
    drops.update({f"by {stage}": n for stage, n in summary["drops"].items()})
    lost = ", ".join(f"{n} {reason}" for reason, n in drops.items() if n) or "nothing"
    pairing = summary["pairing"]
    lines = [
        f"{summary['pairs']} of {pairing['pairs']} pairs judged, fused by {summary['fuser']}; dropped: {lost}",
        f"skew: mean {pairing['skew_mean_ms']:.1f} ms, largest {pairing['skew_max_ms']:.1f} ms",
    ]
    lines += [f"{stage}: p50 {t['p50']:.1f} ms, p95 {t['p95']:.1f} ms" for stage, t in summary["timing_ms"].items()]
    figures = (f"{name} {'-' if value is None else f'{value:.4g}'}" for name, value in summary["quality"].items())
    lines.append("means: " + (", ".join(figures) or "none, since no pair was judged"))
    if scores := summary["detection"]:
        lines.append(
            f"boxes: mAP@.5 {scores['map50']:.3f}, mAP@.5:.95 {scores['map50_95']:.3f}, {scores['objects']} objects in"
            f" {scores['images']} images, of boxes above the rig's own confidence"
        )
    return "\n".join([*lines, *summary["problems"], summary["note"]])
