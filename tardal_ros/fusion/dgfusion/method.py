"""DGFusion as a fuser's method, with an eye on memory."""

from __future__ import annotations

import math
import threading
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.fusion.dgfusion.network import DiscrepancyGuidedFusion, load_network

# After `network`, which says what to do where torch is missing.
# isort: split
import torch
from torch import Tensor

from tardal_ros.fusion.device import find_device, free_bytes, is_out_of_memory

# Bytes that a pass takes at its peak for each pixel and channel: 228 by `python -m benchmarks.dgfusion` at large sizes,
# where 14 features of 4 bytes are alive for each of the 4 that a channel has in the spectra, and a tenth more.
BYTES = 250


class DgfusionMethod:
    """Runs DGFusion on 8-bit lumas, one pair at a time.

    Args:
        weights: Weights file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        RigError: The weights or the device cannot be used.
    """

    def __init__(self, weights: str | PathLike[str] | None, device: str = "auto") -> None:
        if weights is None:
            raise RigError("The fuser 'dgfusion' needs weights: give the path of a .safetensors or .pth file.")
        self._device = find_device(device)
        network = load_network(weights).to(self._device)
        self._network: DiscrepancyGuidedFusion = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._turn = threading.Lock()  # so that the memory found free is there for one pass

    @property
    def device(self) -> str:
        """Where the network runs."""
        return str(self._device)

    @property
    def live_scale(self) -> float:
        """What a camera's rate allows: little on the CPU."""
        return 0.15 if self._device.type == "cpu" else 1.0

    def fuse_luma(self, visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuses two (H, W) uint8 images into one.

        Raises:
            RigError: There is not enough memory for the size; the sentence says for which there is.
        """
        with self._turn, torch.inference_mode():
            self._check_memory(visible.shape)
            try:
                fused = self._network(self._batch(infrared), self._batch(visible))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                # What was free seemed enough: that half of the pixels would fit is a guess.
                raise self._refusal(visible.shape, "ran out of memory", 0.7) from None
        levels = fused[0, 0].clamp(0, 1).mul(255).round().to(torch.uint8)
        image: NDArray[np.uint8] = levels.cpu().numpy()
        return image

    def _batch(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.tensor(np.ascontiguousarray(image), device=self._device)[None, None].float().div(255)

    def _check_memory(self, shape: tuple[int, ...]) -> None:
        needed, free = bytes_needed(shape, self._network.channels), free_bytes(self._device)
        if needed > free:
            told = f"needs {needed / 1e9:.1f} GB and finds {free / 1e9:.1f} GB free"
            raise self._refusal(shape, told, math.sqrt(free / needed))

    def _refusal(self, shape: tuple[int, ...], told: str, scale: float) -> RigError:
        """The error of a size that does not fit, in a sentence that says which one does."""
        height, width = shape
        scale = max(math.floor(scale * 100), 1) / 100
        return RigError(
            f"DGFusion {told} for {width}x{height} pixels on {self.device}, and cannot fuse in tiles: set the fuser's"
            f" scale to {scale} of what it is, for {int(width * scale)}x{int(height * scale)} pixels."
        )


def bytes_needed(shape: tuple[int, ...], channels: int) -> int:
    """Memory that fusing one pair of (H, W) images takes at its peak, weights aside."""
    return BYTES * channels * math.prod(shape)
