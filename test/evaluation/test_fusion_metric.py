"""Each metric against its definition, and what it must keep whatever the images are."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import (
    FusionScores,
    average_gradient,
    edge_preservation,
    entropy,
    information,
    mutual_information,
    quality,
    spatial_frequency,
    ssim,
    standard_deviation,
    visual_information_fidelity,
)

PERFECT_QABF = 0.9994 / (1 + math.exp(-15 * 0.5)) * 0.9879 / (1 + math.exp(-22 * 0.2))


def picture(seed=0, height=60, width=72):
    noise = np.random.default_rng(seed).normal(128, 90, (height, width))
    return np.uint8(np.clip(cv2.GaussianBlur(noise, (0, 0), 1.0) * 2 - 128, 0, 255))


def formula():
    """Fused, visible and infrared of a formula, the same on every machine."""
    row, column = np.mgrid[:64, :80]
    visible = np.uint8((row * row * 3 + column * 7 + row * column // 5) % 256)
    infrared = np.uint8(40 + 180 * ((row - 30) ** 2 + (column - 50) ** 2 < 300) + (row + 2 * column) % 17)
    fused = np.uint8((visible.astype(int) + 2 * infrared) // 3)
    return fused, visible, infrared


pictures = st.builds(picture, st.integers(0, 9999), st.integers(44, 70), st.integers(44, 70))
seeds = st.integers(0, 9999)


def test_the_golden_figures(golden_file):
    golden = golden_file("metrics_crop.npz")
    found = quality(golden["fused_u8"], golden["vi_u8"], golden["ir_u8"])
    for name, value in zip(golden["names"], golden["values"], strict=True):
        assert found[str(name)] == pytest.approx(value, abs=1e-6), name


def test_the_figures_of_a_formula():
    # VIF and Qabf were held against plain convolutions written from the papers.
    expected = {
        "EN": 6.74906,
        "SD": 28.3046,
        "MI_vi": 3.3811,
        "MI_ir": 0.77126,
        "MI": 4.15236,
        "SSIM_vi": 0.535922,
        "SSIM_ir": 0.173871,
        "VIF_vi": 0.338366,
        "VIF_ir": 0.0528552,
        "VIF": 0.391221,
        "Qabf": 0.0793183,
        "AG": 23.4426,
        "SF": 40.6956,
    }
    found = quality(*formula())
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_known_entropies_and_deviations():
    image = np.repeat(np.uint8([[0, 50, 100, 150]]), 4, axis=0)
    assert entropy(image) == pytest.approx(2.0)
    assert entropy(np.full((5, 5), 7, np.uint8)) == 0.0
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8.0)
    assert standard_deviation(np.uint8([[0, 10]])) == pytest.approx(5.0)


def test_known_gradients():
    ramp = np.repeat(np.arange(0, 60, 3, dtype=np.uint8)[None], 12, axis=0)
    assert average_gradient(ramp) == pytest.approx(math.sqrt(9 / 2))
    assert spatial_frequency(ramp) == pytest.approx(3.0)
    assert spatial_frequency(np.ascontiguousarray(ramp.T)) == pytest.approx(3.0)


def test_qabf_is_that_of_the_paper():
    fused, visible, infrared = (picture(seed, 9, 11) for seed in range(3))
    expected = _qabf_by_pixel(fused, visible, infrared)
    assert edge_preservation(fused, visible, infrared) == pytest.approx(expected, abs=1e-5)


def _qabf_by_pixel(fused, *sources):
    def edge(image, row, column):
        window = np.pad(image.astype(float), 1, mode="reflect")[row : row + 3, column : column + 3]
        right = np.array([1, 2, 1]) @ window @ np.array([-1, 0, 1])
        down = np.array([-1, 0, 1]) @ window @ np.array([1, 2, 1])
        return math.hypot(right, down), math.atan(down / right) if right else math.pi / 2

    kept = there = 0.0
    for row, column in np.ndindex(fused.shape):
        strength, angle = edge(fused, row, column)
        for source in sources:
            weight, source_angle = edge(source, row, column)
            ratio = min(strength, weight) / max(strength, weight, 1e-9)
            alike = abs(abs(source_angle - angle) - math.pi / 2) / (math.pi / 2)
            q = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + math.exp(-22 * (alike - 0.8)))
            kept, there = kept + q * weight, there + weight
    return kept / there


@settings(deadline=None, max_examples=20)
@given(pictures)
def test_an_image_compared_with_itself(image):
    assert mutual_information(image, image) == pytest.approx(entropy(image))
    assert ssim(image, image) == pytest.approx(1.0)
    assert visual_information_fidelity(image, image) == pytest.approx(1.0)
    assert edge_preservation(image, image, image) == pytest.approx(PERFECT_QABF, abs=1e-4)


@settings(deadline=None, max_examples=20)
@given(pictures, seeds)
def test_symmetry_and_bounds(one, seed):
    other = cv2.addWeighted(one, 0.5, picture(seed, *one.shape), 0.5, 0)
    assert mutual_information(one, other) == pytest.approx(mutual_information(other, one))
    assert ssim(one, other) == pytest.approx(ssim(other, one))
    assert -1e-9 <= mutual_information(one, other) <= min(entropy(one), entropy(other)) + 1e-9
    assert 0.0 <= entropy(one) <= 8.0
    assert -1.0 <= ssim(one, 255 - one) < 0.0 < ssim(one, other) <= 1.0
    assert 0.0 <= edge_preservation(other, one, other) <= PERFECT_QABF + 1e-4
    assert 0.0 <= visual_information_fidelity(one, other) <= 1.0


@settings(deadline=None, max_examples=15)
@given(pictures, seeds)
def test_mirrored_images_measure_the_same(image, seed):
    other = picture(seed, *image.shape)
    turned, turned_other = (np.ascontiguousarray(each[::-1, ::-1]) for each in (image, other))
    for metric in (mutual_information, ssim):
        assert metric(turned, turned_other) == pytest.approx(metric(image, other))
    for metric in (entropy, standard_deviation, spatial_frequency):
        assert metric(turned) == pytest.approx(metric(image))
    assert edge_preservation(turned, turned_other, turned) == pytest.approx(
        edge_preservation(image, other, image), abs=1e-6
    )


@settings(deadline=None, max_examples=15)
@given(pictures, seeds)
def test_levels_by_other_names_carry_the_same_information(image, seed):
    names = np.random.default_rng(seed).permutation(256).astype(np.uint8)
    other = picture(seed + 1, *image.shape)
    assert entropy(names[image]) == pytest.approx(entropy(image))
    assert mutual_information(names[image], other) == pytest.approx(mutual_information(image, other))


@settings(deadline=None, max_examples=15)
@given(pictures)
def test_brightness_alone_changes_neither_contrast_nor_edges(image):
    dark = image // 2
    bright = dark + 100
    assert standard_deviation(bright) == pytest.approx(standard_deviation(dark))
    assert average_gradient(bright) == pytest.approx(average_gradient(dark))
    assert visual_information_fidelity(dark, bright) == pytest.approx(1.0, abs=1e-6)
    assert edge_preservation(bright, dark, dark) == pytest.approx(PERFECT_QABF, abs=1e-4)


def test_fidelity_falls_with_blur_and_noise_and_rises_with_contrast():
    image = cv2.GaussianBlur(picture(), (0, 0), 1.0) // 2 + 40
    values = [visual_information_fidelity(image, cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1.0, 3.0)]
    assert 1.0 > values[0] > values[1] > values[2] > 0.0
    noise = np.random.default_rng(1).integers(0, 40, image.shape, dtype=np.uint8)
    assert visual_information_fidelity(image, image + noise) < 0.8
    assert visual_information_fidelity(image, np.uint8(np.clip(image * 1.6 - 40.0, 0, 255))) > 1.05


@settings(deadline=None, max_examples=20)
@given(seeds, st.integers(46, 80), st.integers(0, 12))
def test_what_is_not_seen_does_not_matter(seed, column, row):
    images = [picture(seed + number, 60, 100) for number in range(3)]
    seen = np.full(images[0].shape, 255, np.uint8)
    seen[:, column:], seen[:row] = 0, 0
    expected = quality(*images, seen)
    assert not any(math.isnan(value) for value in expected.values())
    for image in images:
        image[seen == 0] = picture(seed + 9, 60, 100)[seen == 0]
    assert quality(*images, seen) == pytest.approx(expected)


def test_a_full_mask_is_no_mask_and_any_type_serves():
    images = formula()
    for seen in (np.full(images[0].shape, 255, np.uint8), np.ones(images[0].shape, bool)):
        assert quality(*images, seen) == pytest.approx(quality(*images))
    half = np.zeros(images[0].shape, np.uint8)
    half[:, :60] = 1
    for seen in (half > 0, np.asfortranarray(half * 255), half.astype(np.float32)):
        assert quality(*images, seen) == pytest.approx(quality(*images, half))


def test_a_mask_along_straight_edges_crops_what_is_counted_by_pixel():
    images = formula()
    seen = np.zeros(images[0].shape, np.uint8)
    seen[5:50, 8:70] = 255
    cropped = [np.ascontiguousarray(image[5:50, 8:70]) for image in images]
    masked, expected = quality(*images, seen), quality(*cropped)
    for name in ("EN", "SD", "MI_vi", "MI_ir", "MI", "AG", "SF"):
        assert masked[name] == pytest.approx(expected[name]), name


def test_nothing_to_measure_is_nan():
    images = formula()
    assert all(math.isnan(value) for value in quality(*images, np.zeros(images[0].shape, np.uint8)).values())
    flat = np.full((60, 70), 90, np.uint8)
    assert math.isnan(edge_preservation(images[0][:60, :70], flat, flat))
    assert math.isnan(visual_information_fidelity(flat, images[0][:60, :70]))
    assert visual_information_fidelity(images[0][:60, :70], flat) == 0.0
    tiny = np.uint8([[1]])
    assert quality(tiny, tiny, tiny)["EN"] == 0.0


def test_images_of_any_layout_are_left_alone():
    images = formula()
    views = [np.repeat(image, 2, axis=1)[:, ::2] for image in images]
    flipped = [np.ascontiguousarray(image[::-1])[::-1] for image in images]
    for image in (*images, *views, *flipped):
        image.flags.writeable = False
    for same in (views, flipped):
        assert quality(*same) == pytest.approx(quality(*images))


GREY = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ((GREY, GREY[:, :8], GREY), "visible image .8, 8. and the fused image .8, 9. differ"),
        ((GREY, GREY, GREY[:4]), "infrared image"),
        ((GREY, GREY, GREY, GREY[:4]), "mask"),
        ((np.zeros((8, 9, 3), np.uint8), GREY, GREY), "fused image must be 8-bit grey"),
        ((GREY, GREY, GREY.astype(np.uint16)), "infrared image must be 8-bit grey"),
        ((GREY[:0], GREY[:0], GREY[:0]), "fused"),
    ],
)
def test_images_that_cannot_be_compared(images, words):
    for measure in (quality, information):
        with pytest.raises(RigError, match=words) as caught:
            measure(*images)
        assert "\n" not in str(caught.value)


def test_scores_are_means_since_the_last_reset():
    first, second = formula(), [picture(seed) for seed in range(3)]
    scores = FusionScores(information)
    assert scores.compute() == {}
    values = [scores.update(*images) for images in (first, second)]
    for images, found in zip((first, second), values, strict=True):
        assert found == pytest.approx(information(*images))
    assert scores.compute() == pytest.approx({name: (values[0][name] + values[1][name]) / 2 for name in values[0]})
    scores.reset()
    scores.update(*second)
    assert scores.compute() == pytest.approx(values[1])


def test_an_image_that_a_metric_cannot_measure_is_left_out_of_its_mean():
    images = formula()
    scores = FusionScores()
    blind = np.zeros(images[0].shape, np.uint8)
    scores.update(*images, blind)
    assert math.isnan(scores.compute()["Qabf"])
    expected = scores.update(*images)
    assert scores.compute() == expected
