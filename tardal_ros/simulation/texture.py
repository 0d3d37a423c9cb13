"""Textures out of seeded noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating[Any]]


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], wavelength: float, octaves: int, persistence: float = 0.55
) -> Image:
    """Fractal noise with zero mean and unit deviation.

    Args:
        rng: Where the randomness comes from.
        shape: Height and width.
        wavelength: Size of the largest blobs, in pixels.
        octaves: Number of layers, each at half the size of the one before.
        persistence: Strength of a layer relative to the one before.
    """
    total: Image = np.zeros((1, 1), np.float32)
    for octave in range(octaves):
        step = max(wavelength / 2**octave, 1.0)
        height, width = (int(side / step) + 2 for side in shape)
        total = np.asarray(cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        total += np.float32(persistence**octave) * rng.standard_normal((height, width), np.float32)
        if step == 1.0:
            break
    total = np.asarray(cv2.resize(total, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)
    (mean,), (deviation,) = cv2.meanStdDev(total)
    return np.asarray((total - np.float32(mean[0])) * np.float32(1.0 / (deviation[0] + 1e-6)), np.float32)


def smoothstep(low: float, high: float, value: Image) -> Image:
    """0 below `low`, 1 above `high`, smooth between."""
    x = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x), np.float32)
