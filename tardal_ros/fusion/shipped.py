"""The weights that ship with the package, for those who name none."""

from __future__ import annotations

from pathlib import Path

from tardal_ros.files import find_shared

NETWORKS = {
    "tardal": ("tardal_ct.onnx", "tardal_ct.safetensors", "tardal_dt.safetensors"),
    "dgfusion": ("dgfusion.safetensors",),
}
"""The fusers that take weights, each with its files in the folder `weights`, the best first."""

_ON_THE_CPU = ("auto", "cpu")


def shipped_weights(fuser: str, device: str = "auto") -> Path | None:
    """The weights file that ships for a fuser.

    Args:
        fuser: Its name.
        device: Where it is to run; an exported file (`.onnx`) is only for the CPU.

    Returns:
        None where the fuser takes no weights, or where none are installed.
    """
    names = (name for name in NETWORKS.get(fuser, ()) if device in _ON_THE_CPU or not name.endswith(".onnx"))
    found = (find_shared(f"weights/{name}") for name in names)
    return next((path for path in found if path is not None), None)
