"""TarDAL's generator, the network that fuses (TarDAL, CVPR 2022; the published code's layers and state-dict keys)."""

from __future__ import annotations

import copy
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.fusion.weights import Checkpoint, read_checkpoint

# After `weights`, which says what to do where torch is missing.
import torch  # isort: skip
from torch import Tensor, nn  # isort: skip
from torch.nn.utils.fusion import fuse_conv_bn_eval  # isort: skip

from tardal_ros.fusion.device import find_device  # isort: skip

COUNTER = "num_batches_tracked"


class Generator(nn.Module):
    """Fuses a pair of single-channel images: an encoder, a dense block, a merging block.

    Every layer is a 3x3 convolution with zero padding, so any size works.

    Args:
        dim: Channels of the encoder and of each dense layer.
        depth: Number of dense layers.
    """

    def __init__(self, dim: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.encoder = _layer(2, dim)
        self.dense = nn.ModuleList(_layer(dim * (i + 1), dim) for i in range(depth))
        self.fuse = nn.Sequential(
            nn.Sequential(_convolution(dim * (depth + 1), 4 * dim), nn.ReLU(inplace=True)),
            _layer(4 * dim, 2 * dim),
            _layer(2 * dim, dim),
            nn.Sequential(_convolution(dim, 1), nn.Tanh()),
        )

    def features(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """The dense block's output: all features so far, old ones first, (N, dim * (depth + 1), H, W)."""
        features: Tensor = self.encoder(torch.cat([infrared, visible], dim=1))
        for layer in self.dense:
            features = torch.cat([features, layer(features)], dim=1)
        return features

    def forward(self, infrared: Tensor, visible: Tensor) -> Tensor:
        """Fuses a batch.

        Args:
            infrared: (N, 1, H, W) in [0, 1].
            visible: (N, 1, H, W) luma in [0, 1].

        Returns:
            (N, 1, H, W) in [-1, 1]; trained towards [0, 1], clip it.
        """
        fused: Tensor = self.fuse(self.features(infrared, visible))
        return fused


class TardalMethod:
    """Runs a generator on 8-bit lumas.

    Args:
        weights: Weights file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        RigError: The weights or the device cannot be used.
    """

    def __init__(self, weights: str | PathLike[str] | None, device: str = "auto") -> None:
        if weights is None:
            raise RigError("The fuser 'tardal' needs weights: give the path of a .safetensors, .pth or .pt file.")
        self._device = find_device(device)
        network = load_generator(weights).to(self._device)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> str:
        """Where the generator runs."""
        return str(self._device)

    @property
    def live_scale(self) -> float:
        """What a camera's rate allows: little on the CPU."""
        return 0.15 if self._device.type == "cpu" else 1.0

    def fuse_luma(self, visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuses two (H, W) uint8 images into one."""
        with torch.inference_mode():
            fused = self._network(self._batch(infrared), self._batch(visible))
            levels = fused[0, 0].clamp(0, 1).mul(255).round().to(torch.uint8)
        image: NDArray[np.uint8] = levels.cpu().numpy()
        return image

    def _batch(self, image: NDArray[np.uint8]) -> Tensor:
        batch = torch.tensor(np.ascontiguousarray(image), device=self._device)[None, None].float().div(255)
        # One single value has no statistics for torch; two equal ones have the same as it.
        return batch if image.size > 1 else batch.expand(2, -1, -1, -1)


def load_generator(path: str | PathLike[str]) -> Generator:
    """Builds a generator for inference from a weights file.

    Where batch norm has running statistics it is folded into the convolutions. Weights that were never given any
    (their counters are zero, or their file says so) normalise each image by its own statistics.

    Raises:
        RigError: The file cannot be used; the sentence names it and what differs.
    """
    checkpoint = read_checkpoint(path)
    generator = build_generator(path, checkpoint)
    if uses_running_statistics(checkpoint):
        return fold(generator.eval())
    return normalise_by_image(generator)


def build_generator(path: str | PathLike[str], checkpoint: Checkpoint) -> Generator:
    """Builds a generator as its weights were trained, of the size that they have.

    Args:
        path: The weights file, for the message.
        checkpoint: What is in it.

    Raises:
        RigError: The weights are not a generator's; the sentence names what differs.
    """
    state = dict(checkpoint.state)
    first = state.get("encoder.0.weight")
    depth = len({name.split(".")[1] for name in state if name.startswith("dense.")})
    dim = int(first.shape[0]) if first is not None and first.shape[1:] == (2, 3, 3) else 32
    generator = Generator(dim, depth or 3)
    expected = generator.state_dict()
    for name, value in expected.items():
        if name.endswith(COUNTER):
            state.setdefault(name, value)
        if name not in state:
            raise RigError(f"Weights file {path} is not for TarDAL's generator: it has no {name!r}.")
        if state[name].shape != value.shape:
            have, want = tuple(state[name].shape), tuple(value.shape)
            raise RigError(f"Weights file {path} is not for TarDAL's generator: {name!r} is {have} instead of {want}.")
    if extra := sorted(set(state) - set(expected)):
        raise RigError(f"Weights file {path} is not for TarDAL's generator: it also has {extra[0]!r}.")
    generator.load_state_dict(state)
    return generator


def uses_running_statistics(checkpoint: Checkpoint) -> bool:
    """Whether batch norm is meant to run on its running statistics: as the file says, else if it has any."""
    if checkpoint.use_eval is not None:
        return checkpoint.use_eval
    counters = [value for name, value in checkpoint.state.items() if name.endswith(COUNTER)]
    return not counters or any(int(counter) > 0 for counter in counters)


def fold(generator: Generator) -> Generator:
    """A copy with batch norm folded into the convolutions; same output, fewer passes over memory."""
    folded = copy.deepcopy(generator)
    for module in folded.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            convolution = module[0]
            assert isinstance(convolution, nn.Conv2d)
            module[0] = fuse_conv_bn_eval(convolution, module[1])
            module[1] = nn.Identity()
    return folded


def normalise_by_image(generator: Generator) -> Generator:
    """Makes batch norm use the statistics of the image at hand, and leave its running ones alone."""
    generator.eval()
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.track_running_stats = False
    return generator


def _convolution(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel_size=3, padding=1)


def _layer(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(_convolution(channels, out), nn.BatchNorm2d(out), nn.ReLU(inplace=True))
