"""Counting what a stage does: rate, latency percentiles, drops by reason, errors."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

WINDOW = 256


@dataclass(frozen=True)
class MeterReading:
    """What a meter shows at one moment.

    Attributes:
        processed: Items finished since the start.
        rate: Items per second over the recent window; 0 once nothing has come for longer than that window took.
        busy_p50: Median seconds of work per item, over the recent window.
        busy_p95: 95th percentile of the same.
        latency_p50: Median seconds from capture to the end of this stage.
        latency_p95: 95th percentile of the same.
        drops: Items dropped since the start, by reason.
        errors: Items that failed since the start.
        last_error: The newest failure's text, or an empty string.
    """

    processed: int
    rate: float
    busy_p50: float
    busy_p95: float
    latency_p50: float
    latency_p95: float
    drops: Mapping[str, int]
    errors: int
    last_error: str


class Meter:
    """A thread-safe meter; percentiles are over the last 256 items."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processed = 0
        self._errors = 0
        self._last_error = ""
        self._drops: Counter[str] = Counter()
        self._busy: deque[float] = deque(maxlen=WINDOW)
        self._latency: deque[float] = deque(maxlen=WINDOW)
        self._finished: deque[float] = deque(maxlen=WINDOW)

    def add(self, busy: float, latency: float | None = None) -> None:
        """Counts a finished item: seconds of work, and seconds since capture where known."""
        with self._lock:
            self._processed += 1
            self._busy.append(busy)
            self._finished.append(time.monotonic())
            if latency is not None:
                self._latency.append(latency)

    def drop(self, reason: str, count: int = 1) -> None:
        """Counts dropped items."""
        with self._lock:
            self._drops[reason] += count

    def error(self, text: str) -> None:
        """Counts a failed item and keeps its text."""
        with self._lock:
            self._errors += 1
            self._last_error = text

    @property
    def processed(self) -> int:
        """Items finished since the start."""
        return self._processed

    @property
    def dropped(self) -> int:
        """Items dropped since the start, for whatever reason."""
        with self._lock:
            return sum(self._drops.values())

    def read(self) -> MeterReading:
        """Returns a consistent snapshot."""
        with self._lock:
            busy, latency = sorted(self._busy), sorted(self._latency)
            return MeterReading(
                processed=self._processed,
                rate=self._rate(),
                busy_p50=percentile(busy, 0.50),
                busy_p95=percentile(busy, 0.95),
                latency_p50=percentile(latency, 0.50),
                latency_p95=percentile(latency, 0.95),
                drops=dict(self._drops),
                errors=self._errors,
                last_error=self._last_error,
            )

    def _rate(self) -> float:
        if len(self._finished) < 2:
            return 0.0
        spread = self._finished[-1] - self._finished[0]
        silence = time.monotonic() - self._finished[-1]
        return 0.0 if silence > max(spread, 1.0) else (len(self._finished) - 1) / max(spread, 1e-9)


def percentile(ordered: list[float], fraction: float) -> float:
    """The nearest-rank percentile of sorted values; 0 where there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, round(fraction * (len(ordered) - 1)))]
