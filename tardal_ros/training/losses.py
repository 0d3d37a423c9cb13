"""What a fused image is compared to, and how: TarDAL's losses as pure functions, the published variants by name.

Images are (N, 1, H, W) in float32; call these outside autocast. Where the paper errs, its intention is followed (each
function says so).

`seen` is (N, 1, H, W), 0 where infrared does not see and 1 elsewhere, None for everywhere. Unseen pixels have no
influence: a loss is the mean over the seen pixels of each sample, then over the samples (so that processes that share
a batch agree with one that has it all), and where a filter's window would reach an unseen pixel it is not evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from tardal_ros.errors import MissingDependencyError
from tardal_ros.training.saliency import visual_saliency

try:
    from kornia.filters import gaussian_blur2d, sobel, spatial_gradient
    from kornia.losses import ssim_loss
except ImportError as error:
    raise MissingDependencyError("Training needs kornia: run `pip install '.[train]'` in the checkout.") from error

SaliencyKind = Literal["paper", "normalised", "legacy"]
SourceKind = Literal["paper", "legacy", "ssim_l1", "ms_ssim", "ms_ssim_cubed"]
GradientKind = Literal["sobel", "central"]

PIXEL_WEIGHT = 20.0
_WINDOW = 11  # Of SSIM, with a Gaussian of 1.5.
_MS_SIGMAS, _MS_RADIUS = (0.5, 1.0, 2.0, 4.0, 8.0), 16  # Of multi-scale SSIM.
_LOCAL, _AROUND = 8.0, 3  # Of contrast, in pixels: the Gaussian that tells what is local, and how far around a target.
_C1, _C2 = 0.01**2, 0.03**2
_TINY = 1e-8


def ssim_term(
    fused: Tensor, infrared: Tensor, visible: Tensor, seen: Tensor | None = None, tilt: float = 1.0
) -> Tensor:
    """Structural dissimilarity `(1 - SSIM) / 2` to both sources (TarDAL, equation 4); `tilt` as in `source_loss`."""
    return _mean(
        tilt * _dissimilarity(fused, infrared) + (2 - tilt) * _dissimilarity(fused, visible), seen, _WINDOW // 2
    )


def pixel_term(
    fused: Tensor, infrared: Tensor, visible: Tensor, weight: Tensor, seen: Tensor | None = None, tilt: float = 1.0
) -> Tensor:
    """Absolute differences to both sources, each pixel weighted by how salient the source is there (equation 5).

    The weights are those of the errors. As printed they would scale the sources, towards an image of half the light.

    Args:
        fused: The fused image.
        infrared: The infrared image.
        visible: The visible luma.
        weight: Of infrared, in [0, 1], see `saliency_weights`; the visible image's is what is missing to 1.
        seen: Where to compare.
        tilt: See `source_loss`.
    """
    to_infrared, to_visible = tilt * weight, (2 - tilt) * (1 - weight)
    return _mean(to_infrared * (fused - infrared).abs() + to_visible * (fused - visible).abs(), seen)


def saliency_weights(
    infrared: Tensor, visible: Tensor, kind: SaliencyKind = "paper", seen: Tensor | None = None
) -> Tensor:
    """The weight of infrared at each pixel, by its visual saliency S_x against the visible image's S_y.

    Args:
        infrared: The infrared image.
        visible: The visible luma.
        kind: `paper` is S_x / (S_x + S_y), which is printed with a minus sign; `normalised` is the same of maps that
            are stretched to [0, 1]; `legacy` is 0.5 + 0.5 * (S_x - S_y) of such, as in the code of 2022.
        seen: What the maps are made of.

    Returns:
        (N, 1, H, W) in [0, 1]; the visible image's weight is what is missing to 1.
    """
    x, y = visual_saliency(infrared, seen), visual_saliency(visible, seen)
    if kind != "paper":
        x, y = _stretch(x, seen), _stretch(y, seen)
    return 0.5 + 0.5 * (x - y) if kind == "legacy" else x / (x + y + _TINY)


def source_loss(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    kind: SourceKind = "paper",
    saliency: SaliencyKind = "paper",
    seen: Tensor | None = None,
    pixel: float = PIXEL_WEIGHT,
    tilt: float = 1.0,
) -> Tensor:
    """How far a fused image is from its sources, a scalar.

    Args:
        fused: The fused image.
        infrared: The infrared image.
        visible: The visible luma.
        kind: `paper` is `ssim_term + pixel * pixel_term`. The published codes' errors are weighted by saliency pixel by
            pixel, as a whole: `legacy` is dissimilarity + `pixel` * L1, `ssim_l1` is 0.01 and 0.99 of them, `ms_ssim`
            is multi-scale SSIM with L1, `ms_ssim_cubed` the same as kornia 0.6.8 computed it for one channel.
        saliency: See `saliency_weights`.
        seen: Where to compare.
        pixel: Weight of L1 against dissimilarity, in `paper` and `legacy`.
        tilt: By how much the errors to infrared count; those to the visible image count by what is missing to 2.
    """
    weight = saliency_weights(infrared, visible, saliency, seen)
    if kind == "paper":
        pixels = pixel_term(fused, infrared, visible, weight, seen, tilt)
        return ssim_term(fused, infrared, visible, seen, tilt) + pixel * pixels
    error, radius = _error(kind, pixel)
    to_infrared, to_visible = tilt * weight, (2 - tilt) * (1 - weight)
    return _mean(to_infrared * error(fused, infrared) + to_visible * error(fused, visible), seen, radius)


def contrast_term(fused: Tensor, infrared: Tensor, target: Tensor, seen: Tensor | None = None) -> Tensor:
    """How far the contrast of the targets to what is near is from that in infrared, a scalar; brightness is free.

    Not in the paper, where D_T alone looks after the targets. What a detector loses by fusing are small targets in
    front of what is bright in the visible image.

    Args:
        fused: The fused image.
        infrared: The infrared image.
        target: (N, 1, H, W) in [0, 1], the target mask.
        seen: Where to compare.

    Returns:
        The mean of absolute differences in and around the targets; 0 for a sample that has none.
    """
    where = torch.ones_like(fused) if seen is None else seen
    difference = (fused - infrared) * where
    local = _local(difference) / _local(where).clamp(min=_TINY)
    around = functional.max_pool2d(target, 2 * _AROUND + 1, stride=1, padding=_AROUND)
    return _mean((difference - local).abs(), around * where)


def dgfusion_losses(
    fused: Tensor, infrared: Tensor, visible: Tensor, salient: Tensor, seen: Tensor | None = None
) -> dict[str, Tensor]:
    """How far a fused image is from what DGFusion wants of it: its weighted pixel, maximum and gradient losses.

    As published, the pixel loss multiplies its targets by the mask, not its errors: where a source is masked out it
    asks for black, as strongly as the other one asks for its light.

    Args:
        fused: The fused image, clipped to [0, 1].
        infrared: The infrared image.
        visible: The visible luma.
        salient: (N, 1, H, W), 1 where the visible image stands out more, see `datasets.saliency_mask`.
        seen: Where to compare.
    """
    pixels = (salient * visible - fused).abs() + ((salient != 1) * infrared - fused).abs()
    brightness = (fused - torch.maximum(visible, infrared)).abs()
    edges = (_edges(fused) - torch.maximum(_edges(visible), _edges(infrared))).abs()
    return {
        "pixel": 3.0 * _mean(pixels, seen),
        "maximum": 10.0 * _mean(brightness, seen),
        "gradient": 10.0 * _mean(edges, seen, 1),
    }


def image_gradient(image: Tensor, kind: GradientKind = "sobel") -> Tensor:
    """The gradient's magnitude by pixel, borders replicated: Sobel's, or central differences as in the code of 2022."""
    magnitude: Tensor
    if kind == "sobel":
        magnitude = sobel(image, normalized=True, eps=1e-8)
    else:
        across, down = spatial_gradient(image, mode="diff").unbind(dim=2)
        magnitude = (across.square() + down.square() + 1e-6).sqrt()
    return magnitude


def target_images(infrared: Tensor, fused: Tensor, target: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the target discriminator takes for real and for fake: the target in infrared and in the fused image.

    Args:
        infrared: The infrared image.
        fused: The fused image.
        target: (N, 1, H, W) in [0, 1], the target mask.
        seen: Where infrared sees; None for everywhere.

    Returns:
        Two (N, 1, H, W).
    """
    shown = target if seen is None else target * seen
    return infrared * shown, fused * shown


def detail_images(
    visible: Tensor,
    fused: Tensor,
    target: Tensor | None = None,
    seen: Tensor | None = None,
    kind: GradientKind = "sobel",
) -> tuple[Tensor, Tensor]:
    """What the detail discriminator takes for real and for fake: the gradients of the visible and the fused image.

    The paper prints the infrared image's in one place, and means the visible one's.

    Args:
        visible: The visible luma.
        fused: The fused image.
        target: (N, 1, H, W) in [0, 1], the target mask, which is left out after the gradient is taken; None, as in the
            published configurations, to leave nothing out.
        seen: Where infrared sees; None for everywhere.
        kind: See `image_gradient`.

    Returns:
        Two (N, 1, H, W).
    """
    shown = torch.ones_like(visible) if target is None else 1 - target
    if seen is not None:
        shown = shown * _inner(seen, 1)
    return image_gradient(visible, kind) * shown, image_gradient(fused, kind) * shown


def _edges(image: Tensor) -> Tensor:
    """The sum of the magnitudes of Sobel's two derivatives, not normalised; zeros beyond the border."""
    across = image.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([across, across.T])[:, None]
    return functional.conv2d(image, kernels, padding=1).abs().sum(dim=1, keepdim=True)


def _local(image: Tensor) -> Tensor:
    """What is left of an image without its fine structure; zeros beyond the border."""
    size = 2 * math.ceil(3 * _LOCAL) + 1
    blurred: Tensor = gaussian_blur2d(image, (size, size), (_LOCAL, _LOCAL), border_type="constant")
    return blurred


def _mean(errors: Tensor, seen: Tensor | None, radius: int = 0) -> Tensor:
    """The mean where a window of that radius shows seen pixels only; a sample that has no such place counts as 0."""
    if seen is None:
        return errors.mean()
    where = _inner(seen, radius)
    return ((errors * where).sum(dim=(1, 2, 3)) / where.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


def _inner(seen: Tensor, radius: int) -> Tensor:
    return -functional.max_pool2d(-seen, 2 * radius + 1, stride=1, padding=radius)


def _stretch(saliency: Tensor, seen: Tensor | None) -> Tensor:
    """To [0, 1] by what is seen; 0 where there is nothing to stretch."""
    where = torch.ones_like(saliency) if seen is None else seen
    low = saliency.where(where > 0, torch.inf).amin(dim=(1, 2, 3), keepdim=True)
    high = saliency.where(where > 0, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    return ((saliency - low) / (high - low).clamp(min=_TINY)).clamp(0, 1)


def _dissimilarity(image: Tensor, source: Tensor) -> Tensor:
    errors: Tensor = ssim_loss(image, source, _WINDOW, reduction="none")
    return errors


def _ssim_with_l1(structure: float, light: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda image, source: structure * _dissimilarity(image, source) + light * (image - source).abs()


def _ms_ssim_with_l1(power: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Multi-scale SSIM at full resolution with L1 (Zhao et al., IEEE Transactions on Computational Imaging, 2017).

    Not kornia's: its releases differ (old ones kept each Gaussian three times, for RGB, which cubes one channel's
    similarity), and it is several times slower, as it does not separate the Gaussians.
    """

    def error(image: Tensor, source: Tensor) -> Tensor:
        moments = [image, source, image * image, source * source, image * source, (image - source).abs()]
        mean_i, mean_s, square_i, square_s, product, light = (_blurs(each) for each in moments)
        means, squares = mean_i * mean_s, mean_i**2 + mean_s**2
        luminance = ((2 * means + _C1) / (squares + _C1))[:, -1:]
        structure = (2 * (product - means) + _C2) / (square_i + square_s - squares + _C2)
        similarity = (luminance * structure.prod(dim=1, keepdim=True)) ** power
        return 200 * (0.025 * (1 - similarity) + 0.975 * light[:, -1:])

    return error


def _blurs(image: Tensor) -> Tensor:
    """(N, 1, H, W) to (N, 5, H, W), a scale in each channel; zeros beyond the border."""
    steps = torch.arange(-_MS_RADIUS, _MS_RADIUS + 1, dtype=image.dtype, device=image.device)
    rows = torch.stack([torch.exp(-((steps / sigma) ** 2) / 2) for sigma in _MS_SIGMAS])
    rows = (rows / rows.sum(dim=1, keepdim=True))[:, None]
    down = functional.conv2d(image, rows[..., None], padding=(_MS_RADIUS, 0))
    return functional.conv2d(down, rows[:, :, None], padding=(0, _MS_RADIUS), groups=len(_MS_SIGMAS))


def _error(kind: SourceKind, pixel: float) -> tuple[Callable[[Tensor, Tensor], Tensor], int]:
    """An error by pixel, and how far its window reaches."""
    if kind == "legacy":
        return _ssim_with_l1(1.0, pixel), _WINDOW // 2
    if kind == "ssim_l1":
        return _ssim_with_l1(0.01, 0.99), _WINDOW // 2
    return _ms_ssim_with_l1(3 if kind == "ms_ssim_cubed" else 1), _MS_RADIUS
