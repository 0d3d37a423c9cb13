"""How much faster two processes evaluate than one does."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.evaluation.offline import Settings
from tardal_ros.evaluation.recording import DatasetRecording
from tardal_ros.evaluation.workers import evaluate_in_processes

RECORDINGS, PAIRS = 4, 12
SIZE = (640, 480)
SETTINGS = Settings(("laplacian", "average"))


def rows() -> list[dict[str, object]]:
    """Measures it on pairs of 640x480, with the time that it takes to start the processes."""
    with tempfile.TemporaryDirectory(prefix="tardal_ros-") as folder:
        recordings = [_written(Path(folder, f"recording{number}"), number) for number in range(RECORDINGS)]
        seconds = {processes: _timed(recordings, Path(folder, f"out{processes}"), processes) for processes in (1, 2)}
    pairs = RECORDINGS * PAIRS
    return [
        *(
            {"name": f"processes: {processes}", "value": round(pairs / taken, 2), "unit": "pairs/s"}
            for processes, taken in seconds.items()
        ),
        {"name": "two against one", "value": round(seconds[1] / seconds[2], 2), "unit": "times", "at_least": 1.7},
    ]


def _timed(recordings: list[DatasetRecording], folder: Path, processes: int) -> float:
    begun = time.perf_counter()
    list(evaluate_in_processes(recordings, SETTINGS, folder, processes))
    return time.perf_counter() - begun


def _written(root: Path, number: int) -> DatasetRecording:
    rng = np.random.default_rng(number)
    for part, channels in (("vi", 3), ("ir", 1)):
        (root / part).mkdir(parents=True)
        for pair in range(PAIRS):
            coarse = rng.integers(0, 256, (60, 80, channels), np.uint8)
            cv2.imwrite(str(root / part / f"{pair:03d}.png"), cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC))
    return DatasetRecording(root)
