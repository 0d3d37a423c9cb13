"""Fusing without a network."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

MAX_LEVELS = 3
# Shortest side, in pixels, of the coarsest level.
SMALLEST = 8
# How much of infrared's base to take, at most, where it is darker: a cold sky must not darken the visible one.
DARKENING = 0.2


class LaplacianMethod:
    """Fuses by Laplacian pyramids (Burt and Adelson 1983): at every scale, the stronger detail of the two.

    The coarsest level follows visual saliency (global contrast of grey levels, Zhai and Shah 2006): what stands out in
    infrared, as people do, stays bright, and the rest keeps the look of the visible image.
    """

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        levels = _levels(visible)
        fine_visible, base_visible = _pyramid(visible, levels)
        fine_infrared, base_infrared = _pyramid(infrared, levels)
        fused = _fuse_bases(visible, infrared, base_visible, base_infrared)
        for a, b in zip(reversed(fine_visible), reversed(fine_infrared), strict=True):
            fused = cv2.add(_up(fused, a), _stronger(a, b))
        lifted: Array = np.maximum(fused, 0.0)
        return cv2.convertScaleAbs(lifted)


def _levels(image: Array) -> int:
    levels, side = 0, min(image.shape)
    while levels < MAX_LEVELS and side >= 2 * SMALLEST:
        side //= 2
        levels += 1
    return levels


def _pyramid(image: Array, levels: int) -> tuple[list[Array], Array]:
    """The details of each level, finest first, and the rest."""
    details: list[Array] = []
    base: Array = image.astype(np.float32)
    for _ in range(levels):
        smaller = cv2.pyrDown(base)
        details.append(cv2.subtract(base, _up(smaller, base)))
        base = smaller
    return details, base


def _up(image: Array, like: Array) -> Array:
    return cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0]))


def _stronger(a: Array, b: Array) -> Array:
    """At every pixel, the detail of the image that has more of it around there."""
    energy_a, energy_b = (cv2.boxFilter(np.abs(detail), -1, (3, 3)) for detail in (a, b))
    chosen: Array = a.copy()
    cv2.copyTo(b, cv2.compare(energy_b, energy_a, cv2.CMP_GT), chosen)
    return chosen


def _fuse_bases(visible: Array, infrared: Array, base_visible: Array, base_infrared: Array) -> Array:
    """Mixes the coarsest levels by saliency; where infrared is the darker one, it may only darken a little."""
    size = (base_visible.shape[1], base_visible.shape[0])
    salient = (_saliency(infrared), _saliency(visible))
    of_infrared, of_visible = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) / 255.0 for image in salient)
    weight = 0.5 + 0.5 * (of_infrared - of_visible)
    difference = base_infrared - base_visible
    weight = np.where(difference < 0.0, np.minimum(weight, DARKENING), weight)
    mixed: Array = (base_visible + weight * difference).astype(np.float32)
    return mixed


def _saliency(image: Array) -> Array:
    """How far each pixel's grey level is from all others', (H, W) uint8 from the least to the most salient."""
    histogram = cv2.calcHist([image], [0], None, [256], [0, 256]).ravel()
    levels = np.arange(256, dtype=np.float32)
    distances = np.abs(levels[:, None] - levels[None, :]) @ histogram
    used = distances[histogram > 0]
    low, high = float(used.min()), float(used.max())
    table = np.clip((distances - low) * (255.0 / max(high - low, 1e-6)), 0.0, 255.0)
    return cv2.LUT(image, np.rint(table).astype(np.uint8))
