"""What all recordings of a folder amount to, as `report.json` tells it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.evaluation import detection_metric
from tardal_ros.evaluation.bootstrap import mean_over_scenes
from tardal_ros.evaluation.detection_metric import (
    Detail,
    Figure,
    Judged,
    Scores,
    can_be_scored,
    detail,
    score,
    track_switches,
    unknown_classes,
)
from tardal_ros.evaluation.fusion import REFERENCES
from tardal_ros.evaluation.fusion_metric import DEFINITIONS
from tardal_ros.evaluation.lines import boxes_of, detections_of, objects_of
from tardal_ros.evaluation.offline import Settings, result_path
from tardal_ros.evaluation.recording import STILL, Recording
from tardal_ros.evaluation.registration_error import DEFINITION as REGISTRATION
from tardal_ros.evaluation.summary import installed_versions, percentiles

VERSION = 1
"""Of the layout of `report.json`."""

_DIGITS = 6
_POINTS = 200


@dataclass(eq=False)
class _Group:
    """What is known of the recordings of one data set, frame by frame."""

    recordings: list[str] = field(default_factory=list)
    scenes: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    quality: dict[str, list[dict[str, float | None]]] = field(default_factory=dict)
    judged: dict[str, list[Judged]] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)
    timing: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    registration: list[dict[str, float]] = field(default_factory=list)


def verdict(
    folder: Path,
    recordings: Sequence[Recording],
    settings: Settings,
    command: str,
    efficiencies: Mapping[str, object],
) -> dict[str, Any]:
    """Sums the results of recordings up.

    Args:
        folder: Where `evaluate` wrote them.
        recordings: Which of them.
        settings: How they were evaluated.
        command: The line that asked for it.
        efficiencies: What is known of a fuser's cost, by its name.

    Returns:
        What `report.json` holds. Intervals are percentiles 2.5 and 97.5 of a bootstrap over scenes.

    Raises:
        RigError: A result is missing or broken.
        MissingDependencyError: pycocotools is not installed.
    """
    groups: dict[str, _Group] = {}
    timelines, shots, problems = {}, [], []
    for recording in recordings:
        group = groups.setdefault(recording.dataset, _Group())
        timeline, end = _gather(folder, recording, group)
        if timeline:
            timelines[recording.name] = timeline
        place = {"dataset": recording.dataset, "recording": recording.name}
        shots += [{**place, **shot} for shot in end["shots"]]
        problems += [f"{recording.name}: {problem}" for problem in end["problems"]]
    datasets = {}
    for name, group in groups.items():
        detection = _detection(group) if settings.detector else None
        datasets[name] = {
            "recordings": group.recordings,
            "frames": len(group.scenes),
            "scenes": group.scenes,
            "quality": {fuser: _quality(rows, group.scenes) for fuser, rows in group.quality.items()},
            "detection": detection,
            "timing_ms": {fuser: percentiles(times) for fuser, times in group.timing.items()},
            "pairing": {"pairs": len(group.scenes), "drops": group.drops},
            "registration_px": _registration(group.registration),
        }
        if settings.detector and detection is None and group.judged:
            problems.append(f"{name}: no object is of a class that the detector knows, so that there is no precision.")
        if unknown := unknown_classes([each for judged in group.judged.values() for each in judged]):
            problems.append(f"{name}: the detector does not know {', '.join(unknown)}; these objects are not scored.")
    names = list(dict.fromkeys(fuser for group in groups.values() for fuser in group.quality))
    weights = {Path(path).stem: sha256 for path, sha256 in settings.hashes().items()}
    return {
        "version": VERSION,
        "made": {
            "command": command,
            "settings": {**asdict(settings), "fused": {name: str(path) for name, path in settings.fused}},
            "environment": environment(),
            "hashes": settings.hashes() | {each.name: each.fingerprint() for each in recordings},
        },
        "definitions": {
            **DEFINITIONS,
            **(detection_metric.DEFINITIONS if settings.detector else {}),
            **({"registration_px": REGISTRATION} if any(group.registration for group in groups.values()) else {}),
        },
        "fusers": {
            name: {
                "reference": name in REFERENCES,
                "weights": weights.get(name),
                "efficiency": efficiencies.get(name),
            }
            for name in names
        },
        "datasets": datasets,
        "timelines": timelines,
        "shots": shots,
        "problems": list(dict.fromkeys(problems)),
    }


def environment() -> dict[str, object]:
    """What the figures were measured with and on."""
    return {**installed_versions(), "processor": _processor(), "cores": os.cpu_count()}


def read_result(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a recording's result: the header, one for each moment, and the end.

    Raises:
        RigError: It is missing, broken or unfinished.
    """
    path = result_path(folder, name)
    line: dict[str, Any] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for text in file:
                line = json.loads(text)
                yield line
    except (OSError, ValueError) as error:
        raise RigError(f"{path} cannot be read ({error}): remove it and evaluate again.") from None
    if not line.get("finished"):
        raise RigError(f"{path} breaks off: remove it and evaluate again.")


def _gather(folder: Path, recording: Recording, group: _Group) -> tuple[dict[str, Any], dict[str, Any]]:
    """Adds a recording to its group; returns its timeline (empty for single pictures) and the end of its result."""
    _, *rows = _slim(read_result(folder, recording.name), group.classes)
    end = rows.pop()
    group.recordings.append(recording.name)
    stamps, skews = [row["stamp"] for row in rows], [row["skew_ms"] for row in rows]
    fusing: dict[str, list[float | None]] = {}
    judged: dict[str, list[Judged]] = {}
    for row in rows:
        group.scenes.append(row["scene"])
        if row.get("registration_px"):  # results of before there was such a figure are whole without it
            group.registration.append(row["registration_px"])
        for name, told in row["fusers"].items():
            group.quality.setdefault(name, []).append(told["quality"])
            fusing.setdefault(name, []).append(told["fuse_ms"])
            times = group.timing.setdefault(name, {"fuse": [], "detect": []})
            for stage, series in times.items():
                if told[f"{stage}_ms"] is not None:
                    series.append(told[f"{stage}_ms"])
            if row["objects"] is not None and end["classes"]:
                found = detections_of(told["detections"], end["classes"])
                judged.setdefault(name, []).append(Judged(row["scene"], row["condition"], found, row["objects"]))
    for reason, count in end["pairing"].items():
        group.drops[reason] = group.drops.get(reason, 0) + count
    moving = len(stamps) > 1 and min(np.diff(stamps)) < STILL
    _add_judged(group, judged, moving)
    if not moving:
        return {}, end
    seconds = [round((stamp - stamps[0]) / 1e9, _DIGITS) for stamp in stamps]
    return {"seconds": seconds, "skew_ms": skews, "fuse_ms": fusing}, end


def _add_judged(group: _Group, recording: Mapping[str, Sequence[Judged]], moving: bool) -> None:
    """Adds the images of a recording by fuser; in pictures that are no sequence, there is nothing to follow."""
    for name, images in recording.items():
        group.judged.setdefault(name, []).extend(images)
        if moving and (switches := track_switches(images)) is not None:
            group.switches[name] = group.switches.get(name, 0) + switches


def _slim(lines: Iterator[dict[str, Any]], classes: list[str]) -> Iterator[dict[str, Any]]:
    """The lines with boxes as arrays, which take a tenth of the memory; adds to the classes those that are new."""
    for line in lines:
        if line.get("objects") is not None:
            classes += [name for name in line["classes"] if name not in classes]
            line["objects"] = objects_of(line["objects"], classes)
        for told in line.get("fusers", {}).values():
            told["detections"] = boxes_of(told["detections"] if line["objects"] is not None else [])
        yield line


def _quality(rows: Sequence[Mapping[str, float | None]], scenes: Sequence[str]) -> dict[str, dict[str, Any]]:
    metrics = list(dict.fromkeys(metric for row in rows for metric in row))
    values = np.array([[row.get(metric) for metric in metrics] for row in rows], np.float64)
    value, low, high = mean_over_scenes(values, scenes)
    return {
        metric: {
            "value": _number(value[column]),
            "low": _number(low[column]),
            "high": _number(high[column]),
            "values": [_number(each) for each in values[:, column]],
        }
        for column, metric in enumerate(metrics)
    }


def _registration(frames: Sequence[Mapping[str, float]]) -> dict[str, float | None] | None:
    """The median over frames of how far registration is off; None where that is not known."""
    if not frames:
        return None
    parts = {part: _number(float(np.median([frame[part] for frame in frames]))) for part in ("median", "p95")}
    return {**parts, "frames": len(frames)}


def _detection(group: _Group) -> dict[str, Any] | None:
    """The scores of each fuser; None where there is nothing to find that the detector knows."""
    told = {
        name: _scores(score(judged), detail(judged), group.switches.get(name))
        for name, judged in group.judged.items()
        if can_be_scored(judged)
    }
    return told or None


def _scores(scores: Scores, behind: Detail, switches: int | None) -> dict[str, Any]:
    missed = behind.missed.thinned(_POINTS)
    return {
        "map50": _figure(scores.map50),
        "map50_95": _figure(scores.map50_95),
        "by_class": {name: _figure(figure) for name, figure in scores.classes.items()},
        "by_condition": {name: _figure(figure) for name, figure in scores.conditions.items()},
        "by_size": {name: _figure(figure) for name, figure in behind.sizes.items()},
        "curves": {
            name: {"recall": _numbers(recall), "precision": _numbers(precision)}
            for name, (recall, precision) in behind.curves.items()
        },
        "miss_rate": {
            "fppi": _numbers(missed.fppi),
            "miss": _numbers(missed.miss),
            "log_average": _number(missed.log_average),
        },
        "track_switches": switches,
    }


def _numbers(values: Iterable[float]) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _figure(figure: Figure) -> dict[str, float | None]:
    bounds = {"value": figure.value, "low": figure.low, "high": figure.high}
    return {**{name: _number(value) for name, value in bounds.items()}, "objects": figure.objects}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
