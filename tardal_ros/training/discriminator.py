"""TarDAL's discriminators, the one of targets and the one of details, and what they and the generator learn from them.

The losses are those of Wasserstein divergence (WGAN-div, Wu et al., ECCV 2018), with the signs that make the two sides
adversaries: the paper prints one expression for both.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tardal_ros.errors import RigError

_STRIDE = 8
_NUDGE = 1e-6
"""Added to the gradient's elements: the norm of zeros has no derivative."""


class Discriminator(nn.Module):
    """Tells real images from fused ones: three convolutions of stride 2 and a linear layer.

    The published code's layers and state-dict keys.

    Args:
        size: Height and width of the images that it is to see.
        dim: Channels of the first layer; each next one has twice as many.
        activation: `leaky_relu` (slope 0.2), or `relu` as in the code of 2022.

    Raises:
        RigError: The size cannot be halved three times.
    """

    def __init__(
        self, size: tuple[int, int], dim: int = 32, activation: Literal["leaky_relu", "relu"] = "leaky_relu"
    ) -> None:
        super().__init__()
        height, width = size
        if height < _STRIDE or width < _STRIDE or height % _STRIDE or width % _STRIDE:
            raise RigError(f"A discriminator cannot see images of {height}x{width}: give multiples of {_STRIDE}.")
        self.size = size
        self.conv = nn.Sequential(
            *(_layer(*channels, activation) for channels in ((1, dim), (dim, 2 * dim), (2 * dim, 4 * dim)))
        )
        self.linear = nn.Linear(4 * dim * (height // _STRIDE) * (width // _STRIDE), 1)

    def forward(self, image: Tensor) -> Tensor:
        """Judges images.

        Args:
            image: (N, 1, H, W) of its size.

        Returns:
            (N, 1), unbounded; higher for what it takes for real.

        Raises:
            RigError: The images are of another size.
        """
        if image.shape[2:] != self.size:
            height, width = image.shape[2:]
            raise RigError(f"A discriminator of {self.size[0]}x{self.size[1]} got {height}x{width}: crop to its size.")
        verdict: Tensor = self.linear(self.conv(image).flatten(1))
        return verdict


def divergence_penalty(
    discriminator: nn.Module, real: Tensor, fake: Tensor, alpha: Tensor, k: float = 2.0, p: float = 6.0
) -> Tensor:
    """The Wasserstein divergence's penalty, `k * mean(|grad D(z)| ** p)` with `z = alpha * real + (1 - alpha) * fake`.

    Args:
        discriminator: What to judge with.
        real: (N, 1, H, W).
        fake: (N, 1, H, W).
        alpha: (N, 1, 1, 1), uniform in [0, 1].
        k: Its weight.
        p: Power of the gradient's norm over all pixels of a sample.

    Returns:
        A scalar, differentiable by the discriminator's parameters.
    """
    between = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    norms = (gradient + _NUDGE).flatten(1).norm(dim=1)
    penalty: Tensor = k * norms.pow(p).mean()
    return penalty


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, fake: Tensor, alpha: Tensor, k: float = 2.0, p: float = 6.0
) -> Tensor:
    """What a discriminator minimises: `mean D(fake) - mean D(real)` and the penalty.

    Args:
        discriminator: Who learns.
        real: (N, 1, H, W).
        fake: (N, 1, H, W); no gradient flows into it.
        alpha: See `divergence_penalty`.
        k: See `divergence_penalty`.
        p: See `divergence_penalty`.
    """
    apart: Tensor = discriminator(fake.detach()).mean() - discriminator(real).mean()
    return apart + divergence_penalty(discriminator, real, fake, alpha, k, p)


def generator_adversarial(discriminator: nn.Module, fake: Tensor) -> Tensor:
    """What the generator minimises, `-mean D(fake)`; the discriminator judges and learns nothing from it.

    Args:
        discriminator: Who judges.
        fake: (N, 1, H, W), made from the generator's output.
    """
    fixed = {name: parameter.detach() for name, parameter in discriminator.named_parameters()}
    verdict: Tensor = functional_call(discriminator, fixed, (fake,))
    return -verdict.mean()


def _layer(channels: int, out: int, activation: str) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel_size=3, stride=2, padding=1)
    return nn.Sequential(convolution, nn.ReLU() if activation == "relu" else nn.LeakyReLU(0.2))
