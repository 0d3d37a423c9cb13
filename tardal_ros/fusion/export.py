"""Exporting TarDAL's generator to ONNX, for `tardal_ros.fusion.exported`; needs torch and onnx."""

from __future__ import annotations

import io
import warnings
from os import PathLike

from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.fusion.exported import INPUTS, OUTPUT
from tardal_ros.fusion.tardal import load_generator

# After `weights`, which says what to do where it is missing.
import torch  # isort: skip

_OPSET = 17


def export_onnx(weights: str | PathLike[str]) -> bytes:
    """Exports a generator for any image size, batch norm folded into the convolutions.

    Args:
        weights: Weights file with running statistics.

    Returns:
        The content of an `.onnx` file.

    Raises:
        RigError: The weights cannot be used, or normalise each image by its own statistics.
        MissingDependencyError: torch or onnx is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingDependencyError("Exporting needs onnx: run `pip install '.[export]'` in the checkout.") from None
    generator = load_generator(weights)
    if any(isinstance(module, torch.nn.BatchNorm2d) for module in generator.modules()):
        raise RigError(f"Weights file {weights} normalises each image by its own statistics: run it by torch.")
    pair = (torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 16, 24))
    free = {name: {2: "height", 3: "width"} for name in (*INPUTS, OUTPUT)}
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's other exporter needs one more library
        torch.onnx.export(
            generator,
            pair,
            content,  # type: ignore[arg-type]  # a buffer will do
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes=free,
            opset_version=_OPSET,
            dynamo=False,
        )
    return content.getvalue()
