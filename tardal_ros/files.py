"""Reading configurations, and writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from tardal_ros.errors import RigError


def replace_bytes(path: Path, data: bytes) -> None:
    """Writes a file, and its folder where there is none; what was there before stays until the new one is whole.

    Raises:
        RigError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")  # several processes may write the same file
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise RigError(
            f"File {path} cannot be written ({error.strerror or error}): make room or choose another folder."
        ) from None


def replace_text(path: Path, text: str) -> None:
    """The same for text, in UTF-8."""
    replace_bytes(path, text.encode())


def read_yaml(path: Path) -> object:
    """Reads a YAML file; what it holds is for the caller to check.

    Raises:
        RigError: The file cannot be read.
    """
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RigError(f"The configuration {path} cannot be read: {' '.join(str(error).split())}") from None
