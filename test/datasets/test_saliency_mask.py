"""The mask of DGFusion's loss is what its formula gives, sign and all."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tardal_ros.datasets.saliency_mask import saliency_mask, saliency_table
from tardal_ros.errors import RigError

SHAPE = (5, 6)
# Few and close levels have many ties between the two spectra, all levels have few.
GREY = st.one_of(arrays.arrays(np.uint8, SHAPE, elements=st.integers(0, top)) for top in (1, 3, 255))
COLOUR = arrays.arrays(np.uint8, (*SHAPE, 3))


def stretched_saliency(image):
    """By definition: the sum of distances to all pixels, for each of them."""
    levels = image.astype(np.float64)
    saliency = np.abs(levels[:, :, None, None] - levels).sum(axis=(2, 3))
    span = saliency.max() - saliency.min()
    return (saliency - saliency.min()) / span if span else np.zeros_like(saliency)


def published_mask(visible, infrared):
    """The formula as published, and MATLAB's ways of rounding and saturating."""
    mean = visible.mean(axis=2) if visible.ndim == 3 else visible
    s_v, s_t = (stretched_saliency(image) for image in (np.floor(mean + 0.5), infrared))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = s_v / (s_v - s_t)
    return np.round(255 * np.clip(np.nan_to_num(ratio, nan=0, posinf=1), 0, 1)).astype(np.uint8)


def test_golden(golden_file):
    golden = golden_file("dgfusion_vsm.npz")
    np.testing.assert_array_equal(saliency_table(golden["vi_mean_u8"]), golden["table_vi"])
    np.testing.assert_array_equal(saliency_table(golden["ir_u8"]), golden["table_ir"])
    mask = saliency_mask(golden["vi_bgr_u8"], golden["ir_u8"])
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, golden["mask_u8"])
    np.testing.assert_array_equal(saliency_mask(golden["vi_mean_u8"], golden["ir_u8"]), golden["mask_u8"])


@settings(deadline=None, max_examples=50)
@given(visible=st.one_of(GREY, COLOUR), infrared=GREY)
def test_the_rule_is_the_published_formula(visible, infrared):
    np.testing.assert_array_equal(saliency_mask(visible, infrared), published_mask(visible, infrared))


@settings(deadline=None, max_examples=20)
@given(GREY)
def test_a_picture_against_itself_is_all_ties(image):
    expected = np.where(stretched_saliency(image) > 0, 255, 0)
    np.testing.assert_array_equal(saliency_mask(image, image), expected)
    np.testing.assert_array_equal(saliency_mask(np.uint8(255) - image, image), expected)


def test_the_mean_of_channels_is_rounded_to_the_nearest():
    ramp = np.arange(256, dtype=np.uint8)
    colours = np.stack(np.meshgrid(ramp, ramp[::5], ramp[:7], indexing="ij"), axis=-1).reshape(256, -1, 3)
    sums = colours.sum(axis=2, dtype=np.int64)
    infrared = np.random.default_rng(0).integers(0, 256, sums.shape, np.uint8)
    expected = saliency_mask(((sums + 1) // 3).astype(np.uint8), infrared)
    np.testing.assert_array_equal(saliency_mask(colours, infrared), expected)


def test_nothing_stands_out_of_a_constant_picture():
    flat = np.full((4, 5), 90, np.uint8)
    spot = flat.copy()
    spot[1, 2] = 200
    assert not saliency_mask(flat, spot).any()
    assert not saliency_mask(flat, flat).any()
    np.testing.assert_array_equal(saliency_mask(spot, flat), np.where(spot == 200, 255, 0))
    assert saliency_mask(flat[:1, :1], flat[:1, :1]).tolist() == [[0]]


def test_parts_of_pictures_are_as_good_as_copies():
    visible, infrared = np.random.default_rng(1).integers(0, 256, (2, 40, 50), np.uint8)
    colour = cv2.applyColorMap(visible, cv2.COLORMAP_JET)
    views = colour[3:30, ::-1][:, 4:], infrared[3:30, ::-1][:, 4:]
    np.testing.assert_array_equal(saliency_mask(*views), saliency_mask(*(view.copy() for view in views)))


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(RigError, match="The visible image is 6x5 and infrared 5x6: register the two first"):
        saliency_mask(np.zeros((5, 6, 3), np.uint8), np.zeros((6, 5), np.uint8))
