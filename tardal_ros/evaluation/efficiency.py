"""What a fuser costs: parameters, operations, time and memory, all of them measured on this machine."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import create_fuser

SIZES = ((640, 480), (640, 512), (1024, 768))
"""Widths and heights at which fusers are compared."""

RUNS = 3
"""Timed runs, whose median counts."""


@dataclass
class _Count:
    """What a network did in one run.

    Attributes:
        parameters: Of the layers that took part.
        macs: Multiplications with addition, in convolutions and matrix products; None without a network.
    """

    parameters: int = 0
    macs: int | None = None


def efficiency(
    fuser: str, weights: str | PathLike[str] | None = None, sizes: Sequence[tuple[int, int]] = SIZES, runs: int = RUNS
) -> dict[str, Any]:
    """Measures a fuser on pairs of a colour and a grey image.

    Each size has a process of its own, as what a process once needed hides what it needs later.

    Args:
        fuser: Its name.
        weights: The weights file of a network.
        sizes: Widths and heights.
        runs: Timed runs after the first one, which is not timed.

    Returns:
        `parameters` of the network as it runs, that is with batch norm folded (0 without one), `threads`, and for
        each of `sizes`, such as `640x480`: `gmacs` counted while it ran (None without a network), `ms`, the median,
        and `peak_mb`, by how much the memory of a process grew at most: libraries, weights and fusing (None where
        the system does not tell).

    Raises:
        RigError: The fuser cannot be used, or there is not enough memory for a size.
        MissingDependencyError: A library that it needs is not installed.
    """
    path = None if weights is None else fspath(weights)
    told: dict[str, Any] = {"parameters": 0, "threads": 0, "sizes": {}}
    for width, height in sizes:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            try:
                measured = fresh.submit(_measure, fuser, path, width, height, runs).result()
            except BrokenProcessPool:
                raise RigError(
                    f"The fuser '{fuser}' was killed at {width}x{height}: free some memory, or leave its cost out."
                ) from None
        told["parameters"], told["threads"] = measured.pop("parameters"), measured.pop("threads")
        told["sizes"][f"{width}x{height}"] = measured
    return told


def _measure(name: str, weights: str | None, width: int, height: int, runs: int) -> dict[str, Any]:
    """Measures one size in a process that has done nothing before."""
    rng = np.random.default_rng(0)
    visible, infrared = (rng.integers(0, 256, (height, width, *more), np.uint8) for more in ((3,), ()))
    before = _memory("VmRSS")
    fuser = create_fuser(name, weights)
    torch: Any = sys.modules.get("torch")  # there if the fuser needs it
    fuser.fuse(visible, infrared)
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        fuser.fuse(visible, infrared)
        times.append(time.perf_counter() - begun)
    peak = _memory("VmHWM")  # before counting, which takes memory too
    with _counted(torch) as count:
        if torch is not None:
            fuser.fuse(visible, infrared)
    return {
        "parameters": count.parameters,
        "threads": cv2.getNumThreads() if torch is None else torch.get_num_threads(),
        "gmacs": None if count.macs is None else round(count.macs / 1e9, 6),
        "ms": round(1e3 * float(np.median(times)), 3),
        "peak_mb": None if before is None or peak is None else round((peak - before) / 1024, 1),
    }


@contextlib.contextmanager
def _counted(torch: Any) -> Iterator[_Count]:
    """Counts what torch's layers do; the figures are there afterwards."""
    count = _Count()
    if torch is None:
        yield count
        return
    from torch.utils.flop_counter import FlopCounterMode

    sizes: dict[int, int] = {}

    def note(module: Any, _: object) -> None:
        sizes.update((id(each), each.numel()) for each in module.parameters(recurse=False))

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        with FlopCounterMode(display=False) as counter:
            yield count
    finally:
        hook.remove()
    count.parameters, count.macs = sum(sizes.values()), counter.get_total_flops() // 2


def _memory(key: str) -> int | None:
    """A line of what Linux tells of this process, in KiB."""
    try:
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), None)
