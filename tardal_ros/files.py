"""Finding files, reading configurations, telling files apart, and writing so that a reader never sees half a file."""

from __future__ import annotations

import hashlib
import os
import sys
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


def sha256_of(path: Path) -> str:
    """The sha256 of a file.

    Raises:
        RigError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RigError(f"{path} cannot be read ({error.strerror}): check the path.") from None


def find_shared(inner: str) -> Path | None:
    """Finds a file that ships with the package: in the checkout, or where pip or colcon installed it.

    Args:
        inner: Its path there, such as `weights/detector.onnx`.

    Returns:
        None where it is not installed.
    """
    prefixes = [sys.prefix, *filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))]
    shares = [Path(__file__).resolve().parents[1], *(Path(prefix, "share", "tardal_ros") for prefix in prefixes)]
    return next((share / inner for share in shares if (share / inner).is_file()), None)
