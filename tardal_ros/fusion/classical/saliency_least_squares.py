"""Fusing by saliency maps and weighted least squares."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from tardal_ros.fusion.classical.filters import box_mean, guided_filter
from tardal_ros.types import Array

# The parameters of the paper: deviation of the first rolling guidance filter in pixels, twice as large at each further
# one; that over grey levels in [0, 1]; its iterations; levels of detail, of which a Gaussian makes the coarsest.
SIGMA = 2.0
RANGE = 0.05
ITERATIONS = 4
LEVELS = 4
# Weight of the visible detail, and what keeps it finite; windows of 7x7 pixels tell how strong infrared's detail is.
LAMBDA = 0.01
EPSILON = 1e-4
WINDOW = 7


class SaliencyLeastSquaresMethod:
    """WLS (Ma, Zhou, Wang and Zong, Infrared Physics & Technology 2017): visible detail, but for strong infrared.

    Rolling guidance filters of growing scale take detail off each image and leave edges whole; what is left after a
    last Gaussian is the base. The bases are mixed by visual saliency: how far a grey level is from those of all
    pixels. Detail is near the stronger of the two, but the weaker infrared's is around, the nearer to the visible one
    (weighted least squares). Its system is diagonal: each pixel has a solution in closed form, which is taken.

    Different from the paper: rolling guidance by guided filters of the same spatial variance, where the paper's are
    joint bilateral ones; the last Gaussian is three box means. Saliency is relative to its largest value.
    """

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        weight = 0.5 + 0.5 * (_saliency(visible) - _saliency(infrared))
        (*details, base), (*other_details, other_base) = _layers(visible), _layers(infrared)
        fused: Array = other_base + weight * (base - other_base)
        for level, (detail, other) in enumerate(zip(details, other_details, strict=True)):
            fused += _fused_detail(detail, other, SIGMA if level else 0.0)
        return cv2.convertScaleAbs(np.maximum(fused, 0.0, out=fused), alpha=255.0)


def _saliency(image: Array) -> Array:
    """How far each grey level is from those of all pixels, relative to the most salient one: in [0, 1], float32."""
    levels = np.arange(256)
    table = np.abs(levels[:, None] - levels) @ np.bincount(image.ravel(), minlength=256)
    return cv2.LUT(image, (table / max(table[np.unique(image)].max(), 1)).astype(np.float32))


def _layers(image: Array) -> Iterator[Array]:
    """Detail from fine to coarse, and the base: together, they are the image in [0, 1]."""
    fine = np.multiply(image, np.float32(1 / 255), dtype=np.float32)
    for level in range(LEVELS):
        sigma = SIGMA * 2**level
        coarse = _rolling_guidance(fine, sigma) if level < LEVELS - 1 else _wide_gaussian(fine, sigma)
        yield fine - coarse
        fine = coarse
    yield fine


def _rolling_guidance(image: Array, sigma: float) -> Array:
    """Takes off what is smaller than sigma, and leaves the edges of what is larger (Zhang et al., ECCV 2014)."""
    radius = round(1.5**0.5 * sigma - 0.5)  # two box means of it have the variance of the Gaussian
    guide = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    for _ in range(ITERATIONS - 1):
        guide = guided_filter(guide, image, radius, RANGE * RANGE)
    return guide


def _wide_gaussian(image: Array, sigma: float) -> Array:
    for _ in range(3):
        image = box_mean(image, round(sigma - 0.5))
    return image


def _fused_detail(visible: Array, infrared: Array, sigma: float) -> Array:
    """Minimises (d - m)^2 + lambda * a * (d - visible)^2 at each pixel.

    m is the stronger of the two details, by a choice that is blurred by sigma, and a is large where infrared's detail
    is weak around.
    """
    stronger: Array = np.greater(np.abs(infrared), np.abs(visible)).astype(np.float32)
    if sigma:
        stronger = cv2.GaussianBlur(stronger, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    # Summed up, what is noise vanishes.
    total = cv2.boxFilter(infrared, -1, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_REFLECT)
    around: Array = np.abs(total)
    # d = (m + lambda * a * visible) / (1 + lambda * a), with a = 1 / (around + epsilon)
    kept = (around + np.float32(EPSILON)) / (around + np.float32(EPSILON + LAMBDA))
    detail: Array = visible + kept * stronger * (infrared - visible)
    return detail
