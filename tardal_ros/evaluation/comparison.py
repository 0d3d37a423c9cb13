"""Two reports of `evaluate` against each other: what got better, what got worse, and what is noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tardal_ros.errors import RigError
from tardal_ros.evaluation.differences import (
    FEWEST_SCENES,
    Difference,
    is_better,
    paired_differences,
    scenes_of,
    unpaired_difference,
)
from tardal_ros.evaluation.verdict import VERSION

_REPORT = "report.json"
_KEYS = {"made", "fusers", "datasets", "definitions"}
_FIGURES = {"map50": "mAP@.5", "map50_95": "mAP@.5:.95"}


@dataclass(frozen=True)
class Change:
    """What became of one figure.

    Attributes:
        dataset: Of which data set.
        fuser: Of which fuser.
        metric: What it is.
        before: The figure of the first report.
        after: That of the second one.
        difference: The second one less the first one.
    """

    dataset: str
    fuser: str
    metric: str
    before: float
    after: float
    difference: Difference

    @property
    def judgement(self) -> str:
        """`better`, `worse`, `noise`, or `unknown` where there are too few scenes to tell."""
        if not self.difference.is_known:
            return "unknown"
        if not self.difference.is_real:
            return "noise"
        return "better" if is_better(self.metric, self.difference.value) else "worse"


@dataclass(frozen=True)
class Comparison:
    """Two reports against each other.

    Attributes:
        changes: All figures that both have.
        notes: What a reader should know, a sentence each.
    """

    changes: Sequence[Change]
    notes: Sequence[str]


def load_report(path: Path) -> dict[str, Any]:
    """Reads what `evaluate` wrote.

    Args:
        path: Its folder, or the `report.json` in it.

    Raises:
        RigError: It is no such report, or one of another version.
    """
    file = path / _REPORT if path.is_dir() else path
    try:
        report = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RigError(f"{file} cannot be read ({error}): give the folder that `evaluate --report` wrote.") from None
    if not isinstance(report, dict) or not {"version", *_KEYS} <= set(report):
        raise RigError(f"{file} is no report of `evaluate`: give the folder that `evaluate --report` wrote.")
    if report["version"] != VERSION:
        raise RigError(f"{file} has version {report['version']}, not {VERSION}: evaluate again with this release.")
    return report


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compares two reports.

    Quality is compared frame by frame where both are of the same data, else by the intervals of both means, as the
    precision of detection always is.

    Args:
        before: What `load_report` gives.
        after: The same.

    Raises:
        RigError: They have no data set, or no fuser on it, in common; or one is broken.
    """
    try:
        changes = [change for name in before["datasets"] for change in _changes(name, before, after)]
        notes = list(_notes(before, after))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise RigError(f"A report is broken ({error!r}): evaluate again.") from None
    if not changes:
        sides = [
            f"{', '.join(each['datasets']) or 'nothing'} by {', '.join(each['fusers'])}" for each in (before, after)
        ]
        raise RigError(f"The reports have nothing in common, {sides[0]} and {sides[1]}: evaluate the same data.")
    return Comparison(changes, notes)


def in_words(comparison: Comparison) -> list[str]:
    """The verdict, a sentence for each fuser."""
    sentences = []
    for fuser in dict.fromkeys(change.fuser for change in comparison.changes):
        changes = [change for change in comparison.changes if change.fuser == fuser]
        of = {
            judgement: [change for change in changes if change.judgement == judgement]
            for judgement in ("better", "worse", "noise", "unknown")
        }
        parts = [f"{word} at {_listed(of[word])}" for word in ("better", "worse") if of[word]]
        start = f"{fuser} is {' and '.join(parts)}" if parts else f"{fuser} is neither better nor worse"
        rest = []
        if of["noise"]:
            rest.append(f"{len(of['noise'])} of {len(changes)} differences are within noise")
        if of["unknown"]:
            rest.append(f"{len(of['unknown'])} rest on fewer than {FEWEST_SCENES} scenes and tell nothing")
        sentences.append("; ".join([start, *rest]) + ".")
    return sentences


def as_table(comparison: Comparison) -> str:
    """All figures as a Markdown table."""
    lines = ["| data | fuser | metric | A | B | B - A | 95 % | |", "|---|---|---|--:|--:|--:|--:|---|"]
    for change in comparison.changes:
        apart = change.difference
        bounds = f"{apart.low:+.4f} … {apart.high:+.4f}" if apart.is_known else "—"
        bounds += "" if apart.paired else " (unpaired)"
        lines.append(
            f"| {change.dataset} | {change.fuser} | {change.metric} | {change.before:.4f} | {change.after:.4f} "
            f"| {apart.value:+.4f} | {bounds} | {change.judgement} |"
        )
    return "\n".join(lines) + "\n"


def _changes(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    if name not in after["datasets"]:
        return
    old, new = (report["datasets"][name] for report in (before, after))
    same = _is_same_data(name, before, after)
    for fuser in old["quality"]:
        if fuser in new["quality"]:
            yield from _quality_changes(name, fuser, old, new, same)
        one, other = ((each["detection"] or {}).get(fuser) for each in (old, new))
        if one and other:
            yield from _detection_changes(name, fuser, one, other)


def _quality_changes(
    name: str, fuser: str, old: Mapping[str, Any], new: Mapping[str, Any], same: bool
) -> Iterator[Change]:
    one, other = old["quality"][fuser], new["quality"][fuser]
    old_values, new_values = ({metric: figure["values"] for metric, figure in each.items()} for each in (one, other))
    paired = paired_differences(new_values, old_values, scenes_of(old)) if same else {}
    for metric, figure in one.items():
        if metric not in other:
            continue
        # Frames that only one of them is defined for are not paired, so that the means may say a little else.
        difference = paired.get(metric) or unpaired_difference(other[metric], figure)
        if difference and None not in (figure["value"], other[metric]["value"]):
            yield Change(name, fuser, metric, figure["value"], other[metric]["value"], difference)


def _detection_changes(name: str, fuser: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key, title in _FIGURES.items():
        if difference := unpaired_difference(new[key], old[key]):
            yield Change(name, fuser, title, old[key]["value"], new[key]["value"], difference)


def _is_same_data(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the frames of a data set are the same ones in the same order."""
    sides = []
    for report in (before, after):
        data = report["datasets"][name]
        hashes = {each: report["made"]["hashes"].get(each) for each in data["recordings"]}
        if None in hashes.values():
            return False
        sides.append((list(hashes.items()), data["frames"], scenes_of(data)))
    return bool(sides[0] == sides[1])


def _notes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in before["datasets"]:
        if name not in after["datasets"]:
            yield f"Only A has {name}."
        elif not _is_same_data(name, before, after):
            yield f"The data of {name} differ between A and B, so that frames cannot be paired: the intervals are wide."
    yield from (f"Only B has {name}." for name in after["datasets"] if name not in before["datasets"])
    for name, told in before["fusers"].items():
        if name in after["fusers"] and told["weights"] != after["fusers"][name]["weights"]:
            yield f"The weights of {name} differ."
    names = (set(before["fusers"]), set(after["fusers"]))
    yield from (f"Only A has the fuser {name}." for name in sorted(names[0] - names[1]))
    yield from (f"Only B has the fuser {name}." for name in sorted(names[1] - names[0]))
    for metric, sentence in before["definitions"].items():
        if metric in after["definitions"] and sentence != after["definitions"][metric]:
            yield f"A and B do not mean the same by {metric}: do not compare it."


def _listed(changes: Sequence[Change]) -> str:
    """Metrics by data set."""
    told: dict[str, list[str]] = {}
    for change in changes:
        told.setdefault(change.dataset, []).append(change.metric)
    return ", ".join(f"{', '.join(metrics)} on {name}" for name, metrics in told.items())
