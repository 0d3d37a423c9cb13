"""Miss rate against false positives per image (Dollar et al. 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_RATES = np.logspace(-2.0, 0.0, 9)  # of the paper
_TINY = 1e-10  # whose logarithm stands for that of 0


@dataclass(frozen=True)
class MissRate:
    """How many objects are missed at how many false positives per image (FPPI).

    Attributes:
        fppi: Of each score threshold, from the highest on.
        miss: The part of the objects that is missed, 0 to 1.
        log_average: The geometric mean of the miss rates at nine FPPI, evenly spaced in log space from 0.01 to 1.
    """

    fppi: tuple[float, ...]
    miss: tuple[float, ...]
    log_average: float

    def thinned(self, points: int) -> MissRate:
        """The same with so many points of the curve at most, evenly spread on a logarithmic axis of FPPI.

        Args:
            points: 2 or more.
        """
        fppi = np.array(self.fppi)
        if len(fppi) <= points or not fppi[-1] > 0.0:
            chosen = np.arange(len(fppi))[-points:]
        else:
            rates = np.geomspace(fppi[fppi > 0.0][0], fppi[-1], points - 1)
            rates[-1] = fppi[-1]
            chosen = np.unique(np.searchsorted(fppi, np.append(0.0, rates), side="right") - 1)
            chosen = chosen[chosen >= 0]
        return replace(self, fppi=tuple(fppi[chosen].tolist()), miss=tuple(np.array(self.miss)[chosen].tolist()))


def miss_rate(scores: NDArray[np.float64], right: NDArray[np.bool_], objects: int, images: int) -> MissRate:
    """Computes the curve of detections of all classes that count.

    Where not even the best detection keeps to an FPPI, the miss rate there is 1. Detections of the same score are
    taken together, so that their order does not matter.

    Args:
        scores: (N,) of the detections.
        right: (N,) whether each fits an object.
        objects: How many there are to find, 1 or more.
        images: How many were looked at.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0.0, True)[: len(order)]  # of all with its score
    fppi, miss = np.cumsum(~right[order])[last] / images, 1.0 - np.cumsum(right[order])[last] / objects
    at = np.searchsorted(fppi, _RATES, side="right") - 1
    reached = np.where(at >= 0, np.append(miss, 1.0)[at], 1.0)
    average = math.exp(float(np.log(np.maximum(reached, _TINY)).mean()))
    return MissRate(tuple(fppi.tolist()), tuple(miss.tolist()), average)
