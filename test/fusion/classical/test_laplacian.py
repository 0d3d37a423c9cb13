"""What each spectrum shows best is in the fused luma; and what it is compared with."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.fusion.classical import AverageMethod, InfraredMethod, LaplacianMethod, VisibleMethod

CLIPS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "m2vd"


@pytest.fixture
def fuse():
    return LaplacianMethod().fuse_luma


def _smoke(level=150):
    return np.full((160, 200), level, np.uint8)


def _person(cold=40, warm=220):
    """A warm upright figure before a cold background, and where it is."""
    infrared = np.full((160, 200), cold, np.uint8)
    cv2.ellipse(infrared, (100, 80), (12, 40), 0, 0, 360, warm, -1)
    figure = np.zeros_like(infrared)
    cv2.ellipse(figure, (100, 80), (8, 34), 0, 0, 360, 255, -1)
    return infrared, figure > 0


@pytest.mark.parametrize("level", [20, 90, 150])
def test_a_person_that_only_infrared_sees_stands_out(fuse, level):
    infrared, figure = _person()
    fused = fuse(_smoke(level), infrared).astype(float)
    around = cv2.dilate(figure.astype(np.uint8), np.ones((33, 33))) - cv2.dilate(
        figure.astype(np.uint8), np.ones((17, 17))
    )
    assert fused[figure].mean() - fused[around > 0].mean() > 50
    assert fused[figure].mean() > level + 30


def test_far_from_a_person_the_visible_background_stays(fuse):
    fused = fuse(_smoke(), _person()[0]).astype(int)
    assert np.abs(fused[:, :16] - 150).max() <= 35


def test_text_that_only_visible_light_shows_stays_readable(fuse):
    visible = np.full((160, 200), 60, np.uint8)
    cv2.putText(visible, "STOP", (20, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.8, 230, 6)
    letters = visible == 230
    fused = fuse(visible, np.full_like(visible, 80)).astype(float)
    assert fused[letters].mean() - fused[~letters].mean() > 120


def test_a_cold_sky_does_not_darken_the_visible_one(fuse):
    visible, infrared = np.full((160, 200), 60, np.uint8), np.full((160, 200), 120, np.uint8)
    visible[:80], infrared[:80] = 200, 5
    sky = fuse(visible, infrared)[:40]
    assert sky.mean() > 150


def test_two_equal_images_fuse_to_themselves(fuse, make_pair):
    image = make_pair(91, 133)[1]
    assert cv2.absdiff(fuse(image, image), image).max() <= 1


def test_infrared_without_contrast_adds_none(fuse, make_pair):
    visible = cv2.cvtColor(make_pair(96, 128)[0], cv2.COLOR_BGR2GRAY)
    fused = fuse(visible, np.full_like(visible, 100))
    correlation = np.corrcoef(fused.ravel(), visible.ravel())[0, 1]
    assert correlation > 0.97


def test_halos_stay_near_an_edge_and_within_the_inputs(fuse):
    visible, infrared = np.full((160, 200), 120, np.uint8), np.full((160, 200), 60, np.uint8)
    infrared[:, 100:] = 200
    row = fuse(visible, infrared)[80].astype(int)
    cold, warm = row[0], row[-1]
    assert warm - cold > 40
    assert row.min() >= 60 - 5
    assert row.max() <= 200 + 5
    assert np.abs(row[:70] - cold).max() <= 3
    assert np.abs(row[130:] - warm).max() <= 3


def test_people_in_smoke(fuse):
    images = []
    for spectrum in ("vi", "ir"):
        video = cv2.VideoCapture(str(CLIPS / spectrum / "0117_1620.mp4"))
        video.set(cv2.CAP_PROP_POS_FRAMES, 160)
        found, image = video.read()
        if not found:
            pytest.skip("needs ../shared/data/m2vd")
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    visible, infrared = (image[140:380] for image in images)
    people = cv2.erode((infrared > 120).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    around = cv2.dilate((infrared > 80).astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    around &= cv2.dilate((infrared > 80).astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    contrast_before, contrast = (
        image[people].mean() - image[around].mean() for image in (visible.astype(float), fuse(visible, infrared))
    )
    assert abs(contrast_before) < 15
    assert contrast > 50


def test_a_warm_surface_that_is_bright_already_is_not_darkened(fuse):
    infrared = np.full((160, 200), 30, np.uint8)
    infrared[40:120, 60:140] = 130
    fused = fuse(np.full_like(infrared, 230), infrared)
    assert fused[70:90, 90:110].min() >= 225


def test_the_dark_halo_around_a_person_is_weak(fuse):
    infrared, _ = _person()
    beside = fuse(_smoke(), infrared)[80, [84, 116]]
    assert beside.min() >= 105


def test_the_average_rounds_halves_up():
    one, other = (np.ascontiguousarray(image, np.uint8) for image in np.mgrid[:256, :256])
    expected = np.floor((one.astype(float) + other) / 2 + 0.5)
    np.testing.assert_array_equal(AverageMethod().fuse_luma(one, other), expected)


def test_what_passes_through_is_a_copy(make_pair):
    infrared = make_pair()[1]
    visible = infrared[::-1]
    for method, source in ((VisibleMethod, visible), (InfraredMethod, infrared)):
        fused = method().fuse_luma(visible, infrared)
        np.testing.assert_array_equal(fused, source)
        assert not np.shares_memory(fused, source)
