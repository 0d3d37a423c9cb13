"""Arguments of the `compare-inputs` command, and its progress."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tardal_ros.commands.train_detector import Bar, Steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--config", type=Path, default=Path("config/train/comparison.yaml"), help="YAML file (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/comparison"), help="folder (default: %(default)s)")
    parser.add_argument("--real", type=Path, help="labelled data set to judge on as well, in folds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")


def run(arguments: argparse.Namespace) -> int:
    """Trains and scores a detector for each row; goes on where an earlier run of the same command was interrupted.

    Raises:
        RigError: The configuration, a data set, a fuser or the folder cannot be used, or training fails.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.training.comparison import compare
    from tardal_ros.training.comparison_config import load_comparison

    comparison = load_comparison(arguments.config)
    for path in compare(comparison, arguments.out, arguments.real, arguments.workers, Console()):
        sys.stdout.write(f"{path}\n")
    return 0


class Console:
    """Tells on the terminal where the work is."""

    def counter(self, what: str) -> Bar:
        """See `Watch`."""
        return Bar(what)

    def training(self, what: str) -> Steps:
        """See `Watch`."""
        sys.stderr.write(f"{what}: training\n")
        return Steps()
