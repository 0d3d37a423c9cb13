"""What every fuser keeps, whatever its method: each of the registry, some at half size, too."""

import re
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import FUSERS, Fuser, create_fuser
from tardal_ros.fusion.shipped import NETWORKS

HALF, BY_IMAGE = " at half size", " by image"
EXTRA = [f"{name}{HALF}" for name in ("average", "laplacian", "tardal")] + [f"tardal{BY_IMAGE}"]
VARIANTS = [*FUSERS, *EXTRA]
FUSING = [name for name in VARIANTS if name != "visible"]
# A spectrum of the whole image makes even a plain one vary, with weights that nobody has trained.
LOCAL = [name for name in VARIANTS if name != "dgfusion"]
SIZES = [(48, 64), (47, 63), (33, 90), (1, 1), (1, 40), (40, 1), (2, 3), (4, 1), (1, 4), (17, 16), (2, 700)]
# The largest that there is time for.
HUGE = {"dgfusion": (300, 400), "visible": (3000, 4000), "average": (3000, 4000), "max": (3000, 4000)}
LARGE = (601, 799)


@pytest.fixture(scope="module")
def weights_of(formula_state, save_weights):
    """Small weights of each network, by its variant; None for other fusers."""

    def make(variant):
        if variant == "dgfusion":
            import torch

            from tardal_ros.fusion.dgfusion import DiscrepancyGuidedFusion

            torch.manual_seed(0)
            return save_weights(DiscrepancyGuidedFusion(4).state_dict(), "dgfusion.pth")
        if variant.startswith("tardal"):
            return save_weights({**formula_state(), "use_eval": not variant.endswith(BY_IMAGE)})
        return None

    made = {}
    return lambda variant: made[variant] if variant in made else made.setdefault(variant, make(variant))


@pytest.fixture(scope="module", params=VARIANTS)
def make_fuser(request, weights_of):
    """Makes fusers of one kind, which share their method; a new one has no memory."""
    variant = request.param
    method = create_fuser(variant.partition(" ")[0], weights_of(variant), "cpu").method
    return lambda: Fuser(method, 0.5 if variant.endswith(HALF) else 1.0)


def half_seen(infrared):
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, : infrared.shape[1] * 4 // 9] = 0
    return mask


def test_every_network_has_weights_here(weights_of):
    assert {name for name in FUSERS if weights_of(name)} == set(NETWORKS)


@pytest.mark.parametrize("size", SIZES)
def test_size_and_type_follow_the_visible_image(make_fuser, make_pair, size):
    visible, infrared = make_pair(*size)
    colour, grey = make_fuser().fuse(visible, infrared), make_fuser().fuse(visible[..., 1], infrared)
    assert (colour.shape, colour.dtype) == (visible.shape, np.uint8)
    assert (grey.shape, grey.dtype) == (infrared.shape, np.uint8)


def test_a_huge_pair_is_fused_or_refused_with_a_size_that_fits(request, make_fuser):
    height, width = HUGE.get(request.node.callspec.params["make_fuser"], LARGE)
    tile = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) * 7919 % 251
    visible = np.tile(tile.astype(np.uint8), (height // 64 + 1, width // 64 + 1))[:height, :width]
    try:
        assert make_fuser().fuse(visible, visible[::-1]).shape == (height, width)
    except RigError as error:
        assert re.search(r"\d+x\d+", str(error))


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
    fused = make_fuser().fuse(visible, infrared, half_seen(infrared))
    np.testing.assert_array_equal(fused[:, :40], visible[:, :40])
    assert not np.array_equal(fused[:, 60:], visible[:, 60:])


def test_what_infrared_holds_where_it_does_not_see_does_not_matter(make_fuser, make_pair):
    visible, infrared = make_pair(60, 90)
    mask, results = half_seen(infrared), []
    for border in (0, 255):
        infrared[mask == 0] = border
        results.append(make_fuser().fuse(visible, infrared, mask))
    np.testing.assert_array_equal(*results)


def test_a_full_mask_is_no_mask_and_an_empty_one_leaves_the_visible_image(make_fuser, make_pair):
    visible, infrared = make_pair()
    full, empty = np.full(infrared.shape, 255, np.uint8), np.zeros(infrared.shape, np.uint8)
    np.testing.assert_array_equal(make_fuser().fuse(visible, infrared, full), make_fuser().fuse(visible, infrared))
    np.testing.assert_array_equal(make_fuser().fuse(visible, infrared, empty), visible)


@pytest.mark.parametrize("levels", [(0, 0), (255, 255), (0, 255), (255, 0), (128, 128)])
@pytest.mark.parametrize("make_fuser", LOCAL, indirect=True)
def test_constant_images_stay_constant(make_fuser, levels):
    visible, infrared = (np.full((60, 72), level, np.uint8) for level in levels)
    # A network's zero padding shows at the border, up to eight of its pixels deep.
    fused = make_fuser().fuse(visible, infrared)[24:-24, 24:-24]
    assert int(fused.max()) - int(fused.min()) <= 1


def test_images_without_any_detail_are_fused_the_same_each_time(make_fuser):
    for levels in ((0, 0), (255, 255), (0, 255)):
        pair = [np.full((9, 11), level, np.uint8) for level in levels]
        np.testing.assert_array_equal(make_fuser().fuse(*pair), make_fuser().fuse(*pair))


def test_sixteen_bits_become_grey_by_the_gain_control(make_fuser, make_pair):
    visible, infrared = make_pair()
    counts = infrared.astype(np.uint16) * 20 + 7000
    fused = make_fuser().fuse(visible, counts)
    assert fused.shape == visible.shape
    np.testing.assert_array_equal(fused, make_fuser().fuse(visible, counts * 2))


def test_the_same_pair_gives_the_same_image_in_any_layout(make_fuser, make_pair):
    visible, infrared = make_pair()
    images = visible, infrared, half_seen(infrared)
    fuser = make_fuser()
    expected = fuser.fuse(*images)
    np.testing.assert_array_equal(fuser.fuse(*images), expected)
    wide = [np.repeat(image, 2, axis=1)[:, ::2] for image in images]
    flipped = [np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1] for image in images]
    planar = [np.asfortranarray(image) for image in images]
    for views in (wide, flipped, planar):
        np.testing.assert_array_equal(fuser.fuse(*views), expected)


@pytest.mark.parametrize("name", FUSERS)
def test_two_fusers_of_a_kind_agree(name, weights_of, make_pair):
    pair = make_pair()
    np.testing.assert_array_equal(*(create_fuser(name, weights_of(name), "cpu").fuse(*pair) for _ in range(2)))


def test_inputs_may_be_read_only_and_are_left_alone(make_fuser, make_pair):
    visible, infrared = make_pair()
    images = visible, infrared, half_seen(infrared)
    copies = [image.copy() for image in images]
    for image in images:
        image.flags.writeable = False
    fused = make_fuser().fuse(*images)
    assert fused.flags.writeable
    for image, copy in zip(images, copies, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_the_result_shares_no_memory_with_the_pair(make_fuser, make_pair):
    visible, infrared = make_pair()
    for image in (visible, visible[..., 0].copy()):
        for mask in (None, np.zeros(infrared.shape, np.uint8)):
            fused = make_fuser().fuse(image, infrared, mask)
            assert not np.shares_memory(fused, image) and not np.shares_memory(fused, infrared)


def test_several_threads_may_share_a_fuser(make_fuser, make_pair):
    pairs = [make_pair(seed=seed) for seed in range(4)]
    masks = [half_seen(np.empty((48, 64))), None, half_seen(np.empty((48, 64)))[:, ::-1], None]
    fuser = make_fuser()
    expected = [make_fuser().fuse(*pair, mask) for pair, mask in zip(pairs, masks, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(fuser.fuse, *pairs[i % 4], masks[i % 4]) for i in range(16)]
    for i, task in enumerate(tasks):
        np.testing.assert_array_equal(task.result(), expected[i % 4])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_makes_of_a_batch_what_it_makes_of_each(name, weights_of, make_pair):
    torch = pytest.importorskip("torch", reason="needs torch")
    from tardal_ros.fusion.dgfusion import load_network
    from tardal_ros.fusion.tardal import load_generator

    network = {"tardal": load_generator, "dgfusion": load_network}[name](weights_of(name))
    pairs = [make_pair(23, 30, seed) for seed in range(3)]
    lumas = [(infrared, visible[..., 1]) for visible, infrared in pairs]
    infrared, visible = (
        torch.from_numpy(np.stack(images)[:, None] / np.float32(255)) for images in zip(*lumas, strict=True)
    )
    with torch.inference_mode():
        batch = network(infrared, visible)
        singles = [network(infrared[i : i + 1], visible[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(batch, torch.cat(singles), atol=1e-4, rtol=1e-4)


def test_a_fuser_says_where_it_runs(make_fuser):
    assert make_fuser().device == "cpu"
