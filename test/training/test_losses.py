"""The losses as published: golden vectors where they are, and what must hold of any images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("kornia", reason="needs kornia")

from tardal_ros.training.losses import (  # noqa: E402
    contrast_term,
    detail_images,
    dgfusion_losses,
    image_gradient,
    pixel_term,
    saliency_weights,
    source_loss,
    ssim_term,
    target_images,
)

SOURCES = ["paper", "legacy", "ssim_l1", "ms_ssim", "ms_ssim_cubed"]
SALIENCIES = ["paper", "normalised", "legacy"]
GRADIENTS = ["sobel", "central"]


@pytest.fixture(scope="module")
def golden(golden_file):
    return {name: torch.from_numpy(value) for name, value in golden_file("tardal_losses.npz").items()}


def _close(actual, expected, absolute=1e-5):
    torch.testing.assert_close(actual, expected.reshape(actual.shape), rtol=1e-5, atol=absolute)


def _images(seed=0, count=2, height=24, width=20, dtype=torch.float32):
    """Fused, infrared and visible images, smooth enough to have structure."""
    random = torch.Generator().manual_seed(seed)
    rough = torch.rand(3, count, 1, height // 2, width // 2, generator=random, dtype=dtype)
    return torch.nn.functional.interpolate(rough.flatten(0, 1), (height, width), mode="bilinear").unflatten(0, (3, -1))


def _partly(images):
    """Seen all but the left part of the images."""
    seen = torch.ones_like(images[0])
    seen[..., :6] = 0
    return seen


def _alike(fused, source, kind):
    """The error to one source alone: where the other is the same, their weights do not matter."""
    return source_loss(fused, source, source, kind)


def test_golden_structure(golden):
    fused, infrared, visible = (golden[name] for name in ("fus", "ir", "vi"))
    _close(ssim_term(fused, infrared, infrared) / 2, golden["ssim_loss_mean_ir"])
    _close(ssim_term(fused, visible, visible) / 2, golden["ssim_loss_mean_vi"])
    _close(ssim_term(fused, infrared, visible), golden["paper_ssim_term"])


def test_golden_structure_by_pixel(golden):
    expected = golden["ssim_loss_map_ir"]
    for y, x in ((0, 0), (50, 60), (95, 127)):
        # A window that reaches the border of the image is not the border of what is seen.
        seen = torch.zeros_like(expected)
        seen[..., max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6] = 1
        sources = golden["ir"], golden["ir"]
        part = ssim_term(golden["fus"], *sources, seen) / 2
        _close(part, expected[0, 0, _inside(y, 96), _inside(x, 128)].mean())


def _inside(at, size):
    """Where a window of 11 pixels stays within the 11 pixels around a place and the image."""
    return slice(0 if at < 5 else at, size if at > size - 6 else at + 1)


@pytest.mark.parametrize(("kind", "name"), [("sobel", "sobel_mag_fus"), ("central", "diff_mag_fus")])
def test_golden_gradients(golden, kind, name):
    _close(image_gradient(golden["fus"], kind), golden[name])


def test_golden_weights(golden):
    names = ["paper_w1_unnormalised", "paper_w1_normalised", "legacy_w_ir"]
    for kind, name in zip(SALIENCIES, names, strict=True):
        # Where both maps are as good as 0, their quotient depends on what is added to avoid dividing by it.
        _close(saliency_weights(golden["ir"], golden["vi"], kind), golden[name], absolute=1e-4)
    _close(1 - saliency_weights(golden["ir"], golden["vi"], "legacy"), golden["legacy_w_vi"])


def test_golden_pixels(golden):
    fused, infrared, visible = (golden[name] for name in ("fus", "ir", "vi"))
    weight = saliency_weights(infrared, visible)
    term = pixel_term(fused, infrared, visible, weight)
    _close(term, golden["paper_pixel_term_weighted_errors"])
    _close(source_loss(fused, infrared, visible), golden["paper_ssim_term"] + 20 * term)


@pytest.mark.parametrize(
    ("kind", "name"), [("ssim_l1", "v1src_v0fn"), ("ms_ssim", "msssim090"), ("ms_ssim_cubed", "msssim068")]
)
def test_golden_source_losses(golden, kind, name):
    _close(_alike(golden["fus"], golden["ir"], kind), golden[f"{name}_ir"], absolute=1e-4)
    _close(_alike(golden["fus"], golden["vi"], kind), golden[f"{name}_vi"], absolute=1e-4)


def test_golden_cubed_map(golden):
    # A pixel whose window is all that is seen.
    seen = torch.zeros_like(golden["ir"])
    seen[..., 24:57, 40:73] = 1
    part = source_loss(golden["fus"], golden["ir"], golden["ir"], "ms_ssim_cubed", seen=seen)
    _close(part, golden["msssim068_map_ir"][0, 40, 56], absolute=1e-3)


def test_golden_legacy_loss(golden):
    loss = source_loss(golden["fus"], golden["ir"], golden["vi"], "legacy", "legacy")
    _close(loss, golden["legacy_src_loss"])


@pytest.mark.parametrize("kind", SOURCES)
def test_a_perfect_copy_of_equal_sources_costs_nothing(kind):
    image = _images()[1]
    assert source_loss(image, image, image, kind).abs() < 1e-4


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("partly", [False, True], ids=["all seen", "part seen"])
def test_gradients_are_finite_and_reach_what_is_seen(kind, partly):
    fused, infrared, visible = _images(height=48, width=52)
    fused = fused.clone().requires_grad_()
    seen = _partly([fused]) if partly else None
    source_loss(fused, infrared, visible, kind, seen=seen).backward()
    assert torch.isfinite(fused.grad).all()
    assert (fused.grad[..., 24:28, 26:34] != 0).all()
    if partly:
        assert not fused.grad[..., :6].any()


@pytest.mark.parametrize("kind", ["paper", "legacy"])
def test_derivatives_are_right(kind):
    fused, infrared, visible = _images(count=1, height=8, width=8, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda image: source_loss(image, infrared, visible, kind), (fused.clone().requires_grad_(),), atol=1e-4
    )


@pytest.mark.parametrize("kind", GRADIENTS)
def test_a_flat_image_has_a_gradient_with_a_finite_derivative(kind):
    image = torch.full((1, 1, 6, 6), 0.5, requires_grad=True)
    magnitude = image_gradient(image, kind)
    assert magnitude.max() < 2e-3
    magnitude.sum().backward()
    assert torch.isfinite(image.grad).all()


@pytest.mark.parametrize("kind", GRADIENTS)
def test_a_ramp_has_its_slope(kind):
    ramp = torch.linspace(0, 0.9, 10).expand(1, 1, 8, 10)
    torch.testing.assert_close(image_gradient(ramp, kind)[..., 1:-1], torch.full((1, 1, 8, 8), 0.1), rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("saliency", SALIENCIES)
def test_what_is_not_seen_changes_nothing(kind, saliency):
    images = _images(height=40, width=44)
    seen = _partly(images)
    others = [torch.where(seen > 0, image, other) for image, other in zip(images, _images(7, 2, 40, 44), strict=True)]
    expected = source_loss(*images, kind, saliency, seen)
    assert expected > 0
    torch.testing.assert_close(source_loss(*others, kind, saliency, seen), expected, rtol=0, atol=0)


def test_what_is_not_seen_changes_nothing_for_the_discriminators():
    fused, infrared, visible = images = _images()
    target, seen = torch.rand_like(fused), _partly(images)
    others = [torch.where(seen > 0, image, 0.3) for image in images]
    for got, expected in (
        (target_images(others[1], others[0], target, seen), target_images(infrared, fused, target, seen)),
        (detail_images(others[2], others[0], target, seen), detail_images(visible, fused, target, seen)),
    ):
        torch.testing.assert_close(got, expected, rtol=0, atol=0)
        assert all(not image[..., :6].any() and image[..., 8:].any() for image in got)


@pytest.mark.parametrize("kind", SOURCES)
def test_seen_everywhere_is_the_same_as_no_mask(kind):
    images = _images()
    torch.testing.assert_close(source_loss(*images, kind, seen=torch.ones_like(images[0])), source_loss(*images, kind))


def test_nothing_seen_costs_nothing():
    fused, infrared, visible = _images()
    fused = fused.clone().requires_grad_()
    loss = source_loss(fused, infrared, visible, seen=torch.zeros_like(fused))
    loss.backward()
    assert loss == 0
    assert not fused.grad.any()


@pytest.mark.parametrize("kind", SOURCES)
def test_processes_that_share_a_batch_agree_with_one(kind):
    images = _images(height=40, width=44)
    seen = torch.ones_like(images[0])
    seen[0, ..., :17] = 0
    whole = source_loss(*images, kind, seen=seen)
    parts = [source_loss(*(each[i : i + 1] for each in images), kind, seen=seen[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(whole, torch.stack(parts).mean())


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), saliency=st.sampled_from(SALIENCIES))
def test_weights_share_one(seed, saliency):
    # Printed with a minus sign, the weight of infrared has no bounds.
    _, infrared, visible = _images(seed)
    weight, other = (saliency_weights(*pair, saliency) for pair in ((infrared, visible), (visible, infrared)))
    assert weight.min() >= 0
    assert weight.max() <= 1
    # Where both of the stretched maps are 0, the visible image has it all.
    shared = (weight + other) > 0
    torch.testing.assert_close((weight + other)[shared], torch.ones_like(weight)[shared], rtol=0, atol=2e-3)
    assert shared.float().mean() > 0.99


@pytest.mark.parametrize("saliency", SALIENCIES)
def test_flat_sources_have_finite_weights(saliency):
    flat = torch.full((1, 1, 4, 4), 0.5)
    weight = saliency_weights(flat, flat, saliency)
    assert ((weight >= 0) & (weight <= 1)).all()


@pytest.mark.parametrize("kind", SOURCES)
def test_weights_count_by_pixel(kind):
    # The published code of late 2022 took the mean of the weights, and that of the errors, before multiplying them.
    infrared, visible = torch.full((2, 1, 1, 64, 96), 0.5)
    flat = visible.clone()
    infrared[..., 24:40, 24:40] = 1.0
    visible[..., 24:40, 56:72] = 1.0
    weight = saliency_weights(infrared, visible)
    assert weight[0, 0, 30, 30] > 0.9
    assert weight[0, 0, 30, 60] < 0.1
    # To show what stands out in either image costs less than to show nothing: not so, had they been pooled.
    both, nothing = (source_loss(fused, infrared, visible, kind) for fused in (infrared.maximum(visible), flat))
    assert both < 0.75 * nothing


def test_the_best_fused_image_is_as_bright_as_its_sources():
    # Weights of the sources rather than of the errors, as printed, would halve it.
    source = torch.full((1, 1, 8, 8), 0.8)
    weight = torch.full_like(source, 0.5)
    costs = [float(pixel_term(source * part, source, source, weight)) for part in (0.5, 0.9, 1.0, 1.1)]
    assert np.argmin(costs) == 2


@pytest.mark.parametrize("kind", SOURCES)
def test_tilt_shares_two_among_the_sources(kind):
    fused, infrared, visible = _images(height=40, width=44)
    # Of errors to one source each, which is the other's weight where the other is what is compared.
    to_infrared, to_visible = (
        source_loss(*images, kind, "normalised")
        for images in ((visible, infrared, visible), (infrared, infrared, visible))
    )
    for tilt in (0.25, 1.0, 1.75):
        got = [source_loss(image, infrared, visible, kind, "normalised", tilt=tilt) for image in (visible, infrared)]
        torch.testing.assert_close(got, [tilt * to_infrared, (2 - tilt) * to_visible], rtol=1e-4, atol=1e-5)
    mean = (
        source_loss(fused, infrared, visible, kind, tilt=0.4) + source_loss(fused, infrared, visible, kind, tilt=1.6)
    ) / 2
    torch.testing.assert_close(mean, source_loss(fused, infrared, visible, kind))


def _with_target(images):
    """The images, and the mask of a target in their middle."""
    target = torch.zeros_like(images[0])
    target[..., 28:36, 28:36] = 1
    return *images[:2], target


def test_contrast_of_targets_is_what_counts_and_not_their_brightness():
    fused, infrared, target = _with_target(_images(height=64, width=64))
    darker = (infrared - 0.2).requires_grad_()
    torch.testing.assert_close(contrast_term(darker, infrared, target), torch.tensor(0.0), rtol=0, atol=1e-6)
    assert contrast_term(fused, infrared, target) > 0.05
    fainter = infrared.mean() + (infrared - infrared.mean()) / 2
    assert 0 < contrast_term(fainter, infrared, target) < contrast_term(fused, infrared, target)


def test_contrast_counts_in_and_around_targets_alone():
    fused, infrared, target = _with_target(_images(height=64, width=64))
    fused = fused.clone().requires_grad_()
    assert contrast_term(fused, infrared, torch.zeros_like(target)) == 0
    contrast_term(fused, infrared, target).backward()
    reached = fused.grad.abs()
    assert reached[..., 20:44, 20:44].median() > 30 * reached[..., :8, :8].median()


@pytest.mark.parametrize("side", [slice(0, 24), slice(30, 64)])
def test_contrast_leaves_out_what_is_not_seen(side):
    fused, infrared, target = _with_target(_images(height=64, width=64))
    seen = torch.ones_like(fused)
    seen[..., side] = 0
    expected = contrast_term(fused, infrared, target, seen)
    assert expected > 0
    changed = [torch.where(seen > 0, image, 0.1) for image in (fused, infrared)]
    torch.testing.assert_close(contrast_term(*changed, target, seen), expected, rtol=0, atol=0)
    # The black beyond is no contrast.
    torch.testing.assert_close(
        contrast_term(infrared - 0.2, infrared, target, seen), torch.tensor(0.0), rtol=0, atol=1e-6
    )


def test_processes_that_share_a_batch_agree_on_contrast():
    images = *_images(height=40, width=44)[:2], (torch.rand(2, 1, 40, 44) > 0.99).float()
    parts = [contrast_term(*(each[i : i + 1] for each in images)) for i in range(2)]
    torch.testing.assert_close(contrast_term(*images), torch.stack(parts).mean())


def test_the_target_discriminator_compares_targets_with_infrared():
    fused, infrared, _ = _images()
    target = torch.rand_like(fused)
    real, fake = target_images(infrared, fused, target)
    torch.testing.assert_close(real, infrared * target)
    torch.testing.assert_close(fake, fused * target)


@pytest.mark.parametrize("kind", GRADIENTS)
def test_the_detail_discriminator_compares_gradients_with_the_visible_image(kind):
    # The paper prints the gradient of infrared in the penalty.
    fused, _, visible = _images()
    real, fake = detail_images(visible, fused, kind=kind)
    torch.testing.assert_close(real, image_gradient(visible, kind))
    torch.testing.assert_close(fake, image_gradient(fused, kind))


def test_targets_are_left_out_of_details_without_an_edge_around_them():
    # Masked before the gradient is taken, as in the code of 2022, a flat image would get the mask's outline.
    flat = torch.full((1, 1, 12, 12), 0.7)
    target = torch.zeros_like(flat)
    target[..., 4:8, 4:8] = 1
    real, fake = detail_images(flat, _images(count=1, height=12, width=12)[0], target)
    assert real.max() < 1e-3
    assert not fake[..., 4:8, 4:8].any()
    assert fake[..., :3, :].min() > 0


def test_golden_losses_of_dgfusion(golden_file):
    golden = {name: torch.from_numpy(value) for name, value in golden_file("dgfusion_losses.npz").items()}
    losses = dgfusion_losses(golden["fused"], golden["ir"], golden["y"], golden["mask"])

    _close(losses["pixel"], golden["l_pix"])
    _close(losses["maximum"], golden["l_max"])
    _close(losses["gradient"], golden["l_grad"])


def test_dgfusion_does_not_look_where_infrared_does_not_see():
    fused, infrared, visible = _images()
    seen, salient = _partly((fused,)), (infrared < visible).float()
    expected = dgfusion_losses(fused, infrared, visible, salient, seen)
    infrared, fused = infrared.clone(), fused.clone()
    infrared[..., :6], fused[..., :6] = 0.0, 1.0
    actual = dgfusion_losses(fused, infrared, visible, salient, seen)

    for name in ("pixel", "maximum", "gradient"):
        _close(actual[name], expected[name], 1e-6)
