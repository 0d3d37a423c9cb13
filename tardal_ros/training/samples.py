"""Looking at a network while it trains: scalars and a grid of fused pairs, for TensorBoard and as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from tardal_ros.datasets.item import Item
from tardal_ros.errors import MissingDependencyError
from tardal_ros.evaluation.fusion_metric import FusionScores, quality
from tardal_ros.files import replace_bytes
from tardal_ros.fusion.colour import luma
from tardal_ros.types import Array

TILE = 384
"""Longer side of a picture in the grid, in pixels."""


class Samples:
    """Writes what a training looks like to a folder.

    Args:
        folder: Gets event files for TensorBoard, and `samples/STEP.png`.
        items: The pairs to show: the same at every step.

    Raises:
        MissingDependencyError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, items: Sequence[Item]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingDependencyError(
                "Training needs tensorboard: run `pip install '.[train]'` in the checkout."
            ) from None
        self._folder, self._items = folder, items
        # Made at the first step, so that what a killed run noted after its last checkpoint is hidden.
        self._make: Callable[[int], Any] = lambda step: SummaryWriter(str(folder), purge_step=step)
        self._writer: Any = None

    def __enter__(self) -> Samples:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Notes figures of a step."""
        self._writer = self._writer or self._make(step)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def show(self, step: int, generator: nn.Module) -> None:
        """Fuses the pairs, whole: draws a row for each (visible, infrared, fused), and notes their mean quality.

        Raises:
            RigError: The picture cannot be written.
        """
        device = next(generator.parameters()).device
        rows, scores = [], FusionScores(quality)
        for item in self._items:
            visible = luma(item.visible)
            with torch.no_grad():
                fused = _levels(generator.eval()(_tensor(item.infrared, device), _tensor(visible, device)))
            scores.update(fused, visible, item.infrared, item.seen)
            rows.append(np.hstack([_tile(each) for each in (visible, item.infrared, fused)]))
        width = max(row.shape[1] for row in rows)
        grid = np.vstack([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows])
        self.scalars(step, {f"validation/{name}": mean.value for name, mean in scores.compute().items()})
        self._writer.add_image("visible, infrared, fused", grid[None], step)
        replace_bytes(self._folder / "samples" / f"{step:06d}.png", cv2.imencode(".png", grid)[1].tobytes())


def _tensor(image: Array, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(image))[None, None].to(device).float().div(255)


def _levels(fused: Tensor) -> Array:
    image: Array = fused[0, 0].clamp(0, 1).mul(255).round().byte().cpu().numpy()
    return image


def _tile(image: Array) -> Array:
    factor = TILE / max(image.shape)
    size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
