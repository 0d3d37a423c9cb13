"""Metrics of grey levels, pixel by pixel: what their histograms and their sums tell.

Sums of levels are whole numbers, so that those of a whole image are exact.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.evaluation.metrics.windows import as_mask, count
from tardal_ros.types import Array

_LEVELS = 256
_PEAK = 255.0


class Correlations(NamedTuple):
    """How the levels of a fused image go with those of its sources.

    Attributes:
        visible: CC to the visible image: Pearson's correlation, -1 to 1. NaN if one is even.
        infrared: CC to infrared.
        differences: SCD (Aslantas and Bendes 2015): how what was added to each source resembles the other one, -2 to
            2. NaN if a source is even, or if the fused image differs from one by the same everywhere.
    """

    visible: float
    infrared: float
    differences: float


def entropy(image: Array, seen: Array | None = None) -> float:
    """EN: the entropy of the grey levels in bits, 0 to 8."""
    return _bits(_counts((image,), seen))


def standard_deviation(image: Array, seen: Array | None = None) -> float:
    """SD: the deviation of the grey levels from their mean, in grey levels; of the population, divided by N."""
    mask = as_mask(seen)
    if not count(image, mask):
        return math.nan
    _, deviation = cv2.meanStdDev(image, mask=mask)
    return float(deviation[0, 0])


def mutual_information(one: Array, other: Array, seen: Array | None = None) -> float:
    """MI: what the grey level of one image tells about that of the other at the same pixel, in bits.

    Of the joint histogram of 256x256 levels, which are taken as they are: stretching them first, as some do, gives
    values that cannot be compared with these.
    """
    joint = _counts((one, other), seen)
    return _bits(joint.sum(axis=0)) + _bits(joint.sum(axis=1)) - _bits(joint)


def correlations(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> Correlations:
    """CC to both sources, and SCD."""
    mask = as_mask(seen)
    images = fused, visible, infrared
    (ff, fv, fi), (_, vv, vi), (_, _, ii) = ([_scatter(one, other, mask) for other in images] for one in images)
    return Correlations(
        _ratio(fv, ff, vv),
        _ratio(fi, ff, ii),
        # The covariances of `fused - infrared` and `fused - visible`, by those of their parts.
        _ratio(fv - vi, ff - 2 * fi + ii, vv) + _ratio(fi - vi, ff - 2 * fv + vv, ii),
    )


def peak_signal_to_noise(one: Array, other: Array, seen: Array | None = None) -> float:
    """PSNR in dB, with 255 as the peak; NaN if there is no difference, where it has no bound."""
    mask = as_mask(seen)
    error = _squares(one, other, mask)
    return 10.0 * math.log10(_PEAK**2 * count(one, mask) / error) if error else math.nan


def _counts(images: tuple[Array, ...], seen: Array | None) -> NDArray[np.float64]:
    """Histogram of the grey levels, or joint histogram."""
    number = len(images)
    levels, limits = [_LEVELS] * number, [0, _LEVELS] * number
    return cv2.calcHist(list(images), range(number), as_mask(seen), levels, limits).astype(np.float64)


def _bits(counts: NDArray[np.float64]) -> float:
    counts = counts[counts > 0.0]
    if not counts.size:
        return math.nan
    shares = counts / counts.sum()
    return abs(float((shares * np.log2(shares)).sum()))  # `@` would wait for the threads of BLAS


def _scatter(one: Array, other: Array, mask: Array | None) -> int:
    """Covariance of the levels, times the square of the number of pixels."""
    black = np.zeros_like(one)
    product = (_squares(one, black, mask) + _squares(other, black, mask) - _squares(one, other, mask)) // 2
    return count(one, mask) * product - _total(one, mask) * _total(other, mask)


def _total(image: Array, mask: Array | None) -> int:
    return round(cv2.norm(image, cv2.NORM_L1, mask))


def _squares(one: Array, other: Array, mask: Array | None) -> int:
    """Sum of the squared differences."""
    return round(cv2.norm(one, other, cv2.NORM_L2SQR, mask))


def _ratio(covariance: int, variance: int, other: int) -> float:
    return covariance / math.sqrt(variance * other) if variance and other else math.nan
