"""Fusing by Laplacian pyramids."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.types import Array

# Grey levels are int16 numbers of this fixed point: as exact as needed, at half the memory of floats.
UNIT = 16
# Shortest side, in pixels, of the coarsest level: a person must not fill it.
SMALLEST = 8
# Detail, in grey levels, below which infrared's noise must not replace the visible image.
NOISE = 2.0
# Levels at which infrared may darken as much as it may brighten. At coarser ones it may half as much: what is dark
# around a warm body, or under a cold sky, would show as a halo there.
FINE = 2


class LaplacianMethod:
    """Fuses by Laplacian pyramids (Burt and Adelson 1983): at every scale, more of the one that has more detail there.

    The pyramid is built of what infrared changes in the visible luma; where it changes nothing, the luma stays exactly
    as it is. At the coarsest level infrared only adds brightness, where it is much warmer than the rest: people stay
    bright, and sky, snow or smoke keep the look of the visible image, without a grey veil.
    """

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        luma: Array = np.multiply(visible, UNIT, dtype=np.int16)
        fine, other = luma, np.multiply(infrared, UNIT, dtype=np.int16)
        changes: list[Array] = []
        while min(fine.shape) >= 2 * SMALLEST:
            coarse, coarse_other = cv2.pyrDown(fine), cv2.pyrDown(other)
            change = _stronger(cv2.subtract(fine, _up(coarse, fine)), cv2.subtract(other, _up(coarse_other, other)))
            changes.append(change if len(changes) < FINE else np.maximum(change, change >> 1))
            fine, other = coarse, coarse_other
        total = _warmth(fine, other, infrared)
        for change in reversed(changes):
            total = cv2.add(_up(total, change), change)
        return cv2.addWeighted(luma, 1.0 / UNIT, total, 1.0 / UNIT, 0.0, dtype=cv2.CV_8U)


def _up(image: Array, like: Array) -> Array:
    return cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0]))


def _stronger(detail: Array, other: Array) -> Array:
    """What the other detail changes, where there is more of it: weighted by the two energies around each pixel."""
    energy, other_energy = _energy(detail), _energy(other)
    weight = other_energy / (energy + other_energy + np.float32(NOISE * NOISE))
    weights = _up((weight * np.float32(256.0)).astype(np.int16), detail)
    return cv2.multiply(cv2.subtract(other, detail), weights, scale=1.0 / 256.0)


def _energy(detail: Array) -> Array:
    """Squared mean magnitude of detail around each second pixel, in grey levels."""
    halves = cv2.pyrDown(cv2.convertScaleAbs(detail, alpha=2.0 / UNIT))
    magnitude = cv2.blur(halves, (3, 3)).astype(np.float32) * np.float32(0.5)
    squared: Array = magnitude * magnitude
    return squared


def _warmth(base: Array, other: Array, infrared: Array) -> Array:
    """What infrared adds to the coarsest level: all of its brightness from 1.75 deviations above the mean on."""
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(infrared))
    saliency = (other / np.float32(UNIT) - np.float32(mean)) / np.float32(1.75 * deviation + 8.0)
    added: Array = np.maximum(other - base, 0) * np.clip(saliency, 0.0, 1.0)
    return added.astype(np.int16)
