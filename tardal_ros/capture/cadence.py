"""When cameras take their images, and in which order those arrive."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tardal_ros.errors import RigError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Cadence:
    """When a camera takes its images.

    Attributes:
        rate: Images per second.
        phase: Seconds by which it starts late.
        jitter: Largest deviation of a capture time, in seconds; below half a period, so that order holds.
        latency: Seconds from capture to arrival.
        offset: Seconds by which its clock is ahead of the scene's: played, its stamps say so much more.
        drift: By how many seconds a second its clock gains on the scene's, such as 2e-5.

    Raises:
        RigError: A number is out of range.
    """

    rate: float = 10.0
    phase: float = 0.0
    jitter: float = 0.0
    latency: float = 0.0
    offset: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise RigError(f"A camera's rate is {self.rate} Hz: it must be positive.")
        if not 0.0 <= self.phase < math.inf or not 0.0 <= self.latency < math.inf:
            raise RigError(f"phase {self.phase} s and latency {self.latency} s of a camera must be 0 or more.")
        if not 0.0 <= self.jitter < 0.5 / self.rate:
            raise RigError(
                f"A camera's jitter is {self.jitter} s: at {self.rate:g} Hz it must be 0 or more and below"
                f" {0.5 / self.rate:.4g} s, half its period."
            )
        if not abs(self.offset) < math.inf or not abs(self.drift) < 0.1:
            raise RigError(
                f"A camera's clock has offset {self.offset} s and drift {self.drift}:"
                " the offset must be finite, the drift below 0.1 either way."
            )


class Trigger:
    """Has a camera take its images.

    Attributes:
        next: When it takes the next one, in nanoseconds from the beginning of the scene.
    """

    def __init__(self, cadence: Cadence, seed: int, name: str) -> None:
        self._cadence = cadence
        # Both eyes of a spectrum hang on one trigger.
        self._rng = np.random.default_rng([seed, *name.replace("right", "left").encode()])
        self._count = 0
        self.next = self._draw()

    def tick(self) -> int:
        """Takes the next image, and returns when that is."""
        now = self.next
        self._count += 1
        self.next = self._draw()
        return now

    def _draw(self) -> int:
        cadence = self._cadence
        jitter = float(self._rng.uniform(-1.0, 1.0)) * cadence.jitter
        return max(0, round((cadence.phase + self._count / cadence.rate + jitter) * 1e9))


def arrivals(items: Iterable[tuple[int, int, Item]]) -> Iterator[tuple[int, Item]]:
    """Puts images in the order in which they arrive.

    Args:
        items: When each was taken, by how much later it arrives, and the image; in the order in which they were taken.

    Yields:
        When each arrives, and the image.
    """
    waiting: list[tuple[int, int, Item]] = []
    for number, (taken, latency, item) in enumerate(items):
        heapq.heappush(waiting, (taken + latency, number, item))
        # What is read later was taken later: it cannot arrive before this moment.
        while waiting and waiting[0][0] <= taken:
            due, _, first = heapq.heappop(waiting)
            yield due, first
    for due, _, first in sorted(waiting, key=lambda entry: entry[:2]):
        yield due, first
