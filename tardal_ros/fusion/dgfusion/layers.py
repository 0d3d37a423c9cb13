"""The parts of DGFusion's network: what enhances, what extracts the discrepancy, and what fuses guided by it.

Spectra have `width` features. As complex numbers they are only half there (see `spectral`); where convolutions work on
them, all of their columns are, either as amplitude and phase of `width` channels each, or as 2 `width` channels, first
the real parts, then the imaginary parts.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from tardal_ros.fusion.dgfusion.spectral import amplitude, phase, real_inverse

LEAK = 0.1
# What takes the place of numbers that are not finite before the last layers.
SMALL = 1e-5


class AmplitudePhaseEnhancer(nn.Module):
    """Amplitude-phase feature enhancer: merges the amplitudes of the two spectra into one, and their phases.

    Args:
        width: Features of each spectrum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.amplitude_mixing = leaky(2 * width, 2 * width, 2 * width)
        self.amplitude_merging = leaky(2 * width, width, width)
        self.phase_mixing = leaky(2 * width, 2 * width, 2 * width)
        self.phase_merging = leaky(2 * width, width, width)

    def forward(self, half: Tensor, columns: int) -> tuple[Tensor, Tensor]:
        """Enhances and merges.

        Args:
            half: Half spectra, first the visible image's, then infrared's, complex (N, 2 width, H, columns // 2 + 1).
            columns: Of the whole spectra.

        Returns:
            One amplitude and one phase, (N, width, H, columns).
        """
        return (
            self.amplitude_merging(_with_residual(self.amplitude_mixing, amplitude(half, columns))),
            self.phase_merging(_with_residual(self.phase_mixing, phase(half, columns))),
        )


class DiscrepancyExtractor(nn.Module):
    """Discrepancy-aware feature extractor: refines amplitude and phase of what the two spectra differ by.

    Args:
        width: Features of each spectrum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.visible_gain = nn.Parameter(torch.ones(1))
        self.infrared_gain = nn.Parameter(torch.ones(1))
        self.amplitude_refinement = nn.Sequential(leaky(width, width, width), leaky(width, width, width))
        self.phase_refinement = nn.Sequential(leaky(width, width, width), leaky(width, width, width))

    def forward(self, half: Tensor, columns: int) -> tuple[Tensor, Tensor]:
        """Extracts the discrepancy; takes and gives the same as the enhancer."""
        visible, infrared = half.chunk(2, dim=1)
        difference = self.visible_gain * visible - self.infrared_gain * infrared
        return (
            _with_residual(self.amplitude_refinement, amplitude(difference, columns)),
            _with_residual(self.phase_refinement, phase(difference, columns)),
        )


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel.

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """Normalises (N, width, H, W)."""
        last = features.movedim(1, -1)
        return nn.functional.layer_norm(last, last.shape[-1:], self.weight, self.bias, 1e-5).movedim(-1, 1)


class DiscrepancyAttention(nn.Module):
    """Weighs features by how well the discrepancy agrees with a key, frequency by frequency.

    Args:
        width: Features; each of their spectra is `width` real and `width` imaginary channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (
            nn.Sequential(convolution(2 * width, 2 * width), nn.ReLU(inplace=True), convolution(2 * width, 2 * width))
            for _ in range(3)
        )
        self.correlation_norm = ChannelNorm(width)
        self.value_norm = ChannelNorm(width)
        self.output_norm = ChannelNorm(width)

    def forward(self, discrepancy: Tensor, key: Tensor, value: Tensor, image: Tensor) -> Tensor:
        """Attends.

        Args:
            discrepancy: Spectra that ask, (N, 2 width, H, W), real parts, then imaginary parts.
            key: Spectra that answer.
            value: Spectra whose features are weighed.
            image: The discrepancy transformed back, (N, width, H, W).

        Returns:
            Features of the image, (N, width, H, W).
        """
        weighed: Tensor = self.correlation_norm(real_inverse(self.query(discrepancy) * self.key(key)))
        weighed = weighed * self.value_norm(real_inverse(self.value(value)))
        attended: Tensor = self.output_norm(weighed + image)
        return attended


class AdaptiveFusion(nn.Module):
    """Adaptive discrepancy-guided fusion: two attentions, and a gate that weighs them in each pixel.

    Args:
        width: Features of each spectrum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequency_attention = DiscrepancyAttention(width)
        self.spatial_attention = DiscrepancyAttention(width)
        self.gate = nn.Sequential(convolution(2 * width, width), convolution(width, 2 * width))

    def forward(self, discrepancy: Tensor, merged_amplitude: Tensor, merged_phase: Tensor) -> Tensor:
        """Fuses; all spectra are (N, 2 width, H, W), real parts, then imaginary parts.

        Args:
            discrepancy: Spectra of the discrepancy.
            merged_amplitude: Spectra of the merged amplitude, with the discrepancy's phase.
            merged_phase: Spectra of the merged phase, with the discrepancy's amplitude.

        Returns:
            Features of the image, (N, width, H, W), finite.
        """
        image = real_inverse(discrepancy)
        first = self.frequency_attention(discrepancy, merged_phase, merged_amplitude, image)
        second = self.spatial_attention(discrepancy, merged_amplitude, merged_phase, image)
        gates = self.gate(torch.cat([first, second], dim=1)).sigmoid().chunk(2, dim=1)
        return torch.nan_to_num(gates[0] * first + gates[1] * second, SMALL, SMALL, SMALL)


def convolution(channels: int, out: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(channels, out, kernel_size=3, padding=1)


def leaky(*channels: int) -> nn.Sequential:
    """Convolutions from each number of channels to the next, all with a leaky ReLU."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(channels):
        layers += [convolution(before, after), nn.LeakyReLU(LEAK, inplace=True)]
    return nn.Sequential(*layers)


def _with_residual(layers: nn.Module, features: Tensor) -> Tensor:
    result: Tensor = layers(features) + features
    return result
