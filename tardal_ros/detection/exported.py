"""Detection models that ultralytics exported to ONNX, run by onnxruntime: neither ultralytics nor torch is needed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection.yolo import Network, check_task, class_names
from tardal_ros.errors import MissingDependencyError, RigError

_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def load_exported(path: Path, device: str = "auto") -> Network:
    """Loads an exported model.

    Args:
        path: The `.onnx` file, with the metadata that ultralytics writes.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        RigError: The file is broken, was not exported by ultralytics, or is no detection model for images of three
            or four channels.
        MissingDependencyError: onnxruntime is not installed.
    """
    session = _open(path, device)
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    check_task(metadata.get("task", "unknown"), path)
    channels, height, width = _check_input(session, path)
    fixed = isinstance(height, int) and isinstance(width, int)
    feed, dtype = session.get_inputs()[0].name, _TYPES[session.get_inputs()[0].type]
    first = session.get_outputs()[0].name

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run([first], {feed: batch.astype(dtype, copy=False)})[0], np.float32)

    try:
        return Network(
            path=path,
            run=run,
            names=class_names(ast.literal_eval(metadata["names"]), path),
            stride=int(metadata["stride"]),
            size=(height, width) if fixed else _pair(ast.literal_eval(metadata["imgsz"])),
            fixed=fixed,
            device=_device(session),
            channels=channels if isinstance(channels, int) else int(metadata.get("channels", 3)),
        )
    except (KeyError, ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise RigError(
            f"The detector {path} lacks the metadata names, stride and imgsz; export it with ultralytics."
        ) from None


def _open(path: Path, device: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependencyError(
            f"The detector {path} needs onnxruntime, which is missing: run `pip install '.[detect]'` in the checkout."
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, once
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no base class
        reason = " ".join(str(error).split())
        raise RigError(f"The detector {path} is no ONNX model that onnxruntime can load: {reason}") from None


def _providers(device: str, available: list[str]) -> list[Any]:
    """Where onnxruntime may run a model, the best first."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    kind, _, index = device.partition(":")
    if device == "cpu" or (device == "auto" and cuda not in available):
        return [cpu]
    if device != "auto" and (kind != "cuda" or not (index or "0").isdigit()):
        raise RigError(f"The device {device!r} is not known; give auto, cpu, cuda or cuda:N.")
    if cuda not in available:
        raise RigError(f"The device {device!r} needs onnxruntime with CUDA: install onnxruntime-gpu, or give `cpu`.")
    return [(cuda, {"device_id": int(index or 0)}), cpu]


def _device(session: Any) -> str:
    """Where a session runs, which is the CPU if CUDA was asked for and would not start."""
    cuda = session.get_provider_options().get("CUDAExecutionProvider")
    return "cpu" if cuda is None else f"cuda:{cuda.get('device_id', 0)}"


def _check_input(session: Any, path: Path) -> tuple[Any, Any, Any]:
    """Refuses models that do not take one image, and returns channels, height and width (names where they are free)."""
    image = session.get_inputs()[0]
    shape = image.shape if len(image.shape) == 4 else [0] * 4
    batch, channels, height, width = shape
    one_image = (isinstance(batch, str) or batch == 1) and (isinstance(channels, str) or channels in (3, 4))
    if not one_image or image.type not in _TYPES or len(session.get_inputs()) > 1:
        raise RigError(
            f"The detector {path} takes {image.type} of shape {image.shape}, not one image (1, 3, H, W), or "
            "(1, 4, H, W) with infrared: export it with batch=1 from a model with three or four channels."
        )
    return channels, height, width


def _pair(size: Any) -> tuple[int, int]:
    height, width = size
    return int(height), int(width)
