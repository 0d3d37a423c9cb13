"""Which mask a sample gets, and what is said where it has none."""

import numpy as np
import pytest

from tardal_ros.datasets.saliency_mask import saliency_mask
from tardal_ros.errors import RigError

pytest.importorskip("torch", reason="needs torch")

from tardal_ros.training.saliency import thermal_targets
from tardal_ros.training.targets import target_mask


@pytest.fixture
def infrared():
    image = np.full((40, 60), 80, np.uint8)
    image[10:30, 20:32] = 220
    return image


def test_a_stored_mask_stays_soft(infrared):
    stored = np.arange(2400, dtype=np.int64).reshape(40, 60).astype(np.uint8)
    mask = target_mask("stored", infrared, infrared, stored)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(np.rint(mask * 255), stored)


def test_saliency_leaves_the_stored_mask_alone(infrared):
    mask = target_mask("saliency", infrared, infrared, np.full_like(infrared, 255))
    np.testing.assert_array_equal(mask, thermal_targets(infrared))
    assert mask[20, 26] == 1.0
    assert mask[5, 5] == 0.0


def test_where_the_visible_image_stands_out_more(infrared):
    visible = np.full((40, 60, 3), 80, np.uint8)
    visible[2:5, 2:5] = 255
    mask = target_mask("visible_saliency", visible, infrared)
    np.testing.assert_array_equal(mask * 255, saliency_mask(visible, infrared))
    assert mask[3, 3] == 1.0
    assert mask[20, 26] == 0.0


@pytest.mark.parametrize("kind", ["stored", "saliency", "visible_saliency"])
def test_no_target_where_infrared_does_not_see(infrared, kind):
    seen = np.zeros_like(infrared)
    seen[:, 26:] = 255
    mask = target_mask(kind, infrared, infrared, np.full_like(infrared, 255), seen)
    assert not mask[:, :26].any()
    assert mask.dtype == np.float32


def test_a_missing_mask_is_named(infrared):
    with pytest.raises(RigError, match=r"00471\.png has no target mask: .*mask/.*saliency"):
        target_mask("stored", infrared, infrared, None, name="00471.png")


def test_a_mask_of_another_size_is_named(infrared):
    with pytest.raises(RigError, match=r"00471\.png is 30x60 and its infrared image 40x60"):
        target_mask("stored", infrared, infrared, np.zeros((30, 60), np.uint8), name="00471.png")
