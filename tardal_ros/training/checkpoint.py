"""What a training leaves behind while it runs, so that it can go on from there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors and numbers; what was there before stays until the new file is whole.

    Raises:
        RigError: The file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    replace_bytes(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any] | None:
    """Reads a checkpoint; None if there is none yet. Nothing in it is run.

    Raises:
        RigError: It is damaged.
    """
    if not path.exists():
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch's readers raise whatever their zip and pickle layers do, and give bad advice
        kind = type(error).__name__
        raise RigError(f"Checkpoint {path} cannot be read ({kind}): remove it to begin anew.") from None


def restore(module: Any, state: dict[str, Any], what: str, path: Path) -> None:
    """Loads the state of one part.

    Raises:
        RigError: The state is of a part that is built otherwise.
    """
    try:
        module.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError) as error:
        told = " ".join(str(error).split())[:200]
        raise RigError(
            f"The {what} in {path} is of another architecture ({told}): remove the file to begin anew, or"
            " choose another folder."
        ) from None
