"""Latent low-rank fusion: the fast forms against the patches of the paper, and the projection that ships."""

import hashlib
import json

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.fusion.classical import LatentLowRankMethod
from tardal_ros.fusion.classical.latent_low_rank import PROJECTION, extract_detail, load_projection, nuclear_norms


def _image(height=40, width=44, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 1.0)


def _by_patches(image, projection):
    """L times each patch at stride 1, put back and averaged; patches reach over the border, where it is reflected."""
    patch = round(len(projection) ** 0.5)
    margin = patch - 1
    padded = np.pad(image.astype(np.float64), margin, mode="symmetric")
    total = np.zeros_like(padded)
    for top in range(padded.shape[0] - margin):
        for left in range(padded.shape[1] - margin):
            part = padded[top : top + patch, left : left + patch]
            total[top : top + patch, left : left + patch] += (projection @ part.ravel()).reshape(patch, patch)
    inner = slice(margin, -margin)
    return total[inner, inner] / patch**2


def test_one_convolution_is_the_projection_of_every_patch():
    image = _image(20, 23).astype(np.float32)
    expected = _by_patches(image, load_projection())
    np.testing.assert_allclose(extract_detail(image), expected, atol=1e-2)  # grey levels; the kernel is float32


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=20)
def test_nuclear_norms_are_sums_of_singular_values(seed):
    rng = np.random.default_rng(seed)
    # As of patches: few directions hold most of the energy.
    matrices = (rng.normal(size=(5, 16, 4)) @ rng.normal(size=(5, 4, 16))).astype(np.float32)
    expected = np.linalg.svd(matrices, compute_uv=False).sum(axis=1)
    np.testing.assert_allclose(nuclear_norms(matrices), expected, rtol=0.05)


def test_nothing_has_no_norm():
    assert not nuclear_norms(np.zeros((2, 16, 16), np.float32)).any()


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_two_equal_images_give_themselves(height, width, seed):
    image = _image(height, width, seed)
    assert np.abs(LatentLowRankMethod().fuse_luma(image, image).astype(int) - image).max() <= 1


def test_detail_comes_from_where_it_is():
    texture = _image(64, 64)
    flat = np.full_like(texture, 128)
    for pair in ((texture, flat), (flat, texture)):
        fused = LatentLowRankMethod().fuse_luma(*pair).astype(float)
        detail = texture - cv2.GaussianBlur(texture, (0, 0), 4.0).astype(float)
        assert np.corrcoef(fused[8:-8, 8:-8].ravel(), detail[8:-8, 8:-8].ravel())[0, 1] > 0.8


def test_the_projection_is_the_one_that_its_card_tells_of():
    told = json.loads(PROJECTION.with_suffix(".json").read_text())
    assert hashlib.sha256(PROJECTION.read_bytes()).hexdigest() == told["sha256"]
    projection = load_projection()
    assert projection.shape == (256, 256)
    assert not projection.flags.writeable
    # What is flat has no detail, but for what little is left.
    assert np.abs(projection.sum(axis=1)).mean() < 0.2
