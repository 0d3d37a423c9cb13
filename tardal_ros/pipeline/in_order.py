"""The in-order driver: every item through every stage, nothing dropped. Evaluation runs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from tardal_ros.pipeline.stage import Stage


class Stamped(Protocol):
    """What enters the first stage, such as a pair."""

    @property
    def stamp(self) -> int:
        """Its moment, in nanoseconds."""
        ...


def run_in_order(stages: Sequence[Stage[Any, Any]], items: Iterable[Stamped]) -> Iterator[Any]:
    """Takes each item through all stages before the next one is read.

    Where the stamps jump back, every stage forgets what it remembers, as it does live.

    Args:
        stages: Stages, each taking what the one before makes.
        items: What the first stage takes; read lazily, so memory stays constant.

    Yields:
        What the last stage makes, in the order of the items; items that a stage made nothing of are left out.
    """
    last = 0
    for item in items:
        if item.stamp < last:
            for stage in stages:
                stage.reset()
        last = item.stamp
        result: Any = item
        for stage in stages:
            result = stage.process(result)
            if result is None:
                break
        else:
            yield result
