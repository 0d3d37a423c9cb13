"""Arguments of the `compare-inputs` command, and its progress."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands.progress import Bar, in_steps
from tardal_ros.errors import RigError

if TYPE_CHECKING:
    from tardal_ros.training.detector_trainer import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--config", type=Path, default=Path("config/train/comparison.yaml"), help="YAML file (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/comparison"), help="folder (default: %(default)s)")
    parser.add_argument("--real", type=Path, help="labelled data set to judge on as well, in folds")
    parser.add_argument(
        "--real-list", type=Path, metavar="FILE", help="its pictures to take, or its scenes, see config/splits"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")


def run(arguments: argparse.Namespace) -> int:
    """Trains and scores a detector for each row; goes on where an earlier run of the same command was interrupted.

    Raises:
        RigError: The configuration, a data set, a fuser or the folder cannot be used, or training fails.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.training.comparison import compare
    from tardal_ros.training.comparison_config import load_comparison

    if arguments.real_list is not None and arguments.real is None:
        raise RigError("--real-list is about the pairs of --real: give that as well.")
    comparison = load_comparison(arguments.config)
    with Console() as console:
        files = compare(
            comparison, arguments.out, arguments.real, arguments.workers, console, real_list=arguments.real_list
        )
    sys.stdout.writelines(f"{path}\n" for path in files)
    return 0


class Console:
    """Tells on the terminal where the work is, with a bar for each part of it."""

    def __init__(self) -> None:
        self._bar = Bar()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def counter(self, what: str) -> Bar:
        """See `Watch`."""
        return self._next(what)

    def training(self, what: str) -> Callable[[Progress], None]:
        """See `Watch`."""
        return in_steps(self._next(f"{what}, training", "step"))

    def _next(self, what: str, unit: str = "it") -> Bar:
        self._bar.close()
        self._bar = Bar(what, unit)
        return self._bar
