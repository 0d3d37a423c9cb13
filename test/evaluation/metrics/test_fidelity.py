"""What visual information fidelity must do, and a plain computation of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tardal_ros.evaluation.metrics.fidelity import fidelities

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 72), np.uint8), (0, 0), 1.5)


def vif(source, fused):
    return fidelities(fused, [source])[0]


def test_fidelity_is_that_of_a_plain_computation():
    source, fused = IMAGE, cv2.GaussianBlur(IMAGE, (0, 0), 1.0) // 2 + 60
    x, y, kept, there = source.astype(float), fused.astype(float), 0.0, 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        kernel = cv2.getGaussianKernel(size, size / 5.0)
        window = kernel @ kernel.T

        def around(image, size=size, window=window):
            return (np.lib.stride_tricks.sliding_window_view(image, (size, size)) * window).sum(axis=(2, 3))

        if scale:
            x, y = around(x)[::2, ::2], around(y)[::2, ::2]
        mx, my = around(x), around(y)
        vx, vy, cov = around(x * x) - mx * mx, around(y * y) - my * my, around(x * y) - mx * my
        gain = np.maximum(cov / vx, 0.0)
        kept += np.log2(1 + gain**2 * vx / (np.maximum(vy - gain * cov, 0.0) + 2.0)).sum()
        there += np.log2(1 + vx / 2.0).sum()
    assert vif(source, fused) == pytest.approx(kept / there, abs=1e-6)
    assert fidelities(fused, [source, fused]) == pytest.approx([kept / there, 1.0], abs=1e-6)


def test_fidelity_falls_with_blur_and_noise_and_rises_with_contrast():
    image = IMAGE // 2 + 40
    values = [vif(image, cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1.0, 3.0)]
    assert 1.0 > values[0] > values[1] > values[2] > 0.0
    noise = np.random.default_rng(1).integers(0, 40, image.shape, dtype=np.uint8)
    assert vif(image, image + noise) < 0.8
    assert vif(image, np.uint8(np.clip(image * 1.6 - 40.0, 0, 255))) > 1.05


def test_without_detail():
    flat = np.full(IMAGE.shape, 90, np.uint8)
    assert np.isnan(vif(flat, IMAGE))
    assert vif(IMAGE, flat) == 0.0
