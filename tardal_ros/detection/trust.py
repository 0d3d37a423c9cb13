"""Which checkpoints may be loaded: a `.pt` file is a pickle, and a pickle can run any code."""

from __future__ import annotations

import hashlib
import re
from os import PathLike
from pathlib import Path

import yaml

from tardal_ros.errors import RigError

_NAME = "trusted_weights.yaml"


def read_trusted(path: Path, trusted: str | PathLike[str] | None = None) -> bytes:
    """Reads a file whose sha256 is in the list of trusted weights.

    The bytes returned are the bytes that were checked; the file may change afterwards.

    Args:
        path: The file.
        trusted: The list, a YAML file; None for the one the package ships.

    Raises:
        RigError: The file is not in the list, or the list is broken.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    listed = Path(trusted) if trusted is not None else shipped_list()
    if listed is None or digest not in trusted_digests(listed):
        raise RigError(
            f"The weights {path} can run code when they are loaded and are not trusted: if you know where they come "
            f"from, add their sha256 {digest} to {listed or _NAME} or set trust_weights to true."
        )
    return data


def trusted_digests(listed: Path) -> set[str]:
    """Reads the sha256 of each entry in a list of trusted weights.

    Raises:
        RigError: The file is missing, no YAML, or no list of entries with a sha256.
    """
    try:
        entries = yaml.safe_load(listed.read_text("utf-8")) or []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RigError(f"The list of trusted weights {listed} cannot be read: {' '.join(str(error).split())}") from None
    digests = [entry.get("sha256") if isinstance(entry, dict) else None for entry in _as_list(entries)]
    for number, digest in enumerate(digests, 1):
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-fA-F]{64}", digest):
            raise RigError(f"Entry {number} of {listed} has no sha256 of 64 hexadecimal digits in quotes; correct it.")
    return {str(digest).lower() for digest in digests}


def shipped_list() -> Path | None:
    """The package's own list: in the checkout, or in the share folder that it was installed with."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "config"
    shares = [parent / "share" / package.name / "config" for parent in package.parents]
    return next((folder / _NAME for folder in [checkout, *shares] if (folder / _NAME).is_file()), None)


def _as_list(entries: object) -> list[object]:
    return entries if isinstance(entries, list) else [entries]
