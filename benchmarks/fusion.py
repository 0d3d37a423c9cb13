"""What fusion costs: milliseconds of CPU by step, fuser, size and scale, and what a scale saves.

CPU time is summed over all threads, with OpenCV on one and networks on their default number; beside it, for networks,
the time that passes. A network's time does not depend on its weights: it runs on untrained ones, by torch and exported,
and is left out where what it needs is not installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.errors import MissingDependencyError
from tardal_ros.fusion import Fuser, create_fuser
from tardal_ros.fusion.classical import LaplacianMethod
from tardal_ros.fusion.colour import luma, with_luma
from tardal_ros.fusion.feather import Feather
from tardal_ros.fusion.upsampling import guided_upsample, shrink

SIZES = ((1024, 768), (1280, 720))
SCALES = (1.0, 0.5, 0.33, 0.25)


def rows(repeats: int = 20) -> list[dict[str, object]]:
    """Returns one row a measurement: `name`, `value` and `unit`."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return _steps(repeats) + _fusers(repeats)
    finally:
        cv2.setNumThreads(threads)


def _steps(repeats: int) -> list[dict[str, object]]:
    visible, infrared, mask = _pair(1024, 768)
    old = luma(visible)
    new = LaplacianMethod().fuse_luma(old, infrared)
    feather = Feather(mask)

    def use_feather() -> None:
        feather.is_of(mask)
        feather.extend(infrared)
        feather.blend(old, new)

    steps: dict[str, Callable[[], object]] = {
        "luma": lambda: luma(visible),
        "feather": use_feather,
        "recombine": lambda: with_luma(visible, old, new),
        "make the feather": lambda: Feather(mask),
    }
    for scale in SCALES[1:]:
        small = shrink(old, scale), shrink(infrared, scale)
        fused = LaplacianMethod().fuse_luma(*small)
        steps[f"down and up again, scale {scale}"] = lambda scale=scale, small=small, fused=fused: (
            shrink(old, scale),
            shrink(infrared, scale),
            guided_upsample(fused, small, (old, infrared)),
        )
    return [_row(f"{name}, 1024x768", _cpu_ms(step, repeats)) for name, step in steps.items()]


def _fusers(repeats: int) -> list[dict[str, object]]:
    result = []
    with tempfile.TemporaryDirectory() as folder:
        for title, name, weights in (("laplacian", "laplacian", None), *_networks(Path(folder))):
            for width, height in SIZES:
                images = _pair(width, height)
                whole = 0.0
                for scale in SCALES:
                    fuse = _call(create_fuser(name, weights, "cpu", scale=scale), *images)
                    start = time.perf_counter()
                    spent = _cpu_ms(fuse, 1 if weights else repeats, warm=weights is None)
                    passed = (time.perf_counter() - start) * 1e3
                    whole = whole or spent
                    row = f"{title}, {width}x{height}, scale {scale}"
                    result.append(_row(row, spent))
                    if weights:
                        result.append(_row(row, passed, "ms"))
                    if scale < 1.0:
                        result.append(_row(f"{row}, of scale 1.0", spent / whole, "ratio"))
    return result


def _call(fuser: Fuser, *images: np.ndarray) -> Callable[[], object]:
    return lambda: fuser.fuse(*images)


def _pair(width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured pair, of which infrared covers all but a strip."""
    random = np.random.default_rng(0)
    visible = cv2.GaussianBlur(random.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2)
    infrared = cv2.GaussianBlur(random.integers(0, 256, (height, width), np.uint8), (0, 0), 4)
    mask = np.full((height, width), 255, np.uint8)
    mask[:, : width // 8] = 0
    return visible, infrared, mask


def _networks(folder: Path) -> list[tuple[str, str, Path]]:
    """Untrained weights as far as there are libraries for them: title, fuser and file."""
    try:
        import torch

        from tardal_ros.fusion.export import export_onnx
        from tardal_ros.fusion.tardal import Generator
    except (ImportError, MissingDependencyError):
        return []
    torch.manual_seed(0)
    weights, exported = folder / "untrained.pth", folder / "untrained.onnx"
    torch.save({**Generator().state_dict(), "use_eval": True}, weights)
    found = [("tardal by torch", "tardal", weights)]
    try:
        exported.write_bytes(export_onnx(weights))
        create_fuser("tardal", exported)
    except MissingDependencyError:
        return found
    return [*found, ("tardal by onnxruntime", "tardal", exported)]


def _cpu_ms(step: Callable[[], object], repeats: int, *, warm: bool = True) -> float:
    if warm:
        step()
    start = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - start) / repeats * 1e3


def _row(name: str, value: float, unit: str = "ms CPU") -> dict[str, object]:
    return {"name": f"fusion: {name}", "value": round(value, 3), "unit": unit}


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<55} {row['value']:>9} {row['unit']}")
