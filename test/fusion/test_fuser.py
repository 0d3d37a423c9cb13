"""What every fuser keeps, whatever its method."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.fusion import FUSERS, Fuser, create_fuser
from tardal_ros.fusion.classical import LaplacianMethod
from tardal_ros.fusion.feather import FEATHER

FUSING = [
    *("infrared", "average", "average at half size", "laplacian", "laplacian at half size"),
    *("tardal", "tardal at half size", "tardal by image"),
]
VARIANTS = ["visible", *FUSING]
SIZES = [(48, 64), (47, 63), (33, 90), (1, 1), (1, 40), (40, 1), (2, 3), (4, 1), (1, 4), (17, 16)]


@pytest.fixture(params=VARIANTS)
def make_fuser(request):
    """Makes fusers of one kind; a new one has no memory."""
    name, *rest = request.param.split(" ", 1)
    weights = None
    if name == "tardal":
        state, save = (request.getfixturevalue(fixture) for fixture in ("formula_state", "save_weights"))
        weights = save({**state(), "use_eval": rest != ["by image"]})
    options = {"scale": 0.5} if rest == ["at half size"] else {}
    return lambda: create_fuser(name, weights, "cpu", **options)


def test_every_fuser_is_covered():
    assert {variant.split()[0] for variant in VARIANTS} == set(FUSERS)


@pytest.mark.parametrize("size", SIZES)
def test_shape_and_type_follow_the_visible_image(make_fuser, make_pair, size):
    visible, infrared = make_pair(*size)
    colour, grey = make_fuser().fuse(visible, infrared), make_fuser().fuse(visible[..., 1], infrared)
    assert (colour.shape, colour.dtype) == (visible.shape, np.uint8)
    assert (grey.shape, grey.dtype) == (infrared.shape, np.uint8)


@pytest.mark.parametrize("make_fuser", FUSING, indirect=True)
def test_something_is_fused(make_fuser, make_pair):
    visible, infrared = make_pair()
    assert not np.array_equal(make_fuser().fuse(visible, infrared), visible)


def test_chroma_is_kept(make_fuser, make_pair):
    visible, infrared = make_pair()
    visible = visible // 2 + 60
    fused = make_fuser().fuse(visible, infrared)
    unclipped = ((fused > 0) & (fused < 255)).all(axis=2)
    assert unclipped.mean() > 0.1
    old, new = (image.astype(int)[unclipped] for image in (visible, fused))
    for a, b in ((0, 1), (1, 2)):
        np.testing.assert_array_equal(new[:, a] - new[:, b], old[:, a] - old[:, b])


def test_colour_and_grey_have_the_same_luma(make_fuser, make_pair):
    visible, infrared = make_pair()
    luma = cv2.cvtColor(visible, cv2.COLOR_BGR2GRAY)
    colour, grey = make_fuser().fuse(visible, infrared), make_fuser().fuse(luma, infrared)
    unclipped = ((colour > 0) & (colour < 255)).all(axis=2)
    difference = cv2.absdiff(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), grey)
    assert difference[unclipped].max() <= 1


@pytest.mark.parametrize("make_fuser", FUSING, indirect=True)
def test_where_infrared_does_not_see_the_visible_image_stays(make_fuser, make_pair):
    visible, infrared = make_pair(60, 90)
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :40] = 0
    fused = make_fuser().fuse(visible, infrared, mask)
    np.testing.assert_array_equal(fused[:, :40], visible[:, :40])
    assert not np.array_equal(fused[:, 60:], visible[:, 60:])


def test_what_infrared_holds_where_it_does_not_see_does_not_matter(make_fuser, make_pair):
    visible, infrared = make_pair(60, 90)
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :40] = 0
    results = []
    for border in (0, 255):
        infrared[:, :40] = border
        results.append(make_fuser().fuse(visible, infrared, mask))
    np.testing.assert_array_equal(*results)


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


def test_a_full_mask_is_no_mask_and_an_empty_one_leaves_the_visible_image(make_fuser, make_pair):
    visible, infrared = make_pair()
    full, empty = np.full(infrared.shape, 255, np.uint8), np.zeros(infrared.shape, np.uint8)
    np.testing.assert_array_equal(make_fuser().fuse(visible, infrared, full), make_fuser().fuse(visible, infrared))
    np.testing.assert_array_equal(make_fuser().fuse(visible, infrared, empty), visible)


def test_a_mask_that_changes_in_place_is_seen(make_fuser, make_pair):
    visible, infrared = make_pair()
    mask = np.full(infrared.shape, 255, np.uint8)
    fuser = make_fuser()
    fuser.fuse(visible, infrared, mask)
    mask[:] = 0
    np.testing.assert_array_equal(fuser.fuse(visible, infrared, mask), visible)


@pytest.mark.parametrize("levels", [(0, 0), (255, 255), (0, 255), (255, 0), (128, 128)])
def test_constant_images_stay_constant(make_fuser, levels):
    visible, infrared = (np.full((60, 72), level, np.uint8) for level in levels)
    # A network's zero padding shows at the border, up to eight of its pixels deep.
    fused = make_fuser().fuse(visible, infrared)[24:-24, 24:-24]
    assert int(fused.max()) - int(fused.min()) <= 1


def test_sixteen_bits_become_grey_by_the_gain_control(make_fuser, make_pair):
    visible, infrared = make_pair()
    counts = infrared.astype(np.uint16) * 20 + 7000
    fused = make_fuser().fuse(visible, counts)
    assert fused.shape == visible.shape
    np.testing.assert_array_equal(fused, make_fuser().fuse(visible, counts * 2))


def test_counts_where_infrared_does_not_see_do_not_reach_the_gain_control(make_fuser, make_pair):
    visible, infrared = make_pair()
    counts = infrared.astype(np.uint16) * 20 + 7000
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :10] = 0
    results = []
    for border in (0, 65_535):
        counts[:, :10] = border
        results.append(make_fuser().fuse(visible, counts, mask))
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


def test_the_same_pair_gives_the_same_image_in_any_layout(make_fuser, make_pair):
    visible, infrared = make_pair()
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :10] = 0
    fuser = make_fuser()
    expected = fuser.fuse(visible, infrared, mask)
    np.testing.assert_array_equal(fuser.fuse(visible, infrared, mask), expected)
    wide = [np.repeat(image, 2, axis=1)[:, ::2] for image in (visible, infrared, mask)]
    flipped = [np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1] for image in (visible, infrared, mask)]
    planar = [np.asfortranarray(image) for image in (visible, infrared, mask)]
    for views in (wide, flipped, planar):
        np.testing.assert_array_equal(fuser.fuse(*views), expected)


def test_inputs_may_be_read_only_and_are_left_alone(make_fuser, make_pair):
    images = *make_pair(), np.full((48, 64), 255, np.uint8)
    images[2][:, :10] = 0
    copies = [image.copy() for image in images]
    for image in images:
        image.flags.writeable = False
    fused = make_fuser().fuse(*images)
    assert fused.flags.writeable
    for image, copy in zip(images, copies, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_the_result_is_not_the_visible_image_itself(make_fuser, make_pair):
    visible, infrared = make_pair()
    empty = np.zeros(infrared.shape, np.uint8)
    for image in (visible, visible[..., 0].copy()):
        assert not np.shares_memory(make_fuser().fuse(image, infrared, empty), image)


def test_several_threads_may_share_a_fuser(make_fuser, make_pair):
    pairs = [make_pair(seed=seed) for seed in range(4)]
    masks = []
    for column in (8, 20, 32, 44):
        mask = np.full((48, 64), 255, np.uint8)
        mask[:, :column] = 0
        masks.append(mask)
    fuser = make_fuser()
    expected = [make_fuser().fuse(*pair, mask) for pair, mask in zip(pairs, masks, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(fuser.fuse, *pairs[i % 4], masks[i % 4]) for i in range(24)]
    for i, task in enumerate(tasks):
        np.testing.assert_array_equal(task.result(), expected[i % 4])


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
        ("median", {}, "laplacian, tardal"),
        ("laplacian", {"levels": 3}, "levels"),
        ("laplacian", {"weights": "tardal.pth"}, "'laplacian' takes no weights"),
        ("average", {"weights": "tardal.pth"}, "'average' takes no weights"),
        ("tardal", {}, "needs weights"),
        *(("laplacian", {"scale": scale}, "scale") for scale in (0.0, -1.0, 1.01, float("nan"), "half", None, True)),
    ],
)
def test_fusers_that_cannot_be_made(name, options, words):
    with pytest.raises(RigError, match=words):
        create_fuser(name, **options)


def test_the_scale_may_change_and_is_checked(make_pair):
    visible, infrared = make_pair()
    fuser = create_fuser("laplacian")
    fuser.scale = 0.5
    expected = create_fuser("laplacian", scale=0.5).fuse(visible, infrared)
    np.testing.assert_array_equal(fuser.fuse(visible, infrared), expected)
    for bad in (0.0, 1.01, float("nan"), "half", None, True):
        with pytest.raises(RigError, match="scale"):
            fuser.scale = bad
    assert fuser.scale == 0.5


def test_a_fuser_says_where_it_runs(make_fuser):
    assert make_fuser().device == "cpu"


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
