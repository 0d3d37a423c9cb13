"""Whether a difference between two means is more than noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tardal_ros.evaluation.bootstrap import mean_over_scenes

LOWER_IS_BETTER = frozenset({"Nabf", "log_average"})
"""Metrics of which less is better; of all others, more is."""

FEWEST_SCENES = 5
"""With fewer of them a bootstrap over scenes tells nothing."""

Values = Mapping[str, Sequence["float | None"]]
"""Of each metric, the value of each frame; None where it is not defined."""


@dataclass(frozen=True)
class Difference:
    """How much one mean is above another.

    Attributes:
        value: The difference.
        low: Where its 95 % confidence interval begins; NaN where nothing can be said about it.
        high: Where it ends.
        paired: Whether it was measured frame by frame, on the same frames.
    """

    value: float
    low: float
    high: float
    paired: bool

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves out zero: the difference is not noise."""
        return self.is_known and (self.low > 0.0 or self.high < 0.0)


def paired_differences(mine: Values, theirs: Values, scenes: Sequence[str]) -> dict[str, Difference]:
    """Compares what was measured on the same frames, by a bootstrap over scenes.

    Args:
        mine: Values in the order of the frames.
        theirs: The same; only frames and metrics that both have count.
        scenes: The scene of each frame.

    Returns:
        The mean of `mine - theirs` by metric, of those that have a value.
    """
    metrics = [metric for metric in mine if metric in theirs]
    if not metrics or not scenes:
        return {}
    one, other = (np.array([each[metric] for metric in metrics], np.float64).T for each in (mine, theirs))
    values, lows, highs = mean_over_scenes(one - other, scenes)
    known = len(set(scenes)) >= FEWEST_SCENES
    return {
        metric: Difference(float(value), *((float(low), float(high)) if known else (math.nan, math.nan)), True)
        for metric, value, low, high in zip(metrics, values, lows, highs, strict=True)
        if not math.isnan(value)
    }


def unpaired_difference(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Difference | None:
    """Compares two means of which only their intervals are known, as if they had nothing to do with each other.

    Args:
        mine: `value`, `low` and `high`, as in `report.json`.
        theirs: The same.

    Returns:
        The difference, whose interval is wider than a paired one would be; None where a value is missing.
    """
    numbers = [math.nan if each[key] is None else float(each[key]) for each in (mine, theirs) for key in _FIGURE]
    value, low, high, other, other_low, other_high = numbers
    difference = value - other
    if math.isnan(difference):
        return None
    down, up = math.hypot(value - low, other_high - other), math.hypot(high - value, other - other_low)
    if not down or not up:  # an interval of one scene has no width
        down = up = math.nan
    return Difference(difference, difference - down, difference + up, False)


def is_better(metric: str, difference: float) -> bool:
    """Whether a difference of this sign is for the better."""
    return (difference < 0.0) if metric in LOWER_IS_BETTER else (difference > 0.0)


def scenes_of(data: Mapping[str, Any]) -> list[str]:
    """The scene of each frame of a data set of `report.json`; each frame is one where it does not tell."""
    return list(data.get("scenes") or map(str, range(data["frames"])))


_FIGURE = ("value", "low", "high")
