"""`report.json` as one HTML file that needs nothing else: the verdict in words first, then all that it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from tardal_ros.evaluation.charts import Axis, Line, boxplot, line_chart
from tardal_ros.evaluation.differences import (
    FEWEST_SCENES,
    LOWER_IS_BETTER,
    is_better,
    paired_differences,
    scenes_of,
)
from tardal_ros.evaluation.pages import data_url, render
from tardal_ros.files import replace_text

_PICTURE_WIDTH, _PICTURE_QUALITY = 400, 80
_PICTURE_BYTES = 3_500_000  # of all pictures together, so that the page can be mailed
_MOST_TIMELINES = 12
_DETECTION = {"map50": "mAP@.5", "map50_95": "mAP@.5:.95"}
_SOURCES = ("_vi", "_ir")  # how metrics end that compare with one source alone
_PARTS = {"by_class": "class", "by_condition": "condition", "by_size": "size"}


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What it says.
        note: Small, below.
        mark: `best`, `second` or nothing.
    """

    text: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: a fuser, the number of its colour, and its cells."""

    name: str
    colour: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """A table: the heads of its columns but the first, and its rows."""

    head: Sequence[str]
    rows: Sequence[Row]


@dataclass
class Finding:
    """What can be said of a data set.

    Attributes:
        dataset: Its name.
        extent: How much it is, in words.
        clear: By fuser, the metrics at which it is better than every other one, with their figures.
        noise: Metrics at which the best one cannot be told from others: its name, and theirs.
        unknown: Whether there are too few scenes to tell anything.
        detection: A sentence on what the detector finds; empty where there is no truth.
    """

    dataset: str
    extent: str
    clear: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    noise: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: bool = False
    detection: str = ""


def write_page(report: Mapping[str, Any], folder: Path) -> Path:
    """Writes `report.html`; the file is replaced as a whole.

    Args:
        report: What `report.json` holds, see `verdict.verdict`.
        folder: Where it and the pictures are.

    Returns:
        The page.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        RigError: The file cannot be written.
    """
    colours = {name: index for index, name in enumerate(report["fusers"])}
    datasets = report["datasets"]
    findings = [_finding(name, data, report["fusers"]) for name, data in datasets.items()]
    shots, left_out = _shots(report["shots"], folder)
    html = render(
        "verdict_page.html.jinja",
        title="Evaluation of fused images",
        source=f"{_count(sum(data['frames'] for data in datasets.values()), 'pair')} of "
        f"{_count(len(datasets), 'data set')}, {_count(len(colours), 'way')} to show them",
        report=report,
        colours=colours,
        headline=_headline(findings),
        findings=findings,
        fewest=FEWEST_SCENES,
        efficiency=_efficiency(report, colours),
        threads=sorted({each["efficiency"]["threads"] for each in report["fusers"].values() if each["efficiency"]}),
        sections=[_section(name, data, report["fusers"], colours) for name, data in datasets.items()],
        timelines=[
            _timeline(name, told, colours) for name, told in list(report["timelines"].items())[:_MOST_TIMELINES]
        ],
        timelines_left_out=max(len(report["timelines"]) - _MOST_TIMELINES, 0),
        shots=shots,
        shots_left_out=left_out,
        lower=sorted(LOWER_IS_BETTER & set(report["definitions"])),
    )
    path = folder / "report.html"
    replace_text(path, html)
    return path


def number(value: float | None) -> str:
    """A figure with as many digits as one can compare."""
    if value is None or math.isnan(value):
        return "—"
    size = abs(value)
    digits = 3 if size < 10 else 2 if size < 100 else 1
    return f"{value:.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """Where a figure is with 95 % confidence."""
    return "" if low is None or high is None else f"{number(low)}…{number(high)}"


def _rivals(data: Mapping[str, Any], fusers: Mapping[str, Any]) -> list[str]:
    """What takes part in the contest for quality: an image shown as it is would always be most like itself."""
    return [name for name in data["quality"] if not fusers[name]["reference"]]


def _finding(name: str, data: Mapping[str, Any], fusers: Mapping[str, Any]) -> Finding:
    scenes, quality, rivals = scenes_of(data), data["quality"], _rivals(data, fusers)
    count = len(set(scenes))
    extent = f"{_count(data['frames'], 'pair')}, {_count(count, 'scene')}"
    few = count < FEWEST_SCENES
    finding = Finding(name, extent, unknown=few, detection=_found(data["detection"], few))
    values = {fuser: {metric: each["values"] for metric, each in quality[fuser].items()} for fuser in rivals}
    differences = {
        (one, other): paired_differences(values[one], values[other], scenes)
        for one in rivals
        for other in rivals
        if one != other
    }
    for metric in _metrics(quality, rivals)[0]:
        ranking = _ranking({fuser: quality[fuser].get(metric, {}).get("value") for fuser in rivals}, metric)
        if len(ranking) < 2 or finding.unknown:
            continue
        best = ranking[0]
        told = quality[best][metric]
        close = [
            other
            for other in ranking[1:]
            if (apart := differences[best, other].get(metric)) is None
            or not (apart.is_real and is_better(metric, apart.value))
        ]
        if close:
            finding.noise.append((metric, best, ", ".join(close)))
        else:
            figure = f"{number(told['value'])} [{interval(told['low'], told['high'])}]"
            finding.clear.setdefault(best, []).append((metric, figure))
    return finding


def _found(detection: Mapping[str, Any] | None, few: bool) -> str:
    """Says on which images the detector finds most. Their intervals are not paired, so that this is cautious."""
    if not detection:
        return ""
    figures = {name: each["map50"] for name, each in detection.items() if each["map50"]["value"] is not None}
    ranking = _ranking({name: each["value"] for name, each in figures.items()}, "map50")
    if not ranking:
        return ""
    best, *others = ranking
    most = figures[best]
    close = [
        name for name in others if None in (most["low"], figures[name]["high"]) or figures[name]["high"] >= most["low"]
    ]
    start = f"The detector finds most on {best}: mAP@.5 {number(most['value'])}"
    if few:
        return f"{start}, which may be noise."
    if most["low"] is not None:
        start += f" [{interval(most['low'], most['high'])}]"
    if close:
        return f"{start}. The intervals of {', '.join(close)} overlap with it: that may be noise."
    return f"{start}, beyond the intervals of all others." if others else f"{start}."


def _headline(findings: Sequence[Finding]) -> str:
    """The verdict in one sentence or two."""
    wins: dict[str, int] = {}
    for finding in findings:
        for name, metrics in finding.clear.items():
            wins[name] = wins.get(name, 0) + len(metrics)
    noise = sum(len(finding.noise) for finding in findings)
    total = sum(wins.values()) + noise
    if not total:
        return "Nothing can be told apart: there are too few scenes, or only one fuser."
    if not wins:
        return f"No fuser is clearly ahead in any of {total} comparisons: all differences are within noise."
    order = sorted(wins, key=lambda name: -wins[name])
    parts = [f"{name} is clearly best in {wins[name]}" for name in order[:3]]
    parts[0] += f" of {_count(total, 'comparison')} (a metric on a data set)"
    rest = f"; in {noise} the best ones are within noise" if noise else "; none of them is within noise"
    return ", ".join(parts) + rest + "."


def _section(
    name: str, data: Mapping[str, Any], fusers: Mapping[str, Any], colours: Mapping[str, int]
) -> dict[str, Any]:
    """What the page shows of a data set."""
    quality = data["quality"]
    whole, by_source = _metrics(quality, list(quality))
    rivals = _rivals(data, fusers)
    detection = data["detection"] or {}
    return {
        "name": name,
        "quality": _quality_table(quality, whole, rivals, colours),
        "by_source": _quality_table(quality, by_source, rivals, colours),
        "boxes": _boxes(name, quality, whole, colours),
        "detection": _detection_table(detection, colours) if detection else None,
        "parts": {title: _parts_table(detection, key, colours) for key, title in _PARTS.items()} if detection else {},
        "curves": dict(_curves(name, detection, colours)),
        "timing": _timing_table(data["timing_ms"], colours),
        "pairs": data["pairing"]["pairs"],
        "drops": data["pairing"]["drops"],
        "registration": _registration(data["registration_px"]),
    }


def _registration(told: Mapping[str, Any] | None) -> str:
    """How far registration is off, in a sentence; empty where that is not known."""
    if told is None:
        return ""
    return (
        f"Registration is off by {number(told['median'])} px (median) and {number(told['p95'])} px (95th percentile) of"
        f" the visible image, over {_count(told['frames'], 'pair')} of known depth."
    )


def _boxes(name: str, quality: Mapping[str, Any], metrics: Sequence[str], colours: Mapping[str, int]) -> dict[str, str]:
    drawn = {
        metric: boxplot(
            {fuser: quality[fuser][metric]["values"] for fuser in quality if metric in quality[fuser]},
            colours,
            f"{metric} on {name}",
        )
        for metric in metrics
    }
    return {metric: chart for metric, chart in drawn.items() if chart}


def _quality_table(
    quality: Mapping[str, Any], metrics: Sequence[str], rivals: Sequence[str], colours: Mapping[str, int]
) -> Table:
    figures = {fuser: [quality[fuser].get(metric, {}) for metric in metrics] for fuser in quality}
    return _figures(metrics, metrics, figures, rivals, colours)


def _detection_table(detection: Mapping[str, Any], colours: Mapping[str, int]) -> Table:
    figures = {
        name: [
            *(each[key] for key in _DETECTION),
            {"value": each["miss_rate"]["log_average"], "low": None, "high": None},
        ]
        for name, each in detection.items()
    }
    heads = [*_DETECTION.values(), "log-average miss rate"]
    table = _figures([*_DETECTION, "log_average"], heads, figures, list(detection), colours)
    if all(each["track_switches"] is None for each in detection.values()):
        return table
    rows = [
        Row(row.name, row.colour, [*row.cells, Cell(_or_dash(detection[row.name]["track_switches"]))])
        for row in table.rows
    ]
    return Table([*table.head, "track switches"], rows)


def _parts_table(detection: Mapping[str, Any], key: str, colours: Mapping[str, int]) -> Table:
    parts = list(dict.fromkeys(part for each in detection.values() for part in each[key]))
    figures = {name: [each[key].get(part, {}) for part in parts] for name, each in detection.items()}
    counts = {part: each[key][part]["objects"] for each in detection.values() for part in each[key]}
    heads = [f"{part} ({counts[part]:,})" for part in parts]
    return _figures(["map50"] * len(parts), heads, figures, list(detection), colours)


def _figures(
    metrics: Sequence[str],
    heads: Sequence[str],
    figures: Mapping[str, Sequence[Mapping[str, Any]]],
    rivals: Sequence[str],
    colours: Mapping[str, int],
) -> Table:
    """A table of figures with intervals, the best and the second of each column marked."""
    marks: dict[tuple[str, int], str] = {}
    for column, metric in enumerate(metrics):
        ranking = _ranking({name: figures[name][column].get("value") for name in rivals}, metric)
        if len(ranking) > 1:
            marks |= {(name, column): mark for name, mark in zip(ranking, ("best", "second"), strict=False)}
    rows = [
        Row(
            name,
            colours[name],
            [
                Cell(
                    number(each.get("value")),
                    interval(each.get("low"), each.get("high")),
                    marks.get((name, column), ""),
                )
                for column, each in enumerate(cells)
            ],
        )
        for name, cells in figures.items()
    ]
    return Table(heads, rows)


def _curves(name: str, detection: Mapping[str, Any], colours: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Precision-recall curves of each class, and the miss rate of all."""
    for label in dict.fromkeys(label for each in detection.values() for label in each["curves"]):
        lines = [
            Line(fuser, colours[fuser], each["curves"][label]["recall"], each["curves"][label]["precision"])
            for fuser, each in detection.items()
            if label in each["curves"]
        ]
        axes = Axis("recall", 0.0, 1.0), Axis("precision", 0.0, 1.0)
        if drawn := line_chart(lines, *axes, f"Precision and recall of {label} on {name}"):
            yield f"{label}: precision and recall", drawn
    lines = [
        Line(fuser, colours[fuser], each["miss_rate"]["fppi"], each["miss_rate"]["miss"])
        for fuser, each in detection.items()
    ]
    axes = Axis("false positives per image", 1e-2, 1e1, log=True), Axis("miss rate", 0.0, 1.0)
    if drawn := line_chart(lines, *axes, f"Miss rate on {name}"):
        yield "miss rate", drawn


def _timing_table(timing: Mapping[str, Any], colours: Mapping[str, int]) -> Table:
    kinds = [(stage, key) for stage in ("fuse", "detect") for key in ("p50", "p95")]
    names = {"p50": "median", "p95": "p95"}
    rows = [
        Row(fuser, colours[fuser], [Cell(number(stages.get(stage, {}).get(key))) for stage, key in kinds])
        for fuser, stages in timing.items()
    ]
    return Table([f"{stage} {names[key]} (ms)" for stage, key in kinds], rows)


def _efficiency(report: Mapping[str, Any], colours: Mapping[str, int]) -> Table:
    """The columns of the paper's Table 2: precision, size, operations and time."""
    known = {name: each["efficiency"] or {} for name, each in report["fusers"].items()}
    sizes = list(dict.fromkeys(size for each in known.values() for size in each.get("sizes", {})))
    judged = {name: data["detection"] for name, data in report["datasets"].items() if data["detection"]}
    rows = []
    for name, each in known.items():
        cells = [
            Cell(number((found.get(name) or {"map50": {"value": None}})["map50"]["value"])) for found in judged.values()
        ]
        cells.append(Cell(f"{each['parameters'] / 1e6:.3f}" if each else "—"))
        for size in sizes:
            told = each.get("sizes", {}).get(size, {})
            cells += [Cell(number(told.get(key))) for key in ("gmacs", "ms", "peak_mb")]
        rows.append(Row(name, colours[name], cells))
    heads = [f"mAP@.5 {name}" for name in judged]
    heads.append("size (M)")
    heads += [f"{what} {size}" for size in sizes for what in ("GMACs", "ms", "peak MB")]
    return Table(heads, rows)


def _timeline(name: str, told: Mapping[str, Any], colours: Mapping[str, int]) -> tuple[str, list[str]]:
    seconds, size = told["seconds"], (520, 170)
    skew = [Line("skew", 0, seconds, told["skew_ms"])]
    fusing = [Line(fuser, colours[fuser], seconds, values) for fuser, values in told["fuse_ms"].items()]
    drawn = (
        line_chart(skew, Axis("seconds"), Axis("pair skew (ms)"), f"Pair skew of {name}", size),
        line_chart(fusing, Axis("seconds"), Axis("fusing (ms)", log=True), f"Time to fuse of {name}", size),
    )
    return name, [each for each in drawn if each]


def _shots(shots: Sequence[Mapping[str, Any]], folder: Path) -> tuple[dict[str, list[dict[str, Any]]], int]:
    """The pictures by kind, one of each recording in turn until the page is large enough, and how many are left."""
    told: dict[str, list[dict[str, Any]]] = {}
    size = left_out = 0
    for shot in _in_turn(shots):
        pictures = {}
        if size < _PICTURE_BYTES:
            drawn = {label: _picture(folder, path) for label, path in shot["pictures"].items()}
            pictures = {label: url for label, url in drawn.items() if url}
        if not pictures:
            left_out += 1
            continue
        size += sum(map(len, pictures.values()))
        told.setdefault(shot["kind"], []).append({**shot, "pictures": pictures})
    return told, left_out


def _in_turn(shots: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of each kind and recording, then the second ones, and so on."""
    seen: dict[tuple[str, str], int] = {}
    turns = []
    for shot in shots:
        key = shot["kind"], shot["recording"]
        turns.append(seen.get(key, 0))
        seen[key] = turns[-1] + 1
    return [shots[index] for index in sorted(range(len(shots)), key=lambda index: turns[index])]


def _picture(folder: Path, path: str) -> str:
    """A picture of the folder as a data URL; empty where there is none."""
    inside = (folder / path).resolve()
    if not inside.is_relative_to(folder.resolve()) or not inside.is_file():
        return ""
    image = cv2.imread(str(inside))
    return "" if image is None else data_url(image, _PICTURE_WIDTH, _PICTURE_QUALITY)


def _metrics(quality: Mapping[str, Any], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Metrics of both sources together, and those of one source alone."""
    metrics = dict.fromkeys(metric for name in names for metric in quality[name])
    alone = [metric for metric in metrics if metric.endswith(_SOURCES)]
    return [metric for metric in metrics if metric not in alone], alone


def _ranking(values: Mapping[str, float | None], metric: str) -> list[str]:
    """Names, best first; without those of no value."""
    known = {name: value for name, value in values.items() if value is not None}
    return sorted(known, key=lambda name: known[name], reverse=metric not in LOWER_IS_BETTER)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _or_dash(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"
