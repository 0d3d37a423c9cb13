"""Writes requirements/lock-3.X.txt from requirements/*.in, one per Python minor; needs uv, and pip.

For maintainers only: run it after changing an .in file, look at the difference, run the tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14")

# What only the CUDA build of torch needs. torch asks for it itself, pinned, so a CPU build is not made to bring it.
CUDA = re.compile(r"(nvidia-(?!ml-py)|cuda-|triton)")

# What torch 2.13 downloads for x86-64: the CPU build, and the one on the default index with the CUDA that it brings.
CPU_TORCH_MB = 190
CUDA_TORCH_MB = 2610

HEADER = """\
# Python {minor}: every version that `make setup` installs. Made by tools/lock.py from the .in files beside it;
# every one of them has a file for manylinux_2_28 x86-64. Downloads about {cpu} MB with a CPU build of torch,
# about {cuda} MB with the one on the default index, which brings CUDA.
"""


def resolve(minor: str) -> list[str]:
    """Returns `name==version` of everything needed, as uv resolves it."""
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"]
    target = ["--python-version", minor, "--python-platform", "x86_64-manylinux_2_28"]
    inputs = [str(REQUIREMENTS / name) for name in ("python.in", "ros.in")]
    return subprocess.run([*command, *target, *inputs], check=True, capture_output=True, text=True).stdout.split()


def weigh(minor: str, pins: list[str]) -> float:
    """Returns the MB that pip downloads for these versions, which shows too that each has a file for this Python."""
    names = ["manylinux1", "manylinux2010", "manylinux2014", *(f"manylinux_2_{glibc}" for glibc in range(5, 29))]
    platforms = [word for name in names for word in ("--platform", f"{name}_x86_64")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--prefer-binary", "--dest", folder]
        subprocess.run([*command, "--python-version", minor, *platforms, *pins], check=True)
        return sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6


def main() -> None:
    """Locks every minor."""
    for minor in MINORS:
        resolved = resolve(minor)
        pins = [pin for pin in resolved if not CUDA.match(pin)]
        others = weigh(minor, [pin for pin in pins if not pin.startswith("torch==")])
        cpu, cuda = (round(others + torch, -1) for torch in (CPU_TORCH_MB, CUDA_TORCH_MB))
        header = HEADER.format(minor=minor, cpu=f"{cpu:.0f}", cuda=f"{cuda:.0f}")
        (REQUIREMENTS / f"lock-{minor}.txt").write_text(header + "\n".join(pins) + "\n")
        sys.stdout.write(f"{minor}: {len(pins)} packages, {len(resolved) - len(pins)} left to torch\n")


if __name__ == "__main__":
    main()
