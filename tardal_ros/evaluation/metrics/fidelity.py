"""Visual information fidelity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from tardal_ros.evaluation.metrics.windows import Local, as_mask, blur, inside, whole_windows
from tardal_ros.types import Array

# Window sizes from the finest scale on, variance of the visual noise, and what counts as none.
_SIZES, _NOISE, _TINY = (17, 9, 5, 3), 2.0, 1e-10
# Information that an image of 16 megapixels without any detail seems to have, by rounding.
_ROUNDING = 1e-3


def fidelities(fused: Array, sources: Sequence[Array], seen: Array | None = None) -> list[float]:
    """VIF in the pixel domain (Sheikh and Bovik 2006, `vifp`): how much of a source's information the fused one keeps.

    Over four scales, with Gaussian windows inside the image only. 1 for the source itself; 0 if nothing is kept; more
    than 1 if contrast is raised. This is not the VIFF of Han et al. 2013.

    Returns:
        That of each source; NaN where it has no detail.
    """
    kept, there = [0.0] * len(sources), [0.0] * len(sources)
    images, whole = [image.astype(np.float64) for image in (fused, *sources)], as_mask(seen)
    for scale, size in enumerate(_SIZES):
        kernel = cv2.getGaussianKernel(size, size / 5.0)
        if scale:
            images = [np.ascontiguousarray(inside(blur(image, kernel), size)[::2, ::2]) for image in images]
            whole = _every_second(whole, size)
        if min(images[0].shape) < size:
            break
        counted = whole_windows(whole, size)
        around_fused, *around = (Local.of(image, kernel) for image in images)
        for number, source in enumerate(around):
            variances = [source.variance, around_fused.variance, source.covariance(around_fused)]
            variances = [inside(each, size) for each in variances]
            if counted is not None:
                variances = [each[inside(counted, size) > 0] for each in variances]
            part, all_there = _information(*variances)
            kept[number] += part
            there[number] += all_there
    return [
        part / all_there if all_there > _ROUNDING else math.nan for part, all_there in zip(kept, there, strict=True)
    ]


def _every_second(seen: Array | None, size: int) -> Array | None:
    """Which pixels of the next scale are made of seen ones only."""
    whole = whole_windows(seen, size)
    return None if whole is None else np.ascontiguousarray(inside(whole, size)[::2, ::2])


def _information(variance: Array, fused_variance: Array, covariance: Array) -> tuple[float, float]:
    """The information of the source that is in the fused image, and all of it, at one scale."""
    gain = np.maximum(covariance / (variance + _TINY), 0.0)
    gain[(variance < _TINY) | (fused_variance < _TINY)] = 0.0
    # What the gain does not explain is noise.
    noise = np.where(gain > 0.0, np.maximum(fused_variance - gain * covariance, _TINY), fused_variance)
    kept = np.log(1.0 + gain * gain * variance / (noise + _NOISE))
    return float(kept.sum()), float(np.log(1.0 + variance / _NOISE).sum())
