"""What the metrics of a fused image cost: milliseconds of CPU on one core, for 640x480."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from tardal_ros.evaluation.fusion_metric import information, quality
from tardal_ros.evaluation.metrics.edges import edge_transfer
from tardal_ros.evaluation.metrics.fidelity import fidelities
from tardal_ros.evaluation.metrics.structure import similarities

SIZE = (640, 480)
AT_MOST = 150.0


def rows(repeats: int = 15) -> list[dict[str, object]]:
    """Measures them by family, to both sources."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _rows(repeats)
    finally:
        cv2.setNumThreads(threads)


def _rows(repeats: int) -> list[dict[str, object]]:
    fused, visible, infrared = images = _images()
    seen = np.full(fused.shape, 255, np.uint8)
    seen[:, : SIZE[0] // 8] = 0
    sources = visible, infrared
    costs = {
        "all": _cpu_ms(lambda: quality(*images), repeats),
        "all, with a mask": _cpu_ms(lambda: quality(*images, seen), repeats),
        "VIF": _cpu_ms(lambda: fidelities(fused, sources), repeats),
        "VIF, with a mask": _cpu_ms(lambda: fidelities(fused, sources, seen), repeats),
        "SSIM and MS-SSIM": _cpu_ms(lambda: similarities(fused, sources), repeats),
        "Qabf and Nabf": _cpu_ms(lambda: edge_transfer(fused, sources), repeats),
        "EN, SD and MI": _cpu_ms(lambda: information(*images), repeats),
    }
    bounded = {f"all but VIF{mask}": costs[f"all{mask}"] - costs[f"VIF{mask}"] for mask in ("", ", with a mask")}
    return [
        *({"name": f"metrics: {name}", "value": round(cost, 1), "unit": "ms CPU"} for name, cost in costs.items()),
        *(
            {"name": f"metrics: {name}", "value": round(cost, 1), "unit": "ms CPU", "at_most": AT_MOST}
            for name, cost in bounded.items()
        ),
    ]


def _images() -> list[np.ndarray]:
    """Fused, visible and infrared."""
    rng = np.random.default_rng(0)
    visible, infrared = (
        cv2.resize(rng.integers(0, 256, (SIZE[1] // step, SIZE[0] // step), np.uint8), SIZE) for step in (4, 8)
    )
    return [cv2.addWeighted(visible, 0.5, infrared, 0.5, 0), visible, infrared]


def _cpu_ms(step: Callable[[], object], repeats: int) -> float:
    """The median."""
    step()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3
