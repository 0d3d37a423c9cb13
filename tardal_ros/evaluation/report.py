"""A run to look at, as one HTML file that needs nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tardal_ros.errors import MissingDependencyError
from tardal_ros.evaluation.pages import data_url, render
from tardal_ros.evaluation.summary import END_TO_END, Summary
from tardal_ros.files import replace_text
from tardal_ros.types import Array

_MONTAGE_WIDTH, _QUALITY = 640, 88

# Colours that read on white and on black alike; `_INK` stands for the page's own text colour.
_COLOURS = ("#3b82c4", "#d9822b", "#3f9c6b", "#c2566b", "#8a6fc9", "#8a8f3c", "#4aa3a8", "#a8734a")
_INK = "#010203"


@dataclass(frozen=True, eq=False)
class Sample:
    """One moment of the run for the montage.

    Attributes:
        stamp: The pair's stamp in nanoseconds.
        visible: (H, W, 3) BGR or (H, W) grey uint8.
        infrared: (H, W) uint8, on the visible pixels.
        fused: (H, W, 3) BGR or (H, W) grey uint8, with the boxes drawn.
    """

    stamp: int
    visible: Array
    infrared: Array
    fused: Array


def write_report(
    path: Path,
    summary: Summary,
    samples: Sequence[Sample],
    latencies: Mapping[str, Sequence[float]],
    *,
    title: str,
    source: str,
    notes: Sequence[str] = (),
) -> None:
    """Writes the report; the file is replaced as a whole.

    Args:
        path: The HTML file to write.
        summary: The run in numbers.
        samples: What the montage shows, one row each.
        latencies: Milliseconds of every pair in each stage, in the order in which pairs walk through them.
        title: The page's heading.
        source: What was run, in a line.
        notes: What a reader should know, a sentence each.

    Raises:
        MissingDependencyError: jinja2 or matplotlib is not installed.
        RigError: The file cannot be written.
    """
    # Logarithmic scales know no zero.
    shown = {
        stage.replace("_", " "): np.maximum(np.asarray(values, float), 1e-3)
        for stage, values in latencies.items()
        if len(values)
    }
    start = samples[0].stamp if samples else 0
    html = render(
        "report.html.jinja",
        title=title,
        source=source,
        notes=notes,
        summary=summary,
        tiles=_tiles(summary),
        rows=[
            (
                f"{(sample.stamp - start) / 1e9:.2f} s",
                [data_url(i, _MONTAGE_WIDTH, _QUALITY) for i in (sample.visible, sample.infrared, sample.fused)],
            )
            for sample in samples
        ],
        stages=[(stage, *np.percentile(values, (50, 95, 100)), len(values)) for stage, values in shown.items()],
        plot=_latency_plot(shown) if shown else "",
    )
    replace_text(path, html)


def _tiles(summary: Summary) -> list[tuple[str, str, str]]:
    """Returns the key numbers: label, value and what it means."""
    lost = sum(summary.drops.values())
    tiles = [("Pairs", f"{summary.pairs:,}", "fused"), ("Dropped", f"{lost:,}", "frames and pairs, all reasons")]
    if END_TO_END in summary.latency_ms:
        latency = summary.latency_ms[END_TO_END]
        tiles.append(("Latency", f"{latency['p50']:.1f} ms", f"end to end, median; p95 {latency['p95']:.1f} ms"))
    tiles.append(("Fuser", summary.fuser, "visible + infrared"))
    if summary.map50 is not None:
        tiles.append(("mAP50", f"{100 * summary.map50:.1f} %", "against the ground truth"))
    return tiles


def _latency_plot(latencies: Mapping[str, Array]) -> str:
    """Draws how each stage's latency is spread and how it went over the run, as inline SVG."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "Reports need matplotlib: run `pip install '.[report]'` in the checkout."
        ) from error
    style: Any = {
        "font.size": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "tardal_ros",
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
    }
    colours = [_COLOURS[index % len(_COLOURS)] for index in range(len(latencies))]
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9.6, 1.6 + 0.32 * len(latencies)), layout="constrained")
        spread, course = figure.subplots(1, 2)
        for row, (colour, values) in enumerate(zip(colours, latencies.values(), strict=True)):
            low, lower, median, upper, high = np.percentile(values, (5, 25, 50, 75, 95))
            spread.plot((low, high), (row, row), color=colour, linewidth=1.5)
            spread.plot((lower, upper), (row, row), color=colour, linewidth=9, solid_capstyle="butt")
            spread.plot(median, row, "|", color=_INK, markersize=12)
            course.plot(values, color=colour, linewidth=1.2)
        spread.set(xscale="log", xlabel="ms", title="Spread", yticks=range(len(latencies)), yticklabels=list(latencies))
        spread.xaxis.set_major_formatter("{x:g}")
        spread.invert_yaxis()
        course.set(yscale="log", xlabel="pair", ylabel="ms", title="Over the run")
        course.yaxis.set_major_formatter("{x:g}")
        for axes in (spread, course):
            axes.patch.set_visible(False)
            axes.grid(alpha=0.18, color=_INK, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _inline(stream.getvalue())


def _inline(svg: str) -> str:
    """Makes a drawing part of an HTML page: no prolog, metadata or fixed size, and the page's text colour."""
    box = svg[svg.index("viewBox=") :].split('"')[1]
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index(">", svg.index("<svg")) + 1 :], flags=re.DOTALL)
    return f'<svg viewBox="{box}" role="img" aria-label="Latency of each stage">{body}'.replace(_INK, "currentColor")
