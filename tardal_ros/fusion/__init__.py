"""Fusing a visible and an infrared image into one. Torch is imported only where a network is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

from tardal_ros.fusion.fuser import FUSERS, Fuser, create_fuser

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FUSERS", "Fuser", "create_fuser", "load_state_dict"]


def load_state_dict(path: str | PathLike[str]) -> Mapping[str, Tensor]:
    """Reads a network's weights from a file; see `tardal_ros.fusion.weights.read_checkpoint`.

    Returns:
        The tensors by their state-dict keys, on the CPU.

    Raises:
        RigError: The file is missing, damaged, or not a weights file.
        MissingDependencyError: torch is not installed.
    """
    from tardal_ros.fusion.weights import read_checkpoint

    return read_checkpoint(path).state
