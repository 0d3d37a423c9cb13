"""What registration costs: milliseconds of CPU a step, at 1024x768 visible and 640x512 16-bit infrared.

CPU time is summed over all threads, with OpenCV on one thread and on its default number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.calibration import load_rig
from tardal_ros.registration.agc import Agc, to_grey8
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.registration.warp import rectifying_warp, registering_warp
from tardal_ros.types import Frame, Pair, View, freeze

RIG = Path(__file__).resolve().parents[1] / "config" / "calibration" / "rig.yaml"


def rows(repeats: int = 50) -> list[dict[str, object]]:
    """Returns one row a step and number of threads: `name`, `value` (mean) and `unit`."""
    steps = _steps()
    default = cv2.getNumThreads()
    result: list[dict[str, object]] = []
    try:
        for threads in sorted({1, default}):
            cv2.setNumThreads(threads)
            result += [
                {
                    "name": f"registration: {name}, {threads} thread{'s' * (threads > 1)}",
                    "value": round(_cpu_ms(step, 1 if name.startswith("make") else repeats), 3),
                    "unit": "ms CPU",
                }
                for name, step in steps.items()
            ]
    finally:
        cv2.setNumThreads(default)
    return result


def _steps() -> dict[str, Callable[[], object]]:
    rig = load_rig(RIG)
    random = np.random.default_rng(0)
    slope = np.linspace(7500, 8500, 640)[None] + np.linspace(0, 400, 512)[:, None]
    counts = freeze((slope + random.normal(0, 5, (512, 640))).astype(np.uint16))
    colour = freeze(cv2.GaussianBlur(random.integers(0, 256, (768, 1024, 3), np.uint8), (0, 0), 2))
    agc = Agc()
    tone = agc.update(counts)
    grey = to_grey8(counts, tone)
    register = registering_warp(rig, "infrared/left", "visible/left", rectify=False)
    rectify = rectifying_warp(rig.cameras["visible/left"].info)
    pair = Pair(View(Frame(colour, 0, "visible")), View(Frame(counts, 0, "infrared", tone=tone)))
    raw, rectified = RegistrationStage(rig), RegistrationStage(rig, rectify=True)
    return {
        "agc.update": lambda: agc.update(counts),
        "to_grey8": lambda: to_grey8(counts, tone),
        "warp infrared 8 bit": lambda: register.apply(grey),
        "warp infrared 16 bit": lambda: register.apply(counts),
        "rectify visible": lambda: rectify.apply(colour),
        "whole stage": lambda: raw.process(pair),
        "whole stage, rectify": lambda: rectified.process(pair),
        "make the map": lambda: registering_warp(rig, "infrared/left", "visible/left", rectify=False),
    }


def _cpu_ms(step: Callable[[], object], repeats: int) -> float:
    step()
    start = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - start) / repeats * 1e3


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<55} {row['value']:>9} {row['unit']}")
