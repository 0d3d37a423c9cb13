"""Fusing by latent low-rank decomposition."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.types import Array

PROJECTION = Path(__file__).with_name("latent_low_rank.npy")
"""The projection that extracts detail, learned of rendered scenes by tools/learn_projection.py."""

# How often detail is taken off the base; the paper tries one to four.
LEVELS = 2
# Nuclear norms are up to 9 % too small then, in both images alike: weights are within 0.02 of the exact ones, in half
# the time of singular values.
ITERATIONS = 8


class LatentLowRankMethod:
    """MDLatLRR (Li, Wu and Kittler, IEEE TIP 2020): detail by a learned projection of patches, at several levels.

    What the projection L makes of every patch, averaged where patches overlap, is the detail of an image; the rest is
    the base, which is taken apart again. Details are mixed by their nuclear norms in patches, bases are averaged.

    Projecting every patch (stride 1) and averaging is linear and the same at each pixel: a single convolution, by the
    diagonals of L. Different from the paper: patches also reach over the border, beyond which an image is its
    reflection; the nuclear norms are of patches side by side (the stride is their size), and their weights are
    interpolated between them; L was learned of our own rendered scenes.
    """

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        base, other = visible.astype(np.float32), infrared.astype(np.float32)
        fused = np.zeros_like(base)
        for _ in range(LEVELS):
            detail, other_detail = extract_detail(base), extract_detail(other)
            fused += other_detail + _weight(base, other) * (detail - other_detail)
            base, other = base - detail, other - other_detail
        fused += (base + other) * np.float32(0.5)
        return cv2.convertScaleAbs(np.maximum(fused, 0.0, out=fused))


@lru_cache(maxsize=1)
def load_projection() -> Array:
    """L: (p * p, p * p) float32 for patches of p x p pixels, row by row."""
    projection: Array = np.load(PROJECTION, allow_pickle=False).astype(np.float32)
    projection.setflags(write=False)
    return projection


def extract_detail(image: Array) -> Array:
    """L times every patch of (H, W) float32, put back and averaged where they overlap."""
    return cv2.filter2D(image, cv2.CV_32F, _kernel(), borderType=cv2.BORDER_REFLECT)


@lru_cache(maxsize=1)
def _kernel() -> Array:
    """What extracts detail, as a correlation kernel of (2 p - 1, 2 p - 1).

    A pixel is at each of the p * p places of a patch in one of those that cover it; around each place, the kernel adds
    up what L takes from where.
    """
    projection = load_projection()
    patch = math.isqrt(len(projection))
    places = projection.astype(np.float64).reshape(patch, patch, patch, patch)
    kernel = np.zeros((2 * patch - 1, 2 * patch - 1))
    for row, column in np.ndindex(patch, patch):
        top, left = patch - 1 - row, patch - 1 - column
        kernel[top : top + patch, left : left + patch] += places[row, column]
    averaged: Array = (kernel / patch**2).astype(np.float32)
    return averaged


def _weight(one: Array, other: Array) -> Array:
    """How much of the first image's detail there is to be at each pixel: in [0, 1], float32."""
    tiny = np.float32(1e-3)  # grey levels: without detail, both count the same
    norm, other_norm = _detail_norms(one) + tiny, _detail_norms(other) + tiny
    weights = norm / (norm + other_norm)
    patch = _patch_size()
    size = weights.shape[1] * patch, weights.shape[0] * patch
    height, width = one.shape
    smooth: Array = cv2.resize(weights, size, interpolation=cv2.INTER_LINEAR)
    return smooth[:height, :width]


def _detail_norms(image: Array) -> Array:
    """Nuclear norms of the detail of patches side by side: (rows, columns) float32."""
    patch = _patch_size()
    height, width = image.shape
    whole = cv2.copyMakeBorder(image, 0, -height % patch, 0, -width % patch, cv2.BORDER_REFLECT)
    rows, columns = whole.shape[0] // patch, whole.shape[1] // patch
    patches = whole.reshape(rows, patch, columns, patch).swapaxes(1, 2).reshape(-1, patch * patch)
    details = patches @ load_projection().T
    return nuclear_norms(details.reshape(-1, patch, patch)).reshape(rows, columns)


def _patch_size() -> int:
    return math.isqrt(len(load_projection()))


def nuclear_norms(matrices: Array) -> Array:
    """The sum of singular values of each of (N, p, p) float32 matrices: its inner product with its polar factor.

    The factor is found by Newton and Schulz's iteration: a few small products, where small decompositions are slow.
    """
    sizes = np.sqrt(np.einsum("nij,nij->n", matrices, matrices))
    factors = matrices / np.maximum(sizes, np.float32(1e-12))[:, None, None]
    for _ in range(ITERATIONS):
        factors = np.float32(1.5) * factors - np.float32(0.5) * (factors @ (factors.swapaxes(1, 2) @ factors))
    norms: Array = np.einsum("nij,nij->n", matrices, factors)
    return norms
