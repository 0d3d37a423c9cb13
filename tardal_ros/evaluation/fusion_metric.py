"""How good a fused image is, measured without a truth: against itself and against the two images it was made of.

All metrics take (H, W) uint8 images of one size. `seen` is (H, W), non-zero where infrared really sees, or None where
it sees everywhere: pixels that it does not see count for nothing, nor do windows that reach over one. A metric is NaN
where nothing is left to measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.types import Array

_LEVELS = 256
# SSIM: window and constants of Wang et al.
_SSIM_SIZE, _SSIM_SIGMA = 11, 1.5
_SSIM_C1, _SSIM_C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
# Qabf: gain, slope and centre of the sigmoids of Xydeas and Petrovic, for edge strength and orientation.
_STRENGTH, _ORIENTATION = (0.9994, -15.0, 0.5), (0.9879, -22.0, 0.8)
# VIF: window sizes from the finest scale on, variance of the visual noise, and what counts as none.
_VIF_SIZES, _VIF_NOISE, _VIF_TINY = (17, 9, 5, 3), 2.0, 1e-10
# Bits that an image of 16 megapixels without any detail seems to have, by rounding.
_VIF_ROUNDING = 1e-3

Measure = Callable[[Array, Array, Array, Array | None], dict[str, float]]
"""Takes the fused, visible and infrared image, and where infrared sees."""


def entropy(image: Array, seen: Array | None = None) -> float:
    """EN: the entropy of the grey levels in bits, 0 to 8."""
    return _bits(_counts((image,), seen))


def standard_deviation(image: Array, seen: Array | None = None) -> float:
    """SD: the deviation of the grey levels from their mean, in grey levels; of the population, divided by N."""
    if seen is not None and not seen.any():
        return math.nan
    _, deviation = cv2.meanStdDev(image, mask=_mask(seen))
    return float(deviation[0, 0])


def mutual_information(one: Array, other: Array, seen: Array | None = None) -> float:
    """MI: what the grey level of one image tells about that of the other at the same pixel, in bits.

    Of the joint histogram of 256x256 levels, which are taken as they are: stretching them first, as some do, gives
    values that cannot be compared with these.
    """
    joint = _counts((one, other), seen)
    return _bits(joint.sum(axis=0)) + _bits(joint.sum(axis=1)) - _bits(joint)


def ssim(one: Array, other: Array, seen: Array | None = None) -> float:
    """SSIM (Wang et al. 2004), the mean over all pixels, -1 to 1.

    The window is a Gaussian of 11x11 pixels, sigma 1.5; the image is mirrored at its borders.
    """
    mean_one, mean_other, variance_one, variance_other, covariance = _moments(
        _reals(one), _reals(other), cv2.getGaussianKernel(_SSIM_SIZE, _SSIM_SIGMA)
    )
    light = (2.0 * mean_one * mean_other + _SSIM_C1) / (mean_one**2 + mean_other**2 + _SSIM_C1)
    structure = (2.0 * covariance + _SSIM_C2) / (variance_one + variance_other + _SSIM_C2)
    return _mean(light * structure, _whole(seen, _SSIM_SIZE))


def average_gradient(image: Array, seen: Array | None = None) -> float:
    """AG: the mean of sqrt((dx^2 + dy^2) / 2), of the differences to the right and to the lower neighbour."""
    right, below = _differences(image)
    mask = _mask(seen)
    if mask is not None:
        mask = mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1]
    return _mean(np.sqrt((right[:-1] ** 2 + below[:, :-1] ** 2) / 2.0), mask)


def spatial_frequency(image: Array, seen: Array | None = None) -> float:
    """SF (Eskicioglu and Fisher 1995): sqrt(mean dx^2 + mean dy^2), of the differences between neighbours."""
    right, below = _differences(image)
    mask = _mask(seen)
    across, down = (None, None) if mask is None else (mask[:, :-1] & mask[:, 1:], mask[:-1] & mask[1:])
    return math.sqrt(_mean(right**2, across) + _mean(below**2, down))


def edge_preservation(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> float:
    """Qabf (Xydeas and Petrovic 2000): how well strength and orientation of both sources' edges are preserved.

    Edges are those of the Sobel operator, weighted by their strength in the source (L = 1). An orientation and its
    opposite are the same. Because of the published constants, perfect preservation gives 0.975.
    """
    edges = _edges(fused)
    preserved = total = 0.0
    whole = _whole(seen, 3)
    for source in (_edges(visible), _edges(infrared)):
        weight = source[2] if whole is None else source[2] * whole
        preserved += float((_kept(source, edges) * weight).sum(dtype=np.float64))
        total += float(weight.sum(dtype=np.float64))
    return preserved / total if total else math.nan


def visual_information_fidelity(source: Array, fused: Array, seen: Array | None = None) -> float:
    """VIF in the pixel domain (Sheikh and Bovik 2006, `vifp`): how much of a source's information the fused one keeps.

    Over four scales, with Gaussian windows inside the image only. 1 for the source itself; 0 if nothing is kept; more
    than 1 if contrast is raised. This is not the VIFF of Han et al. 2013.
    """
    kept = there = 0.0
    one, other, whole = _reals(source), _reals(fused), _mask(seen)
    for index, size in enumerate(_VIF_SIZES):
        kernel = cv2.getGaussianKernel(size, size / 5.0)
        if index:
            one, other = (_inside(cv2.sepFilter2D(image, -1, kernel, kernel), size)[::2, ::2] for image in (one, other))
            whole = _every_second(whole, size)
        if min(one.shape) < size:
            break
        counted = _whole(whole, size)
        variances = (_inside(moment, size) for moment in _moments(one, other, kernel)[2:])
        if counted is not None:
            variances = (moment[_inside(counted, size) > 0] for moment in variances)
        part, all_there = _information(*variances)
        kept, there = kept + part, there + all_there
    return kept / there if there > _VIF_ROUNDING else math.nan


def information(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> dict[str, float]:
    """The metrics of a running stream, quick enough for every frame: EN, SD, and MI to each source and their sum.

    Args:
        fused: The fused luma.
        visible: The visible luma.
        infrared: Infrared on the same pixels.
        seen: Where infrared sees.

    Raises:
        RigError: The images cannot be compared.
    """
    _check(fused, visible, infrared, seen)
    to_visible, to_infrared = (mutual_information(fused, source, seen) for source in (visible, infrared))
    return {
        "EN": entropy(fused, seen),
        "SD": standard_deviation(fused, seen),
        "MI_vi": to_visible,
        "MI_ir": to_infrared,
        "MI": to_visible + to_infrared,
    }


def quality(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> dict[str, float]:
    """All metrics: those of `information`, SSIM and VIF to each source, the sum of the two VIFs, AG, SF and Qabf.

    Args:
        fused: The fused luma.
        visible: The visible luma.
        infrared: Infrared on the same pixels.
        seen: Where infrared sees.

    Raises:
        RigError: The images cannot be compared.
    """
    values = information(fused, visible, infrared, seen)
    vif_visible, vif_infrared = (visual_information_fidelity(source, fused, seen) for source in (visible, infrared))
    return {
        **values,
        "SSIM_vi": ssim(fused, visible, seen),
        "SSIM_ir": ssim(fused, infrared, seen),
        "VIF_vi": vif_visible,
        "VIF_ir": vif_infrared,
        "VIF": vif_visible + vif_infrared,
        "Qabf": edge_preservation(fused, visible, infrared, seen),
        "AG": average_gradient(fused, seen),
        "SF": spatial_frequency(fused, seen),
    }


class FusionScores:
    """Means over the images of a stream or of a data set.

    Args:
        measure: What to measure: `quality`, or `information` where there is no time for all of it.
    """

    def __init__(self, measure: Measure = quality) -> None:
        self._measure = measure
        self._sums: dict[str, tuple[float, int]] = {}

    def update(self, fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> Mapping[str, float]:
        """Takes one image into account; where a metric is NaN, that metric does without the image.

        Returns:
            The metrics of this image.

        Raises:
            RigError: The images cannot be compared.
        """
        values = self._measure(fused, visible, infrared, seen)
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total, count) if math.isnan(value) else (total + value, count + 1)
        return values

    def compute(self) -> dict[str, float]:
        """The means since the start or the last reset by the metrics' names; nothing before the first image."""
        return {name: total / count if count else math.nan for name, (total, count) in self._sums.items()}

    def reset(self) -> None:
        """Forgets the images so far."""
        self._sums.clear()


def _check(fused: Array, visible: Array, infrared: Array, seen: Array | None) -> None:
    for name, image in {"fused": fused, "visible": visible, "infrared": infrared}.items():
        if image.dtype != np.uint8 or image.ndim != 2 or not image.size:
            raise RigError(f"The {name} image must be 8-bit grey to be measured, not {image.dtype} of {image.shape}.")
    for name, other in {"visible image": visible, "infrared image": infrared, "mask": seen}.items():
        if other is not None and other.shape != fused.shape:
            raise RigError(f"The {name} {other.shape} and the fused image {fused.shape} differ in size: register them.")


def _mask(seen: Array | None) -> Array | None:
    return None if seen is None else (seen != 0).view(np.uint8)


def _whole(seen: Array | None, size: int) -> Array | None:
    """Where a window of this size has seen pixels only; what is beyond the border of the image does not matter."""
    mask = _mask(seen)
    return None if mask is None else cv2.erode(mask, np.ones((size, size), np.uint8))


def _every_second(seen: Array | None, size: int) -> Array | None:
    """Which pixels of the next scale are made of seen ones only."""
    whole = _whole(seen, size)
    return None if whole is None else _inside(whole, size)[::2, ::2]


def _inside(image: Array, size: int) -> Array:
    """Where a window of this size does not reach over the border."""
    height, width = image.shape
    margin = size // 2
    return image[margin : max(height - margin, margin), margin : max(width - margin, margin)]


def _reals(image: Array) -> NDArray[np.float64]:
    return image.astype(np.float64)


def _mean(values: Array, mask: Array | None) -> float:
    counted = values if mask is None else values[mask > 0]
    return float(counted.mean(dtype=np.float64)) if counted.size else math.nan


def _counts(images: tuple[Array, ...], seen: Array | None) -> NDArray[np.float64]:
    """Histogram of the grey levels, or joint histogram."""
    count = len(images)
    levels, limits = [_LEVELS] * count, [0, _LEVELS] * count
    return _reals(cv2.calcHist([np.ascontiguousarray(i) for i in images], range(count), _mask(seen), levels, limits))


def _bits(counts: NDArray[np.float64]) -> float:
    counts = counts[counts > 0.0]
    if not counts.size:
        return math.nan
    shares = counts / counts.sum()
    return abs(float((shares * np.log2(shares)).sum()))  # `@` would wait for the threads of BLAS


def _differences(image: Array) -> tuple[Array, Array]:
    """Of horizontal neighbours, (H, W - 1), and of vertical ones, (H - 1, W)."""
    numbers = image.astype(np.float32)
    return np.diff(numbers, axis=1), np.diff(numbers, axis=0)


def _moments(one: Array, other: Array, kernel: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Both means, both variances and the covariance around each pixel."""

    def blur(image: Array) -> Array:
        return cv2.sepFilter2D(image, -1, kernel, kernel)

    mean_one, mean_other = blur(one), blur(other)
    variance_one = np.maximum(blur(one * one) - mean_one * mean_one, 0.0)
    variance_other = np.maximum(blur(other * other) - mean_other * mean_other, 0.0)
    return mean_one, mean_other, variance_one, variance_other, blur(one * other) - mean_one * mean_other


def _edges(image: Array) -> tuple[Array, Array, Array]:
    """Sobel's derivatives to the right and down, and the strength of the edge."""
    right, down = (cv2.Sobel(image, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    return right, down, cv2.magnitude(right, down)


def _kept(source: tuple[Array, Array, Array], fused: tuple[Array, Array, Array]) -> Array:
    """Of each edge of the source, how much is in the fused image (the Q of the paper)."""
    (right, down, strength), (fused_right, fused_down, fused_strength) = source, fused
    strongest = np.maximum(strength, fused_strength)
    ratio = np.minimum(strength, fused_strength) / np.where(strongest > 0.0, strongest, np.float32(1.0))
    across, along = np.abs(right * fused_down - down * fused_right), np.abs(right * fused_right + down * fused_down)
    alike = np.float32(1.0) - np.arctan2(across, along) * np.float32(2.0 / math.pi)
    kept: Array = _sigmoid(ratio, *_STRENGTH) * _sigmoid(alike, *_ORIENTATION)
    return kept


def _sigmoid(values: Array, gain: float, slope: float, centre: float) -> Array:
    shaped: Array = np.float32(gain) / (np.float32(1.0) + np.exp(np.float32(slope) * (values - np.float32(centre))))
    return shaped


def _information(variance: Array, fused_variance: Array, covariance: Array) -> tuple[float, float]:
    """The information of the source that is in the fused image, and all of it, at one scale."""
    gain = np.maximum(covariance / (variance + _VIF_TINY), 0.0)
    gain[(variance < _VIF_TINY) | (fused_variance < _VIF_TINY)] = 0.0
    # What the gain does not explain is noise.
    noise = np.where(gain > 0.0, np.maximum(fused_variance - gain * covariance, _VIF_TINY), fused_variance)
    kept = np.log10(1.0 + gain * gain * variance / (noise + _VIF_NOISE))
    return float(kept.sum()), float(np.log10(1.0 + variance / _VIF_NOISE).sum())
