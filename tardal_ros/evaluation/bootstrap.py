"""Means with their confidence intervals, by a bootstrap over scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
# Numbers drawn at a time, which bounds the memory for any number of scenes.
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Mean:
    """A mean and its 95 % confidence interval.

    Attributes:
        value: The mean over the images for which the metric is defined; NaN if there are none.
        low: Percentile 2.5 of the bootstrap over scenes.
        high: Percentile 97.5.
    """

    value: float
    low: float
    high: float


def means(
    rows: Sequence[Mapping[str, float]], scenes: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> dict[str, Mean]:
    """Means of metrics over images, see `mean_over_scenes`.

    Args:
        rows: The metrics of each image by name, the same ones for all.
        scenes: The scene of each image.
        resamples: How many times scenes are drawn.
    """
    if not rows:
        return {}
    figures = mean_over_scenes(np.array([list(row.values()) for row in rows], np.float64), scenes, resamples)
    return {name: Mean(*map(float, figure)) for name, *figure in zip(rows[0], *figures, strict=True)}


def mean_over_scenes(
    values: NDArray[np.float64], scenes: Sequence[str] | None = None, resamples: int = RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means of columns, and their 95 % confidence intervals by a bootstrap over scenes.

    Args:
        values: (N, M); NaN where a metric is not defined, which then does without that frame.
        scenes: The scene of each frame. All frames of a scene are drawn together. None if each is a scene of its own.
        resamples: How many times scenes are drawn with replacement.

    Returns:
        The means and the percentiles 2.5 and 97.5, (M,) each; NaN where nothing is defined.
    """
    sums, defined = np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
    if scenes is not None:
        _, numbers = np.unique(np.asarray(scenes, object).astype(str), return_inverse=True)
        sums, defined = (_by_scene(each, numbers) for each in (sums, defined))
    with np.errstate(invalid="ignore"):
        mean, drawn = sums.sum(axis=0) / defined.sum(axis=0), _drawn_means(sums, defined, resamples)
    bounds = np.full((2, values.shape[1]), np.nan)
    some = ~np.isnan(mean)
    bounds[:, some] = np.nanpercentile(drawn[:, some], [2.5, 97.5], axis=0)
    return mean, bounds[0], bounds[1]


def _drawn_means(sums: NDArray[np.float64], defined: NDArray[np.float64], resamples: int) -> NDArray[np.float64]:
    """The means of scenes drawn with replacement, a row a time."""
    count = len(sums)
    rng = np.random.default_rng(0)  # all fusers are scored on the same draws
    means_of_draws = np.empty((resamples, sums.shape[1]))
    step = max(_BLOCK // count, 1)
    for first in range(0, resamples, step):
        rows = means_of_draws[first : first + step]
        drawn = rng.multinomial(count, np.full(count, 1.0 / count), len(rows)).astype(np.float64)
        rows[:] = (drawn @ sums) / (drawn @ defined)
    return means_of_draws


def _by_scene(values: NDArray[np.float64], numbers: NDArray[np.intp]) -> NDArray[np.float64]:
    totals = np.zeros((int(numbers.max()) + 1, values.shape[1]))
    np.add.at(totals, numbers, values)
    return totals
