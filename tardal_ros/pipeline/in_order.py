"""The in-order driver: every item through every stage, nothing dropped. Evaluation runs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tardal_ros.pipeline.stage import Stage


def run_in_order(stages: Sequence[Stage[Any, Any]], items: Iterable[Any]) -> Iterator[Any]:
    """Takes each item through all stages before the next one is read.

    Args:
        stages: Stages, each taking what the one before makes.
        items: What the first stage takes; read lazily, so memory stays constant.

    Yields:
        What the last stage makes, in the order of the items; items that a stage made nothing of are left out.
    """
    for item in items:
        for stage in stages:
            item = stage.process(item)
            if item is None:
                break
        else:
            yield item
