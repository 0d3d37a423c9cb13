"""What rendering costs: rig frames (four images) a second, encoding excluded, and CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable

from tardal_ros.simulation import CONDITIONS, INFRARED, VISIBLE, Scene, default_rig

Row = dict[str, object]

WANTED = 20
"""Rig frames a second at half size on two cores."""


def rows(frames: int = 40) -> list[Row]:
    """Returns rows of `name`, `value`, `unit` and, where there is a target, `at_least`."""
    result: list[Row] = []
    for condition in CONDITIONS:
        start = time.perf_counter()
        scene = Scene(0, condition, rig=default_rig().scaled(0.5))
        result.append(_row(condition, "building", time.perf_counter() - start, "s"))
        rate, busy = _measure(scene.render, frames)
        result.append({**_row(condition, "rig of four, half size", rate, "rig frames/s"), "at_least": WANTED})
        result.append(_row(condition, "rig of four, half size", busy * 1e3, "ms CPU"))
    scene = Scene(0, "day")
    for name, step in (
        ("rig of four, full size", scene.render),
        ("live pair, full size", lambda time: [scene.view(stream, time) for stream in (VISIBLE, INFRARED)]),
        ("truth of visible/left, full size", lambda time: scene.truth(VISIBLE, time)),
    ):
        rate, busy = _measure(step, frames)  # type: ignore[arg-type]
        result.append(_row("day", name, rate, "1/s"))
        result.append(_row("day", name, busy * 1e3, "ms CPU"))
    return result


def _measure(step: Callable[[float], object], frames: int) -> tuple[float, float]:
    """Calls a second and CPU seconds a call, ten frames a second of scene time, after a warm-up."""
    for index in range(10):
        step(index / 10)
    start, busy = time.perf_counter(), time.process_time()
    for index in range(frames):
        step(1.0 + index / 10)
    return frames / (time.perf_counter() - start), (time.process_time() - busy) / frames


def _row(condition: str, name: str, value: float, unit: str) -> Row:
    return {"name": f"simulation, {condition}: {name}", "value": round(value, 1), "unit": unit}
