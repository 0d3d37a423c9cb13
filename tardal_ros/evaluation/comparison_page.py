"""A comparison of two reports as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tardal_ros.evaluation.comparison import Change, Comparison, in_words
from tardal_ros.evaluation.pages import render
from tardal_ros.evaluation.verdict_page import Cell, Row, Table, number
from tardal_ros.files import replace_text

_MARKS = {"better": "best", "worse": "is-worse"}


def write_comparison(comparison: Comparison, path: Path, before: str, after: str) -> None:
    """Writes the page; the file is replaced as a whole.

    Args:
        comparison: What to show.
        path: The HTML file.
        before: What the first report is called.
        after: What the second one is called.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        RigError: The file cannot be written.
    """
    changes = comparison.changes
    datasets = {name: [each for each in changes if each.dataset == name] for name in _unique(changes, "dataset")}
    colours = {name: index for index, name in enumerate(_unique(changes, "fuser"))}
    judgements = [change.judgement for change in changes]
    html = render(
        "comparison_page.html.jinja",
        title="Comparison of two evaluations",
        source=f"A: {before} · B: {after}",
        sentences=in_words(comparison),
        notes=comparison.notes,
        counts={word: judgements.count(word) for word in ("better", "worse", "noise", "unknown")},
        tables={
            name: [
                _table([each for each in of_it if (each.judgement in _MARKS) == beyond], colours)
                for beyond in (True, False)
            ]
            for name, of_it in datasets.items()
        },
    )
    replace_text(path, html)


def _table(changes: list[Change], colours: dict[str, int]) -> Table:
    """One row for each fuser and metric, so that it is read like a list on a narrow screen too."""
    rows = []
    for change in changes:
        apart = change.difference
        note = f"{apart.low:+.3g}…{apart.high:+.3g}{'' if apart.paired else ' unpaired'}" if apart.is_known else ""
        mark = _MARKS.get(change.judgement, "")
        cells = [
            Cell(change.metric),
            Cell(number(change.before)),
            Cell(number(change.after)),
            Cell(f"{apart.value:+.3g}", note, mark),
            Cell(change.judgement, "", mark),
        ]
        rows.append(Row(change.fuser, colours[change.fuser], cells))
    return Table(["metric", "A", "B", "B - A", "judgement"], rows)


def _unique(changes: Any, name: str) -> list[str]:
    return list(dict.fromkeys(getattr(change, name) for change in changes))
