"""Where networks run, and the memory that there is."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from tardal_ros.errors import RigError

_MEMINFO = Path("/proc/meminfo")
_AVAILABLE = "MemAvailable:"
# Of torch itself, and of the libraries that it calls.
_PHRASES = ("out of memory", "can't allocate memory", "not enough memory", "memory allocation", "alloc_failed")


def find_device(name: str) -> torch.device:
    """Turns a device's name into a device.

    Raises:
        RigError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise RigError(f"There is no device '{name}': use auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise RigError(f"There is no device '{name}': use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RigError(f"Device '{name}' is not there, torch sees {torch.cuda.device_count()} GPUs: use cpu or auto.")
    return device


def free_bytes(device: torch.device) -> int:
    """What may still be allocated on a device: on a GPU with what torch keeps for itself, on the CPU without swap."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(_AVAILABLE))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch failed for want of memory; on the CPU it has no class of error for that, only words."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    words = str(error).lower()
    return any(phrase in words for phrase in _PHRASES)
