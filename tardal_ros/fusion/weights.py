"""Weight files: writing and reading safetensors, and reading the layouts in which people have published TarDAL weights.

Pickles are read with `weights_only=True`, so that a file cannot run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tardal_ros.errors import MissingDependencyError, RigError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingDependencyError("Networks need torch: run `pip install '.[train]'` in the checkout.") from error

# Where a published checkpoint may keep the generator: v1, v0, and DGFusion's container.
CONTAINERS = ("fuse", "g", "params_ema", "params")
PREFIX = "module."
FLAG = "use_eval"


@dataclass(frozen=True)
class Checkpoint:
    """A network's weights.

    Attributes:
        state: Tensors by state-dict key, on the CPU.
        use_eval: Whether batch norm runs on its running statistics; None where the file does not say.
    """

    state: Mapping[str, Tensor]
    use_eval: bool | None


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Reads a weights file.

    Args:
        path: `.safetensors`, or a torch file (`.pth`, `.pt`, `.ckpt`): a bare state dict, or a dict that holds one
            under `fuse`, `g`, `params_ema` or `params`; names may start with `module.`. A flag `use_eval` beside the
            tensors (in the metadata of a safetensors file, `true` or `false`) is read, too.

    Raises:
        RigError: The file is missing, damaged, holds anything but tensors, or holds numbers that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise RigError(f"Weights file {path} does not exist: give the path of a .safetensors, .pth or .pt file.")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for name in CONTAINERS:
        if isinstance(content.get(name), Mapping):
            content = dict(content[name])
            break
    flag = content.pop(FLAG, None)
    state = {str(name).removeprefix(PREFIX): value for name, value in content.items()}
    _check_tensors(path, state)
    return Checkpoint(state, None if flag is None else bool(flag))


def safetensors_bytes(state: Mapping[str, Tensor], told: Mapping[str, str]) -> bytes:
    """A state dict as the content of a safetensors file.

    Args:
        state: Tensors by state-dict key, on any device.
        told: The file's metadata.

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    try:
        from safetensors.torch import save
    except ImportError:
        raise MissingDependencyError(
            "Writing weights needs safetensors: run `pip install '.[train]'` in the checkout."
        ) from None
    return bytes(save({name: tensor.cpu().contiguous() for name, tensor in state.items()}, dict(told)))


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingDependencyError(
            "Weights need safetensors: run `pip install '.[train]'` in the checkout."
        ) from error
    try:
        with safe_open(path, framework="pt") as file:
            content: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
            flag = (file.metadata() or {}).get(FLAG)
    except (SafetensorError, OSError, ValueError) as error:
        raise RigError(f"Weights file {path} is not a whole safetensors file ({_line(error)}): get it again.") from None
    return content if flag is None else {**content, FLAG: flag.lower() == "true"}


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise whatever their zip and pickle layers do
        raise RigError(
            f"Weights file {path} cannot be read: it is damaged, or holds more than tensors and could run code "
            f"({_line(error)}). Get it again, or convert it to safetensors where you trust it."
        ) from None
    if not isinstance(content, Mapping):
        raise RigError(f"Weights file {path} holds a {type(content).__name__}, not a state dict: give another file.")
    return dict(content)


def _check_tensors(path: Path, state: Mapping[str, Any]) -> None:
    if not state:
        raise RigError(f"Weights file {path} holds no weights: give another file.")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise RigError(f"Weights file {path} is no state dict: {name!r} is a {type(value).__name__}, not a tensor.")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise RigError(f"Weights file {path} holds numbers that are not finite in {name!r}: train or get it again.")


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120] if text else type(error).__name__
