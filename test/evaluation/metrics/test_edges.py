"""Metrics of edges against worked examples and a plain computation."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from tardal_ros.evaluation.metrics.edges import average_gradient, edge_transfer, spatial_frequency


def test_known_gradients():
    ramp = np.repeat(np.arange(0, 60, 3, dtype=np.uint8)[None], 12, axis=0)
    for image in (ramp, ramp[:, ::-1], ramp.T):
        image = np.ascontiguousarray(image)
        assert average_gradient(image) == pytest.approx(math.sqrt(9 / 2))
        assert spatial_frequency(image) == pytest.approx(3.0)
    for line in (ramp[:1], ramp[:, :1]):
        assert math.isnan(average_gradient(line)) and math.isnan(spatial_frequency(line))


@pytest.mark.parametrize("seed", range(4))
def test_qabf_and_nabf_are_those_of_a_plain_computation(seed):
    visible, infrared, noise = np.random.default_rng(seed).integers(0, 256, (3, 9, 11), np.uint8)
    fused = cv2.addWeighted(cv2.addWeighted(visible, 0.5, infrared, 0.5, 0), 0.7, noise, 0.3, 0)
    kept, lost = _by_pixel(fused, visible, infrared)
    assert lost > 0.0
    assert edge_transfer(fused, [visible, infrared]) == pytest.approx((kept, lost), abs=1e-6)


def _by_pixel(fused, *sources):
    def edge(image, row, column):
        window = np.pad(image.astype(float), 1, mode="reflect")[row : row + 3, column : column + 3]
        right = np.array([1, 2, 1]) @ window @ np.array([-1, 0, 1])
        down = np.array([-1, 0, 1]) @ window @ np.array([1, 2, 1])
        return math.hypot(right, down), math.atan(down / right) if right else math.pi / 2

    kept = lost = there = 0.0
    for row, column in np.ndindex(fused.shape):
        strength, angle = edge(fused, row, column)
        edges = [edge(source, row, column) for source in sources]
        for weight, source_angle in edges:
            ratio = min(strength, weight) / max(strength, weight, 1e-9)
            alike = abs(abs(source_angle - angle) - math.pi / 2) / (math.pi / 2) if strength else 1.0
            q = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + math.exp(-22 * (alike - 0.8)))
            kept, there = kept + q * weight, there + weight
            if strength > max(edges)[0]:
                lost += (1 - q) * weight
    return kept / there, lost / there


def test_artefacts_are_edges_that_no_source_has():
    flat = np.full((9, 12), 40, np.uint8)
    step, added = flat.copy(), flat.copy()
    step[:, 6:], added[:, 6:], added[:, 3:5] = 90, 90, 200
    assert edge_transfer(step, [step, step]).artefacts == 0.0
    assert edge_transfer(flat, [step, step]).artefacts == 0.0
    # Sobel of the step is 200 at columns 5 and 6. At column 5, the fused one has 440 the other way: orientation kept,
    # strength by 200 / 440; at column 6, it is the step's own. All the weight is there, half of it at an artefact.
    q = 0.9994 / (1 + math.exp(-15 * (200 / 440 - 0.5))) * 0.9879 / (1 + math.exp(-22 * 0.2))
    assert edge_transfer(added, [step, step]).artefacts == pytest.approx((1 - q) / 2, abs=1e-6)
    assert np.isnan(edge_transfer(step, [flat, flat])).all()
