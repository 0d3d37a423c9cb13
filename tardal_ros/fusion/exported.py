"""TarDAL's generator as an ONNX file, run by onnxruntime on the CPU: faster there than torch, and without it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import MissingDependencyError, RigError

INPUTS = ("infrared", "visible")
OUTPUT = "fused"
_TRIAL = (7, 9)


class ExportedMethod:
    """Runs an exported generator on 8-bit lumas.

    Args:
        weights: `.onnx` file as `tardal_ros.fusion.export` makes it: `infrared` and `visible` in [0, 1] to `fused`, all
            float32 (1, 1, H, W) with free H and W.
        device: `auto` or `cpu`.

    Raises:
        RigError: The file cannot be used, or the device is not the CPU.
        MissingDependencyError: onnxruntime is not installed.
    """

    device = "cpu"
    live_scale = 0.15

    def __init__(self, weights: str | PathLike[str], device: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise RigError(f"Device '{device}' does not run {weights}: give a .safetensors file for it, or use cpu.")
        self._session = _open(Path(weights))
        _check(self._session, Path(weights))

    def fuse_luma(self, visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuses two (H, W) uint8 images into one."""
        fused = _run(self._session, _batch(infrared), _batch(visible))[0, 0]
        image: NDArray[np.uint8] = np.rint(np.clip(fused, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)
        return image


def _open(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingDependencyError(
            f"Weights file {path} needs onnxruntime: run `pip install '.[detect]'` in the checkout."
        ) from None
    if not path.is_file():
        raise RigError(f"Weights file {path} does not exist: give the path of an .onnx or .safetensors file.")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, once
    # Between two pairs its threads sleep: the other stages need the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        reason = " ".join(str(error).split())[:200]
        raise RigError(f"Weights file {path} is no ONNX model that onnxruntime can load: {reason}") from None


def _check(session: Any, path: Path) -> None:
    """Refuses models of other inputs and outputs than the generator's, and those that do not run."""
    inputs, outputs = ({each.name: each for each in found} for found in (session.get_inputs(), session.get_outputs()))
    if set(inputs) != set(INPUTS) or set(outputs) != {OUTPUT}:
        raise RigError(
            f"Weights file {path} is not for TarDAL's generator: it makes {', '.join(outputs)} of {', '.join(inputs)}, "
            f"not {OUTPUT} of {' and '.join(INPUTS)}."
        )
    for each in (*inputs.values(), *outputs.values()):
        if each.type != "tensor(float)" or len(each.shape) != 4:
            raise RigError(
                f"Weights file {path} is not for TarDAL's generator: {each.name!r} is {each.type} of shape {each.shape}"
                " instead of tensor(float) of shape (1, 1, H, W)."
            )
        if any(isinstance(size, int) for size in each.shape[2:]):
            raise RigError(f"Weights file {path} takes one size of image only: export it with free height and width.")
    trial = np.zeros((1, 1, *_TRIAL), np.float32)
    try:
        fused = _run(session, trial, trial)
    except Exception as error:  # onnxruntime's errors share no base class
        reason = " ".join(str(error).split())[:200]
        raise RigError(f"Weights file {path} does not run on one pair of images: {reason}") from None
    if fused.shape != trial.shape or not np.isfinite(fused).all():
        raise RigError(f"Weights file {path} makes no image of the size of the two it gets: get it again.")


def _run(session: Any, infrared: NDArray[np.float32], visible: NDArray[np.float32]) -> NDArray[np.float32]:
    fused: NDArray[np.float32] = session.run([OUTPUT], {"infrared": infrared, "visible": visible})[0]
    return fused


def _batch(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    batch: NDArray[np.float32] = np.divide(image, np.float32(255.0), dtype=np.float32)[None, None]
    return batch
