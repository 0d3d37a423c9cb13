"""SSIM at one scale and at five."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tardal_ros.evaluation.metrics.windows import Local, as_mask, inside, mean, whole_windows
from tardal_ros.types import Array

# Window and constants of Wang et al.
_SIZE, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
# Weights of the scales of MS-SSIM, the finest first.
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SHORTEST = _SIZE << (len(_SCALES) - 1)


class Similarity(NamedTuple):
    """How a fused image resembles a source.

    Attributes:
        single: SSIM (Wang et al. 2004), the mean over all pixels, -1 to 1. The window is a Gaussian of 11x11 pixels,
            sigma 1.5; the image is mirrored at its borders.
        multi: MS-SSIM (Wang et al. 2003), 0 to 1: five scales, each the mean of 2x2 pixels of the finer one. Windows
            lie inside the image. A scale whose structure is opposite counts as 0. NaN if a side is below 176 pixels,
            where the coarsest scale has no window.
    """

    single: float
    multi: float


def similarities(fused: Array, sources: Sequence[Array], seen: Array | None = None) -> list[Similarity]:
    """SSIM and MS-SSIM of a fused image to each source."""
    images, mask = [image.astype(np.float64) for image in (fused, *sources)], as_mask(seen)
    single: list[float] = []
    multi = [1.0 if min(fused.shape) >= _SHORTEST else math.nan] * len(sources)
    kernel = cv2.getGaussianKernel(_SIZE, _SIGMA)
    for scale, weight in enumerate(_SCALES if min(fused.shape) >= _SHORTEST else _SCALES[:1]):
        if scale:
            images = [_halved(image) for image in images]
            mask = None if mask is None else np.uint8(_halved(mask.astype(np.float32)) == 1.0)
        whole = whole_windows(mask, _SIZE)
        whole_inside = None if whole is None else np.ascontiguousarray(inside(whole, _SIZE))
        around_fused, *around = (Local.of(image, kernel) for image in images)
        for number, around_source in enumerate(around):
            structure = _structure(around_fused, around_source)
            if not scale:
                single.append(mean(_light(around_fused, around_source) * structure, whole))
            elif scale == len(_SCALES) - 1:
                structure *= _light(around_fused, around_source)
            multi[number] *= max(mean(inside(structure, _SIZE), whole_inside), 0.0) ** weight
    return [Similarity(*both) for both in zip(single, multi, strict=True)]


def _light(one: Local, other: Local) -> Array:
    """How alike the means around each pixel are."""
    above = one.mean * other.mean
    above *= 2.0
    above += _C1
    below = one.mean * one.mean
    below += other.mean * other.mean
    below += _C1
    above /= below
    return above


def _structure(one: Local, other: Local) -> Array:
    """How alike contrast and structure around each pixel are."""
    above = one.covariance(other)
    above *= 2.0
    above += _C2
    below = one.variance + other.variance
    below += _C2
    above /= below
    return above


def _halved(image: Array) -> Array:
    """The means of 2x2 pixels; an odd row or column at the end is left out."""
    height, width = (side // 2 for side in image.shape)
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
