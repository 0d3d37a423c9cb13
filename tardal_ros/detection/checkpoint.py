"""Ultralytics checkpoints (`.pt`), run by torch. Loading one runs the code in its pickle: see `trust`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection.offline import contained
from tardal_ros.detection.yolo import Network, check_task, class_names
from tardal_ros.errors import RigError


def load_checkpoint(path: Path, data: bytes, device: str = "auto") -> Network:
    """Loads a trusted checkpoint.

    Args:
        path: Where it came from.
        data: What is in it, as it was checked.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        RigError: The checkpoint is broken or no detection model, or the device is not there.
        MissingDependencyError: torch or ultralytics is not installed.
    """
    with contained():
        import torch
        from ultralytics.nn.autobackend import AutoBackend

    place = _device(device)
    with tempfile.TemporaryDirectory(prefix="tardal_ros-") as folder:
        copy = Path(folder, "weights.pt")  # ultralytics reads files only
        copy.write_bytes(data)
        try:
            backend = AutoBackend(str(copy), device=place, fp16=False, fuse=True, verbose=False)
        except Exception as error:  # a pickle may raise anything
            raise RigError(
                f"The weights {path} are no ultralytics checkpoint that can be loaded: get them again, or "
                "update ultralytics if they are newer than it."
            ) from error
    model: Any = backend.model
    check_task(getattr(model, "task", "unknown"), path)
    backend.eval()

    # AutoBackend.warmup and YOLO.predict import torchvision, which we do not need.
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            output = backend(torch.from_numpy(batch).to(place))
        first = output[0] if isinstance(output, (list, tuple)) else output
        return np.asarray(first.float().cpu().numpy(), np.float32)

    longest = int(np.max(model.args.get("imgsz", 640)))
    return Network(
        path=path,
        run=run,
        names=class_names(backend.names, path),
        stride=int(backend.stride),
        size=(longest, longest),
        fixed=False,
        device=str(place),
        channels=int(next(model.parameters()).shape[1]),  # of the first convolution
    )


def _device(name: str) -> Any:
    """The torch device of this name, once it is known to work."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise RigError(f"The device {name!r} cannot be used ({reason}); give auto, cpu, cuda or cuda:N.") from None
