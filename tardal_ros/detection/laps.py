"""How long the steps of detecting take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from tardal_ros.pipeline.meter import WINDOW, percentile


class Laps:
    """Times of named steps over the recent images; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, deque[float]] = {}

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Times what is done inside, unless it fails."""
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        with self._lock:
            self._seconds.setdefault(step, deque(maxlen=WINDOW)).append(seconds)

    def read(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of each step in seconds, in the order in which steps first ended."""
        with self._lock:
            ordered = {step: sorted(seconds) for step, seconds in self._seconds.items()}
        return {step: (percentile(seconds, 0.50), percentile(seconds, 0.95)) for step, seconds in ordered.items()}
