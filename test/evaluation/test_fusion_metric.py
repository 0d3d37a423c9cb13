"""All metrics against golden figures, and what they must keep whatever the images are."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import DEFINITIONS, FusionScores, information, quality

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


def trio(seed, height=320, width=400):
    """Fused, visible and infrared, large enough for all metrics."""
    visible, infrared, noise = (picture(seed + number, height, width) for number in range(3))
    mixed = cv2.addWeighted(cv2.addWeighted(visible, 0.5, infrared, 0.5, 0), 0.7, noise, 0.3, 0)
    return mixed, visible, infrared


def undefined(values):
    return {name for name, value in values.items() if math.isnan(value)}


TOO_SMALL = {"MS_SSIM_vi", "MS_SSIM_ir", "MS_SSIM"}
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
    assert set(found) == set(DEFINITIONS) > set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


@settings(deadline=None, max_examples=20)
@given(pictures)
def test_an_image_compared_with_itself(image):
    found = quality(image, image, image)
    assert undefined(found) == TOO_SMALL | {"PSNR_vi", "PSNR_ir", "PSNR", "SCD"}
    assert found["CC_vi"] == found["CC_ir"] == found["CC"] == pytest.approx(1.0)
    assert found["Nabf"] == 0.0
    assert found["MI_vi"] == found["MI_ir"] == pytest.approx(found["EN"])
    assert found["SSIM"] == pytest.approx(1.0)
    assert found["VIF_vi"] == found["VIF_ir"] == pytest.approx(1.0)
    assert found["Qabf"] == pytest.approx(PERFECT_QABF, abs=1e-6)


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_bounds(seed):
    found = quality(*trio(seed, 180, 190))
    assert not undefined(found)
    for each in ("vi", "ir"):
        assert 0.0 <= found[f"MI_{each}"] <= found["EN"] <= 8.0
        for name in ("SSIM", "CC"):
            assert -1.0 <= found[f"{name}_{each}"] <= 1.0
        for name in ("MS_SSIM", "VIF"):
            assert 0.0 <= found[f"{name}_{each}"] <= 1.0
    assert -2.0 <= found["SCD"] <= 2.0
    assert 0.0 <= found["Qabf"] <= PERFECT_QABF
    assert 0.0 < found["Nabf"] <= 1.0 - found["Qabf"]


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_what_is_symmetric(seed):
    fused, visible, infrared = trio(seed, 180, 190)
    found, turned = quality(fused, visible, infrared), quality(visible, fused, infrared)
    for name in ("MI_vi", "SSIM_vi", "MS_SSIM_vi", "CC_vi", "PSNR_vi"):
        assert turned[name] == pytest.approx(found[name], abs=1e-12), name


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_sources_that_change_places_change_their_figures(seed):
    fused, visible, infrared = trio(seed, 180, 190)
    places = {"vi": "ir", "ir": "vi"}
    swapped = {
        "_".join([*name.split("_")[:-1], places.get(name.split("_")[-1], name.split("_")[-1])]): value
        for name, value in quality(fused, infrared, visible).items()
    }
    assert swapped == pytest.approx(quality(fused, visible, infrared), abs=1e-9)


@settings(deadline=None, max_examples=8)
@given(seeds)
def test_images_turned_by_half_measure_the_same(seed):
    images = [image[:, :192] for image in trio(seed, 176, 200)]  # halves of whole windows only
    turned = quality(*(image[::-1, ::-1] for image in images))
    expected = quality(*images)
    for name in expected.keys() - {"AG", "VIF", "VIF_vi", "VIF_ir"}:  # they look to the right and down
        assert turned[name] == pytest.approx(expected[name], abs=1e-6), name


@settings(deadline=None, max_examples=15)
@given(pictures, seeds)
def test_levels_by_other_names_carry_the_same_information(image, seed):
    names = np.random.default_rng(seed).permutation(256).astype(np.uint8)
    sources = [picture(seed + number, *image.shape) for number in (1, 2)]
    found, expected = information(names[image], *sources), information(image, *sources)
    for name in ("EN", "MI_vi", "MI_ir", "MI"):
        assert found[name] == pytest.approx(expected[name]), name


@settings(deadline=None, max_examples=8)
@given(seeds, st.integers(-96, 96))
def test_brightness_alone_changes_neither_contrast_nor_edges_nor_correlation(seed, added):
    images = [image // 4 + 96 for image in trio(seed, 60, 70)]
    expected = quality(*images)
    for number in range(3):
        shifted = [np.uint8(image.astype(int) + added * (number == place)) for place, image in enumerate(images)]
        found = quality(*shifted)
        for name in ("EN", "MI", "CC_vi", "CC_ir", "CC", "SCD", "Qabf", "Nabf", "AG", "SF"):
            assert found[name] == expected[name], name
        for name in ("SD", "VIF_vi", "VIF_ir"):
            assert found[name] == pytest.approx(expected[name], abs=1e-6), name


@settings(deadline=None, max_examples=8)
@given(seeds, st.integers(340, 400), st.integers(0, 30))
def test_what_is_not_seen_does_not_matter(seed, column, row):
    images = trio(seed)
    seen = np.full(images[0].shape, 255, np.uint8)
    seen[:, column:], seen[:row] = 0, 0
    expected = quality(*images, seen)
    assert not undefined(expected)
    for number, image in enumerate(images):
        image[seen == 0] = picture(seed + 9 + number, 320, 400)[seen == 0]
    assert quality(*images, seen) == expected


@settings(deadline=None, max_examples=15)
@given(seeds, st.integers(0, 60), st.integers(0, 90), st.integers(1, 12), st.integers(1, 12))
def test_nor_does_a_hole_in_the_midst(seed, row, column, height, width):
    images = trio(seed, 60, 90)
    seen = np.full(images[0].shape, 255, np.uint8)
    seen[row : row + height, column : column + width] = 0
    expected = quality(*images, seen)
    assert undefined(expected) == TOO_SMALL
    for image in images:
        image[seen == 0] = 255 - image[seen == 0]
    assert quality(*images, seen) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_full_mask_is_no_mask_and_any_type_serves():
    images = trio(0)
    for seen in (np.full(images[0].shape, 255, np.uint8), np.ones(images[0].shape, bool)):
        assert quality(*images, seen) == pytest.approx(quality(*images), abs=1e-9)
    most = np.zeros(images[0].shape, np.uint8)
    most[:, :350] = 1
    for seen in (most > 0, np.asfortranarray(most * 255), most.astype(np.float32)):
        assert quality(*images, seen) == quality(*images, most)


def test_a_mask_along_straight_edges_crops_what_is_counted_by_pixel():
    images = formula()
    seen = np.zeros(images[0].shape, np.uint8)
    seen[5:50, 8:70] = 255
    cropped = [np.ascontiguousarray(image[5:50, 8:70]) for image in images]
    masked, expected = quality(*images, seen), quality(*cropped)
    for name in ("EN", "SD", "MI_vi", "MI_ir", "MI", "CC_vi", "CC_ir", "CC", "PSNR", "SCD", "AG", "SF"):
        assert masked[name] == pytest.approx(expected[name]), name


def test_nothing_to_measure_is_nan():
    images = trio(0)
    assert undefined(quality(*images, np.zeros(images[0].shape, np.uint8))) == set(DEFINITIONS)
    tiny = np.uint8([[1]])
    found = quality(tiny, tiny, tiny)
    assert found["EN"] == found["SD"] == found["MI"] == 0.0 and found["SSIM"] == pytest.approx(1.0)
    assert undefined(found) == set(DEFINITIONS) - {"EN", "SD", *(f"{n}{e}" for n in ("MI", "SSIM") for e in ENDS)}


ENDS = ("", "_vi", "_ir")


def test_images_of_any_layout_are_left_alone():
    images = trio(1)
    expected = quality(*images)
    assert not undefined(expected)
    views = [np.repeat(image, 2, axis=1)[:, ::2] for image in images]
    flipped = [np.ascontiguousarray(image[::-1])[::-1] for image in images]
    columns = [np.asfortranarray(image) for image in images]
    for image in (*images, *views, *flipped, *columns):
        image.flags.writeable = False
    for same in (images, views, flipped, columns):
        assert quality(*same) == expected


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
    assert values == [information(*images) for images in (first, second)]
    for name, mean in scores.compute().items():
        one, other = sorted(each[name] for each in values)
        assert (mean.low, mean.value, mean.high) == pytest.approx((one, (one + other) / 2, other)), name
    scores.reset()
    scores.update(*second)
    assert {name: mean.value for name, mean in scores.compute().items()} == pytest.approx(values[1])


def test_images_of_a_scene_are_drawn_together():
    scores = FusionScores(information)
    for images in (formula(), [picture(seed) for seed in range(3)]):
        scores.update(*images, scene="street")
    assert all(mean.low == pytest.approx(mean.value) == mean.high for mean in scores.compute().values())


def test_an_image_that_a_metric_cannot_measure_is_left_out_of_its_mean():
    images = trio(2)
    scores = FusionScores()
    scores.update(*images, np.zeros(images[0].shape, np.uint8))
    assert all(math.isnan(mean.value) for mean in scores.compute().values())
    expected = scores.update(*images)
    assert {name: mean.value for name, mean in scores.compute().items()} == pytest.approx(expected)
