"""DGFusion: a network that fuses in the frequency domain, guided by what the two images disagree on.

The computation is the published one; weights under the published names are read like our own.
"""

from __future__ import annotations

from os import PathLike

from tardal_ros.errors import RigError
from tardal_ros.fusion.weights import Checkpoint, read_checkpoint

# After `weights`, which says what to do where torch is missing.
# isort: split
import torch
from torch import Tensor, nn

from tardal_ros.fusion.dgfusion.keys import is_published, our_state, published_name, unused_state
from tardal_ros.fusion.dgfusion.layers import AdaptiveFusion, AmplitudePhaseEnhancer, DiscrepancyExtractor, leaky
from tardal_ros.fusion.dgfusion.spectral import half_spectrum, polar, unit

CHANNELS = 16


class DiscrepancyGuidedFusion(nn.Module):
    """Fuses a pair of single-channel images by the amplitudes and phases of their features.

    Every layer is a 3x3 convolution with zero padding, of images or of whole spectra, so any size works, but none can
    be put together from tiles.

    Args:
        channels: Features of the encoders' first layers; spectra have four times as many.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        width = 4 * channels
        self.visible_encoder = _encoder(channels)
        self.infrared_encoder = _encoder(channels)
        self.enhancer = AmplitudePhaseEnhancer(width)
        self.extractor = DiscrepancyExtractor(width)
        self.fusion = AdaptiveFusion(width)
        self.head = leaky(width, 2 * channels, 1)

    def spectra(self, infrared: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is fused, each (N, 8 channels, H, W), real parts, then imaginary parts.

        Returns:
            Spectra of the discrepancy; of the merged amplitude with the discrepancy's phase; of the discrepancy's
            amplitude with the merged phase.
        """
        columns = visible.shape[-1]
        half = half_spectrum(torch.cat([self.visible_encoder(visible), self.infrared_encoder(infrared)], dim=1))
        merged_amplitude, merged_phase = self.enhancer(half, columns)
        own_amplitude, own_phase = self.extractor(half, columns)
        del half  # the largest of all that is no longer needed
        own_unit = unit(own_phase)
        return (
            polar(own_amplitude, own_unit),
            polar(merged_amplitude, own_unit),
            polar(own_amplitude, unit(merged_phase)),
        )

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses a batch.

        Args:
            infrared: (N, 1, H, W) in [0, 1].
            visible: (N, 1, H, W) luma in [0, 1].

        Returns:
            (N, 1, H, W), unbounded; trained towards [0, 1], clip it.
        """
        fused: Tensor = self.head(self.fusion(*self.spectra(infrared, visible)))
        return fused


def load_network(path: str | PathLike[str]) -> DiscrepancyGuidedFusion:
    """Builds a network for inference from a weights file.

    Raises:
        RigError: The file cannot be used; the sentence names it and what differs.
    """
    return build_network(path, read_checkpoint(path)).eval()


def build_network(path: str | PathLike[str], checkpoint: Checkpoint) -> DiscrepancyGuidedFusion:
    """Builds a network of the size that its weights have.

    Args:
        path: The weights file, for the message.
        checkpoint: What is in it, under our names or the published ones.

    Raises:
        RigError: The weights are not this network's; the sentence names what differs.
    """
    state = our_state(checkpoint.state)
    told = published_name if is_published(checkpoint.state) else str
    first = state.get("visible_encoder.0.weight")
    channels = int(first.shape[0]) if first is not None and first.shape[1:] == (1, 3, 3) else CHANNELS
    with torch.device("meta"):  # shapes alone: a wrong file may have any
        expected = DiscrepancyGuidedFusion(channels or CHANNELS).state_dict()
    for name, value in expected.items():
        if name not in state:
            raise RigError(f"Weights file {path} is not for DGFusion: it has no {told(name)!r}.")
        if state[name].shape != value.shape:
            have, want = tuple(state[name].shape), tuple(value.shape)
            raise RigError(f"Weights file {path} is not for DGFusion: {told(name)!r} is {have} instead of {want}.")
    if extra := sorted(set(state) - set(expected)):
        raise RigError(f"Weights file {path} is not for DGFusion: it also has {told(extra[0])!r}.")
    network = DiscrepancyGuidedFusion(channels)
    network.load_state_dict(state)
    return network


def published_state(network: DiscrepancyGuidedFusion) -> dict[str, Tensor]:
    """A network's weights under the 128 published names, as code that loads strictly wants them.

    The published network has weights that it never uses. Ours has none of them: they are made up here, zeros, and ones
    for the scales of norms, and change nothing.
    """
    ours = {published_name(name): value for name, value in network.state_dict().items()}
    return {**ours, **unused_state(network.channels)}


def _encoder(channels: int) -> nn.Sequential:
    """Three convolutions, of which the last is not activated."""
    return nn.Sequential(*list(leaky(1, channels, 2 * channels, 4 * channels))[:-1])
