"""Learns the projection of the fuser `latlrr` from rendered scenes: `tools/run python tools/learn_projection.py`.

Latent low-rank representation (Liu and Yan, ICCV 2011) explains patches by one another and by their own salient
features: min |Z|_* + |L|_* + lambda |E|_1, such that X = X Z + L X + E, where each column of X is a patch. L is what
the fuser keeps (Li, Wu and Kittler, IEEE TIP 2020): of any patch, it extracts the detail. Half of the patches are
smooth, half are detailed, as in that paper.
"""

from __future__ import annotations

import io
import json
import sys

import numpy as np
from numpy.typing import NDArray

from tardal_ros.datasets.rendered import Plan, rendered_examples
from tardal_ros.files import replace_bytes, replace_text, sha256_of
from tardal_ros.fusion.classical.latent_low_rank import PROJECTION
from tardal_ros.fusion.colour import luma
from tardal_ros.simulation import VERSION
from tardal_ros.types import Array

Matrix = NDArray[np.float64]

SEED = 0
SPLIT = "train"
PLAN = Plan(seeds=2, images=2)
PATCH = 16
COUNT = 2000
LAMBDA = 0.4
DETAILED = 0.75
"""Of the patches of an image, the part that varies less than those that count as detailed."""
TOLERANCE = 1e-6


def training_patches(patch: int, count: int) -> Matrix:
    """Patches of visible and infrared images as columns, grey levels in [0, 1]."""
    random = np.random.default_rng(SEED)
    images = [
        image
        for seed, condition in PLAN.scenes()
        for example in rendered_examples(seed, condition, SPLIT, PLAN.times())
        for image in (luma(example.pair.visible.left.image), example.pair.infrared.left.image)
    ]
    shares = np.diff(np.linspace(0, count, len(images) + 1).astype(int))
    drawn = [_draw(image, patch, share, random) for image, share in zip(images, shares, strict=True)]
    return np.concatenate(drawn).T / 255.0


def _draw(image: Array, patch: int, count: int, random: np.random.Generator) -> Matrix:
    """Patches of an image as rows: half of them smooth, half detailed."""
    height, width = image.shape
    tops, lefts = (random.integers(0, size - patch + 1, 20 * count) for size in (height, width))
    patches = np.array(
        [image[top : top + patch, left : left + patch].ravel() for top, left in zip(tops, lefts, strict=True)],
        np.float64,
    )
    order = np.argsort(patches.std(axis=1), kind="stable")
    border = int(DETAILED * len(order))
    chosen = [
        random.choice(part, size, replace=False)
        for part, size in ((order[:border], count - count // 2), (order[border:], count // 2))
    ]
    return patches[np.concatenate(chosen)]


def latent_projection(patches: Matrix, trade: float) -> Matrix:
    """The L of latent low-rank representation, by the inexact augmented Lagrangian method.

    The columns of an optimal Z lie in the row space of X, so that Z = V C with the V of X = U S V', of as many rows as
    a patch has pixels. What is solved for is C, of the same nuclear norm.

    Args:
        patches: (d, n), the X.
        trade: The lambda of the problem.

    Returns:
        (d, d).
    """
    size = len(patches)
    u, s, _ = np.linalg.svd(patches, full_matrices=False)
    kept = s > 1e-9 * s[0]
    basis = u[:, kept] * s[kept]
    inverse_c = np.linalg.inv(np.eye(kept.sum()) + basis.T @ basis)
    inverse_l = np.linalg.inv(np.eye(size) + patches @ patches.T)
    c, l = np.zeros((int(kept.sum()), patches.shape[1])), np.zeros((size, size))  # noqa: E741
    e, y_sum, y_c, y_l = np.zeros_like(patches), np.zeros_like(patches), np.zeros_like(c), np.zeros_like(l)
    penalty = 1e-6
    while True:
        low_c, low_l = _shrink_values(c + y_c / penalty, 1 / penalty), _shrink_values(l + y_l / penalty, 1 / penalty)
        c = inverse_c @ (basis.T @ (patches - l @ patches - e + y_sum / penalty) + low_c - y_c / penalty)
        l = ((patches - basis @ c - e + y_sum / penalty) @ patches.T + low_l - y_l / penalty) @ inverse_l  # noqa: E741
        rest = patches - basis @ c - l @ patches
        e = _shrink(rest + y_sum / penalty, trade / penalty)
        gaps = rest - e, c - low_c, l - low_l
        worst = max(float(np.abs(gap).max()) for gap in gaps)
        if worst < TOLERANCE:
            return low_l
        y_sum, y_c, y_l = (y + penalty * gap for y, gap in zip((y_sum, y_c, y_l), gaps, strict=True))
        penalty = min(1.1 * penalty, 1e6)


def _shrink(values: Matrix, threshold: float) -> Matrix:
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0.0)


def _shrink_values(matrix: Matrix, threshold: float) -> Matrix:
    """Lowers the singular values: the proximal step of the nuclear norm, by the smaller Gram matrix."""
    squares, vectors = np.linalg.eigh(matrix @ matrix.T)
    values = np.sqrt(np.maximum(squares, 0.0))
    scales = np.divide(np.maximum(values - threshold, 0.0), values, out=np.zeros_like(values), where=values > 0.0)
    result: Matrix = (vectors * scales) @ (vectors.T @ matrix)
    return result


def main() -> None:
    """Learns it, and writes it with where it comes from."""
    projection = latent_projection(training_patches(PATCH, COUNT), LAMBDA)
    file = io.BytesIO()
    np.save(file, projection.astype(np.float16), allow_pickle=False)
    replace_bytes(PROJECTION, file.getvalue())
    told = {
        "made_by": "tools/run python tools/learn_projection.py",
        "sha256": sha256_of(PROJECTION),
        "patches": f"{COUNT} of {PATCH}x{PATCH} pixels, half of them smooth, half detailed",
        "lambda": LAMBDA,
        "seed": SEED,
        "rendered": f"split {SPLIT}, conditions {', '.join(PLAN.conditions)}, seeds 0 to {PLAN.seeds - 1}, "
        f"moments {', '.join(f'{time:g} s' for time in PLAN.times())}, simulation version {VERSION}",
    }
    replace_text(PROJECTION.with_suffix(".json"), json.dumps(told, indent=2) + "\n")
    sys.stdout.write(f"{PROJECTION}: rank {np.linalg.matrix_rank(projection)} of {len(projection)}\n")


if __name__ == "__main__":
    main()
