"""What is around the methods: masks and their seams, the gain control, the scale, and what cannot be fused."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.fusion import Fuser, create_fuser
from tardal_ros.fusion.classical import LaplacianMethod
from tardal_ros.fusion.feather import FEATHER


def test_a_mask_that_changes_in_place_is_seen(make_pair):
    visible, infrared = make_pair()
    mask = np.full(infrared.shape, 255, np.uint8)
    fuser = create_fuser("average")
    fuser.fuse(visible, infrared, mask)
    mask[:] = 0
    np.testing.assert_array_equal(fuser.fuse(visible, infrared, mask), visible)


class _InfraredOnly:
    """The worst case for a seam: nothing of the visible image is left."""

    def fuse_luma(self, visible, infrared):
        return infrared.copy()


@pytest.mark.parametrize("levels", [(120, 60), (60, 200)])
@pytest.mark.parametrize("method", [_InfraredOnly, LaplacianMethod])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_half_covered_pair_has_no_seam(method, scale, levels):
    ramp = np.linspace(0, 20, 128, dtype=np.float32)[None].repeat(64, axis=0)
    visible, infrared = (np.uint8(level + sign * ramp) for level, sign in zip(levels, (1, -1), strict=True))
    mask = np.zeros_like(infrared)
    mask[:, 64:] = 255
    infrared[:, :64] = 0
    edge = max(np.abs(np.diff(image.astype(int), axis=1)).max() for image in (visible, infrared))
    fused = Fuser(method(), scale).fuse(visible, infrared, mask).astype(int)[16:48]
    across = slice(64 - 8, 64 + int(FEATHER) + 8)
    step = np.abs(np.diff(fused[:, across], axis=1)).max()
    to_bridge = np.abs(fused - visible[16:48])[:, across].max()
    assert to_bridge > 5 or method is LaplacianMethod  # which may leave a cold surface out
    # Both blends ramp: twice the mean slope of the feather, on top of the images' own ramps and of rounding.
    assert step <= 2.0 * to_bridge / FEATHER + 2.0
    assert step < edge / 2


@pytest.mark.parametrize("method", [_InfraredOnly, LaplacianMethod])
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("levels", [(200, 60), (60, 200)])
def test_no_rim_along_the_border_of_infrared(method, scale, levels):
    visible, infrared = (np.full((64, 128), level, np.uint8) for level in levels)
    plain = Fuser(method(), scale).fuse(visible, infrared)[32]
    mask = np.zeros_like(infrared)
    mask[:, 64:] = 255
    row = Fuser(method(), scale).fuse(visible, np.where(mask, infrared, 0).astype(np.uint8), mask)[32].astype(int)
    darkest, brightest = sorted((levels[0], int(plain[100])))
    assert row.min() >= darkest - 1
    assert row.max() <= brightest + 1


def test_counts_where_infrared_does_not_see_do_not_reach_the_gain_control(make_pair):
    visible, infrared = make_pair()
    counts = infrared.astype(np.uint16) * 20 + 7000
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :10] = 0
    results = []
    for border in (0, 65_535):
        counts[:, :10] = border
        results.append(create_fuser("infrared").fuse(visible, counts, mask))
    np.testing.assert_array_equal(*results)


def test_the_gain_control_remembers_until_reset(make_pair):
    visible, infrared = make_pair()
    cool = infrared.astype(np.uint16) * 20 + 7000
    hot = cool.copy()
    hot[:4] = 20_000
    first = create_fuser("laplacian").fuse(visible, hot)
    fuser = create_fuser("laplacian")
    fuser.fuse(visible, cool)
    assert not np.array_equal(fuser.fuse(visible, hot), first)
    fuser.reset()
    np.testing.assert_array_equal(fuser.fuse(visible, hot), first)


def test_a_method_that_takes_over_goes_on_with_the_gain_control(make_pair):
    visible, infrared = make_pair()
    cool = infrared.astype(np.uint16) * 20 + 7000
    hot = cool.copy()
    hot[:4] = 20_000
    first, second = create_fuser("infrared"), create_fuser("average")
    for fuser in (first, second):
        fuser.fuse(visible, cool)
    second.method = first.method
    np.testing.assert_array_equal(first.fuse(visible, hot), second.fuse(visible, hot))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 70), width=st.integers(1, 70), scale=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_any_size_at_any_scale(make_pair, height, width, scale, seed):
    visible, infrared = make_pair(height, width, seed)
    mask = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), infrared.shape)
    fused = create_fuser("laplacian", scale=scale).fuse(visible, infrared, mask)
    assert fused.shape == visible.shape
    np.testing.assert_array_equal(fused[mask == 0], visible[mask == 0])


GREY = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("visible", "infrared", "mask", "words"),
    [
        (GREY, GREY[:, :8], None, "differ in size"),
        (GREY, GREY, GREY[:, :8], "mask"),
        (GREY, GREY, GREY.astype(bool), "mask"),
        (GREY, GREY, [[0]], "mask"),
        (GREY[:0], GREY[:0], None, "empty"),
        (GREY[:, :0], GREY[:, :0], None, "empty"),
        (np.full((8, 9), np.nan), GREY, None, "visible"),
        (GREY, np.full((8, 9), np.nan, np.float32), None, "infrared"),
        (np.zeros((8, 9, 4), np.uint8), GREY, None, "visible"),
        (np.zeros((8, 9), np.uint16), GREY, None, "visible"),
        (GREY, np.zeros((8, 9, 3), np.uint8), None, "infrared"),
        (GREY, np.zeros((8, 9), np.int16), None, "infrared"),
        (None, GREY, None, "visible"),
        (GREY, None, None, "infrared"),
    ],
)
def test_images_that_cannot_be_fused(visible, infrared, mask, words):
    with pytest.raises(RigError, match=words) as caught:
        create_fuser("laplacian").fuse(visible, infrared, mask)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("median", {}, "laplacian, gff"),
        ("laplacian", {"levels": 3}, "levels"),
        ("laplacian", {"weights": "tardal.pth"}, "'laplacian' takes no weights"),
        ("average", {"weights": "tardal.pth"}, "'average' takes no weights"),
        ("tardal", {}, "needs weights"),
        ("dgfusion", {}, "needs weights"),
        *(("laplacian", {"scale": scale}, "scale") for scale in (-0.1, -1.0, 1.01, float("nan"), "half", None, True)),
    ],
)
def test_fusers_that_cannot_be_made(name, options, words, monkeypatch):
    monkeypatch.setattr("tardal_ros.fusion.fuser.shipped_weights", lambda *_: None)
    with pytest.raises(RigError, match=words):
        create_fuser(name, **options)


def test_the_scale_may_change_and_is_checked(make_pair):
    visible, infrared = make_pair()
    fuser = create_fuser("laplacian")
    fuser.scale = 0.5
    expected = create_fuser("laplacian", scale=0.5).fuse(visible, infrared)
    np.testing.assert_array_equal(fuser.fuse(visible, infrared), expected)
    for bad in (-0.1, 1.01, float("nan"), "half", None, True):
        with pytest.raises(RigError, match="scale"):
            fuser.scale = bad
    assert fuser.scale == 0.5


def test_the_package_imports_without_torch_and_says_when_it_needs_it():
    program = """
import sys
import tardal_ros.fusion, tardal_ros.fusion.stage
assert "torch" not in sys.modules, "torch was imported"
sys.modules["torch"] = None
from tardal_ros.errors import MissingDependencyError
from tardal_ros.fusion import create_fuser, load_state_dict
for use, arguments in ((load_state_dict, ["a.pth"]), (create_fuser, ["tardal", "a.pth"])):
    try:
        use(*arguments)
    except MissingDependencyError as error:
        assert "torch: run `pip install '.[train]'` in the checkout" in str(error), error
    else:
        raise AssertionError("nothing was said")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
