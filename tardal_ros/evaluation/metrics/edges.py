"""Metrics of gradients and edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tardal_ros.evaluation.metrics.windows import as_mask, count, mean, total, whole_windows
from tardal_ros.types import Array

# Gain, slope and centre of the sigmoids of Xydeas and Petrovic, for edge strength and orientation.
_STRENGTH, _ORIENTATION = (0.9994, -15.0, 0.5), (0.9879, -22.0, 0.8)


class EdgeTransfer(NamedTuple):
    """What became of the edges of the sources.

    Attributes:
        preserved: Qabf (Xydeas and Petrovic 2000): how well strength and orientation of both sources' edges are
            preserved. Edges are those of the Sobel operator, weighted by their strength in the source (L = 1). An
            orientation and its opposite are the same, and what has no edge has any. By the published constants,
            perfect preservation gives 0.975.
        artefacts: Nabf (Kumar 2013): what Qabf loses at pixels whose fused edge is stronger than those of both
            sources, 0 to 1. Its constants and weights are those of Qabf above. Kumar's own program has others (L =
            1.5, and sigmoids of Petrovic and Xydeas 2005), so its figures cannot be compared with these.
    """

    preserved: float
    artefacts: float


class _Edges(NamedTuple):
    """Sobel's derivatives to the right and down, and the strength of the edge."""

    right: Array
    down: Array
    strength: Array


def average_gradient(image: Array, seen: Array | None = None) -> float:
    """AG: the mean of sqrt((dx^2 + dy^2) / 2), of the differences to the right and to the lower neighbour."""
    mask = as_mask(seen)
    if mask is not None:
        mask = mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1]
    corner, *neighbours = image[:-1, :-1], image[:-1, 1:], image[1:, :-1]
    if not corner.size:
        return math.nan
    right, below = (cv2.subtract(each, corner, dtype=cv2.CV_32F) for each in neighbours)
    return mean(_length(right, below), mask) / math.sqrt(2.0)


def spatial_frequency(image: Array, seen: Array | None = None) -> float:
    """SF (Eskicioglu and Fisher 1995): sqrt(mean dx^2 + mean dy^2), of the differences between neighbours."""
    mask = as_mask(seen)
    across, down = (None, None) if mask is None else (mask[:, :-1] & mask[:, 1:], mask[:-1] & mask[1:])
    squares = _mean_square(image[:, :-1], image[:, 1:], across) + _mean_square(image[:-1], image[1:], down)
    return math.sqrt(squares)


def edge_transfer(fused: Array, sources: Sequence[Array], seen: Array | None = None) -> EdgeTransfer:
    """Qabf and Nabf; NaN if no source has an edge."""
    fused_edges, edges = _edges(fused), [_edges(source) for source in sources]
    artefact = np.uint8(fused_edges.strength > np.maximum.reduce([each.strength for each in edges]))
    whole = whole_windows(seen, 3)
    if whole is not None:
        artefact &= whole
    preserved = lost = there = 0.0
    for each in edges:
        kept = _kept(each, fused_edges)
        kept *= each.strength
        preserved += total(kept, whole)
        there += total(each.strength, whole)
        lost += total(each.strength, artefact) - total(kept, artefact)
    return EdgeTransfer(preserved / there, lost / there) if there else EdgeTransfer(math.nan, math.nan)


def _mean_square(one: Array, other: Array, mask: Array | None) -> float:
    """Of the difference of two images."""
    number = count(one, mask)
    return float(cv2.norm(one, other, cv2.NORM_L2SQR, mask)) / number if number else math.nan


def _edges(image: Array) -> _Edges:
    right, down = (cv2.Sobel(image, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return _Edges(right, down, _length(right, down))


def _length(right: Array, down: Array) -> Array:
    """The square is a whole number and exact, so that equal edges are equal (by OpenCV's magnitude they are not)."""
    squares = right * right
    squares += down * down
    np.sqrt(squares, out=squares)
    return squares


def _kept(source: _Edges, fused: _Edges) -> Array:
    """Of each edge of the source, how much is in the fused image (the Q of the paper)."""
    weaker, stronger = np.minimum(source.strength, fused.strength), np.maximum(source.strength, fused.strength)
    ratio = np.divide(weaker, np.maximum(stronger, np.float32(1e-3), out=stronger), out=weaker)
    across = source.right * fused.down
    across -= source.down * fused.right
    along = source.right * fused.right
    along += source.down * fused.down
    alike = np.arctan2(np.abs(across, out=across), np.abs(along, out=along), out=across)
    alike *= np.float32(-2.0 / math.pi)
    alike += np.float32(1.0)
    kept = _sigmoid(ratio, *_STRENGTH)
    kept *= _sigmoid(alike, *_ORIENTATION)
    return kept


def _sigmoid(values: Array, gain: float, slope: float, centre: float) -> Array:
    """Computed in place."""
    values -= np.float32(centre)
    values *= np.float32(slope)
    np.exp(values, out=values)
    values += np.float32(1.0)
    np.divide(np.float32(gain), values, out=values)
    return values
