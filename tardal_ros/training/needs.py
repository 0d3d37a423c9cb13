"""What a training needs to be installed: told before it starts, where it would be missed only when that ends."""

from __future__ import annotations

from importlib.util import find_spec

from tardal_ros.errors import MissingDependencyError

_TRAIN = ("torch", "safetensors", "kornia", "lightning_fabric", "tensorboard", "tqdm")


def check_installed(mode: str) -> None:
    """Looks for the libraries of a training, and imports none.

    Args:
        mode: `dt`, `tt` or `ct`.

    Raises:
        MissingDependencyError: One is not installed.
    """
    extras = {"train": _TRAIN, "export": ("onnx",), **({} if mode == "dt" else {"detect": ("ultralytics",)})}
    missing = {name: extra for extra, names in extras.items() for name in names if find_spec(name) is None}
    if missing:
        raise MissingDependencyError(
            f"Training in mode {mode} needs {', '.join(missing)}: run"
            f" `pip install '.[{','.join(dict.fromkeys(missing.values()))}]'` in the checkout."
        )
