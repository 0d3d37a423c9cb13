"""Weights between the visible luma and what infrared shows."""

import numpy as np

from tardal_ros.fusion.feather import FEATHER, Feather


def _half(width=64):
    mask = np.zeros((20, width), np.uint8)
    mask[:, width // 2 :] = 255
    return mask


def test_ramp():
    visible, other = np.zeros((20, 64), np.uint8), np.full((20, 64), 200, np.uint8)
    row = Feather(_half()).blend(visible, other)[10].astype(int)
    assert (row[:32] == 0).all()
    assert (row[32 + int(FEATHER) :] == 200).all()
    steps = np.diff(row)
    assert steps.min() >= 0
    assert steps.max() <= 200 / FEATHER * 1.2 + 1


def test_the_image_border_is_no_border_of_infrared():
    visible, other = np.zeros((20, 64), np.uint8), np.full((20, 64), 200, np.uint8)
    blended = Feather(_half()).blend(visible, other)
    assert (blended[0] == blended[10]).all()
    assert (blended[:, -1] == 200).all()


def test_blending_is_exact_outside_the_ramp():
    visible, other = (np.random.default_rng(seed).integers(0, 256, (20, 96), np.uint8) for seed in (0, 1))
    blended = Feather(_half(96)).blend(visible, other)
    np.testing.assert_array_equal(blended[:, :48], visible[:, :48])
    np.testing.assert_array_equal(blended[:, 48 + 16 :], other[:, 48 + 16 :])


def test_any_number_but_zero_sees():
    visible, other = (np.random.default_rng(seed).integers(0, 256, (20, 64), np.uint8) for seed in (0, 1))
    ones = np.minimum(_half(), 1)
    np.testing.assert_array_equal(Feather(ones).blend(visible, other), Feather(_half()).blend(visible, other))


def test_everything_seen_is_the_other_image():
    other = np.ones((20, 64), np.uint8)
    for mask in (None, np.full_like(other, 255)):
        assert Feather(mask).blend(np.zeros_like(other), other) is other


def test_it_knows_its_mask_by_content():
    mask = _half()
    feather = Feather(mask)
    assert feather.is_of(mask.copy())
    assert not feather.is_of(None)
    assert not feather.is_of(_half(32))
    mask[0, 0] = 255
    assert not feather.is_of(mask)
    assert Feather(None).is_of(None)
    assert not Feather(None).is_of(mask)


def test_beyond_its_border_infrared_goes_on():
    infrared = np.random.default_rng(0).integers(0, 60_000, (20, 64), np.uint16)
    extended = Feather(_half()).extend(infrared)
    np.testing.assert_array_equal(extended[:, 32:], infrared[:, 32:])
    np.testing.assert_array_equal(extended[:, :32], infrared[:, 32:33].repeat(32, axis=1))


def test_extending_takes_a_near_pixel_that_is_seen():
    random = np.random.default_rng(2)
    mask = (random.random((40, 50)) < 0.05).astype(np.uint8)
    ys, xs = np.mgrid[:40, :50]
    feather = Feather(mask)
    y, x = (feather.extend(steps.astype(np.uint8)).astype(int) for steps in (ys, xs))
    assert mask[y, x].all()
    seen = np.argwhere(mask)
    shortest = np.sqrt(((np.stack([ys, xs], -1)[:, :, None] - seen) ** 2).sum(-1)).min(-1)
    assert (np.hypot(y - ys, x - xs) - shortest).max() <= 1.0


def test_nothing_to_extend():
    infrared = np.ones((20, 64), np.uint8)
    for mask in (None, np.full_like(infrared, 255)):
        assert Feather(mask).extend(infrared) is infrared
    assert Feather(np.zeros_like(infrared)).extend(infrared).shape == infrared.shape
