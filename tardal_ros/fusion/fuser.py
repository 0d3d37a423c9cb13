"""Fusers by name: what every method shares around the fusing of two lumas."""

from __future__ import annotations

import threading
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.fusion.classical import (
    AverageMethod,
    GuidedFilterMethod,
    InfraredMethod,
    LaplacianMethod,
    LatentLowRankMethod,
    MaximumMethod,
    SaliencyLeastSquaresMethod,
    VisibleMethod,
)
from tardal_ros.fusion.colour import luma, with_luma
from tardal_ros.fusion.feather import Feather
from tardal_ros.fusion.shipped import shipped_weights
from tardal_ros.fusion.upsampling import guided_upsample, shrink
from tardal_ros.registration.agc import Agc, to_grey8
from tardal_ros.types import Array

Image = NDArray[np.uint8]


class Method(Protocol):
    """The fusing itself."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda` or `cuda:N`."""

    @property
    def live_scale(self) -> float:
        """Fraction of a camera's resolution at which it keeps up with the camera, in (0, 1]."""

    def fuse_luma(self, visible: Image, infrared: Image) -> Image:
        """Fuses two (H, W) uint8 images of one size into one."""


class Fuser:
    """Fuses visible and infrared images: luma by the method, chroma of the visible image.

    Where infrared does not see, the result is the visible image, feathered into the fused one over a few pixels.
    Several threads may use it at once.

    Args:
        method: What fuses two lumas.
        scale: Fraction of the resolution at which it does; the full-size images guide the way back up. 0 for the
            method's own `live_scale`.

    Attributes:
        method: The same; another may take over while another thread fuses, from the next pair on.

    Raises:
        RigError: The scale is not in [0, 1].
    """

    def __init__(self, method: Method, scale: float = 1.0) -> None:
        self.method = method
        self.scale = scale
        self._agc = Agc()
        self._agc_lock = threading.Lock()
        self._feather = Feather(None)

    @property
    def device(self) -> str:
        """Where the method runs: `cpu`, `cuda` or `cuda:N`."""
        return self.method.device

    @property
    def scale(self) -> float:
        """Fraction of the resolution fused at, 0 for the method's own; may be set while another thread fuses."""
        return self._scale

    @scale.setter
    def scale(self, value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
            raise RigError(f"The scale {value} of a fuser must be 0 to 1; 0 is the fuser's own.")
        self._scale = float(value)

    def fuse(self, visible: Array, infrared: Array, mask: Array | None = None) -> Image:
        """Fuses one registered pair.

        Args:
            visible: (H, W, 3) BGR or (H, W) grey, uint8.
            infrared: (H, W) uint8, or uint16 counts, which an AGC with a memory makes grey first.
            mask: (H, W) uint8, non-zero where infrared really sees; everywhere if None.

        Returns:
            (H, W, 3) BGR or (H, W) grey, like the visible image.

        Raises:
            RigError: The images are empty, of different sizes, or of a type that cannot be fused.
        """
        _check(visible, infrared, mask)
        old = luma(visible)
        feather = self._feather_of(mask)
        # Infrared's border must not be fused as an edge, nor what lies beyond it count for the gain control.
        grey = self._grey(feather.extend(infrared))
        new = feather.blend(old, self._fuse_scaled(old, grey))
        return with_luma(visible, old, new)

    def reset(self) -> None:
        """Forgets the pairs so far."""
        with self._agc_lock:
            self._agc.reset()

    def _grey(self, infrared: Array) -> Image:
        if infrared.dtype == np.uint8:
            return infrared
        with self._agc_lock:
            tone = self._agc.update(infrared)
        return to_grey8(infrared, tone)

    def _feather_of(self, mask: Array | None) -> Feather:
        feather = self._feather
        if not feather.is_of(mask):
            self._feather = feather = Feather(mask)
        return feather

    def _fuse_scaled(self, visible: Image, infrared: Image) -> Image:
        method = self.method  # another may take over meanwhile
        scale = self.scale or method.live_scale
        if scale == 1.0:
            return method.fuse_luma(visible, infrared)
        small = shrink(visible, scale), shrink(infrared, scale)
        return guided_upsample(method.fuse_luma(*small), small, (visible, infrared))


def _classical(name: str, method: Callable[[], Method]) -> Callable[[str | PathLike[str] | None, str], Method]:
    def make(weights: str | PathLike[str] | None, device: str) -> Method:
        if weights is not None:
            raise RigError(f"The fuser '{name}' takes no weights: leave {weights} out, or choose the fuser it is for.")
        return method()

    return make


def _tardal(weights: str | PathLike[str] | None, device: str) -> Method:
    if weights is not None and Path(weights).suffix == ".onnx":
        from tardal_ros.fusion.exported import ExportedMethod

        return ExportedMethod(weights, device)
    from tardal_ros.fusion.tardal import TardalMethod

    return TardalMethod(weights, device)


def _dgfusion(weights: str | PathLike[str] | None, device: str) -> Method:
    from tardal_ros.fusion.dgfusion import DgfusionMethod

    return DgfusionMethod(weights, device)


FUSERS: dict[str, Callable[[str | PathLike[str] | None, str], Method]] = {
    "visible": _classical("visible", VisibleMethod),
    "infrared": _classical("infrared", InfraredMethod),
    "average": _classical("average", AverageMethod),
    "max": _classical("max", MaximumMethod),
    "laplacian": _classical("laplacian", LaplacianMethod),
    "gff": _classical("gff", GuidedFilterMethod),
    "wls": _classical("wls", SaliencyLeastSquaresMethod),
    "latlrr": _classical("latlrr", LatentLowRankMethod),
    "tardal": _tardal,
    "dgfusion": _dgfusion,
}


def create_fuser(name: str, weights: str | PathLike[str] | None = None, device: str = "auto", **options: Any) -> Fuser:
    """Makes a fuser.

    Args:
        name: One of `FUSERS`; `visible` and `infrared` are the images as they are, to compare with.
        weights: Weights file of a network, those that ship for it if None; an exported one (`.onnx`) runs on the CPU
            without torch.
        device: Where a network runs: `auto`, `cpu`, `cuda` or `cuda:N`.
        options: `scale`, see `Fuser`.

    Raises:
        RigError: There is no such fuser or option, or its weights or device cannot be used.
        MissingDependencyError: A library that the fuser needs is not installed.
    """
    if name not in FUSERS:
        raise RigError(f"There is no fuser '{name}': choose one of {', '.join(FUSERS)}.")
    if unknown := sorted(set(options) - {"scale"}):
        raise RigError(f"A fuser has no option '{unknown[0]}': the only one is 'scale'.")
    return Fuser(FUSERS[name](weights or shipped_weights(name, device), device), **options)


def _check(visible: Array, infrared: Array, mask: Array | None) -> None:
    for name, image in {"visible image": visible, "infrared image": infrared, "mask": mask}.items():
        if not isinstance(image, np.ndarray) and (image is not None or name != "mask"):
            raise RigError(f"The {name} must be an array, not a {type(image).__name__}.")
    if visible.dtype != np.uint8 or not (visible.ndim == 2 or (visible.ndim == 3 and visible.shape[2] == 3)):
        raise RigError(f"The visible image must be 8-bit grey or BGR, not {visible.dtype} of shape {visible.shape}.")
    if infrared.dtype not in (np.uint8, np.uint16) or infrared.ndim != 2:
        raise RigError(f"The infrared image must be 8 or 16-bit grey, not {infrared.dtype} of shape {infrared.shape}.")
    if not visible.size:
        raise RigError(f"The visible image of shape {visible.shape} is empty.")
    if infrared.shape != visible.shape[:2]:
        raise RigError(f"Infrared {infrared.shape} and visible {visible.shape[:2]} differ in size: register them.")
    if mask is not None and (mask.dtype != np.uint8 or mask.shape != infrared.shape):
        raise RigError(f"The mask must be uint8 of shape {infrared.shape}, not {mask.dtype} of shape {mask.shape}.")
