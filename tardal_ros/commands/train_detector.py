"""Arguments of the `train-detector` command, and its progress."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tardal_ros.training.detector_trainer import Progress

TEST_SCENES = Path("out/detector/data/test")
"""Where the rendered test scenes go, unless another folder is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--config", type=Path, default=Path("config/train/detector.yaml"), help="YAML file (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, default=TEST_SCENES.parent, help="folder of the rendered pictures")
    parser.add_argument("--out", type=Path, default=Path("out/detector"), help="folder of the run and of its result")
    parser.add_argument("--real", type=Path, help="folder of labelled real pairs to score on as well")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    parser.add_argument("--data-only", action="store_true", help="render the pictures, and stop")


def run(arguments: argparse.Namespace) -> int:
    """Renders, trains, scores and exports; goes on where an earlier run of the same command was interrupted.

    Raises:
        RigError: The configuration or a folder cannot be used, a library is missing, or training fails.
    """
    from tardal_ros.training.detector_config import load_config
    from tardal_ros.training.detector_data import make_dataset

    config = load_config(arguments.config)
    data = make_dataset(config, arguments.data, arguments.workers, Bar("rendered scenes"))
    if arguments.data_only:
        return 0
    from tardal_ros.training.detector_trainer import train

    model = train(config, data, arguments.out, Steps())
    from tardal_ros.training.detector_release import release

    bar = Bar("rendered test scenes")
    for path in release(config, model, arguments.data, arguments.out, bar, arguments.real):
        sys.stdout.write(f"{path}\n")
    return 0


class Bar:
    """Says how much is done and how long the rest will take."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Takes note of how much is done."""
        now = time.monotonic()
        begun, before = self._first = self._first or (now, done)
        left = (now - begun) / (done - before) * (total - done) if done > before else 0.0
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{self._what}: {done}/{total}, {left / 60.0:.0f} min left   {end}")
        sys.stderr.flush()


class Steps:
    """Says how the training goes."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def __call__(self, at: Progress) -> None:
        """Takes note of a step."""
        now, done = time.monotonic(), (at.epoch - 1) * at.steps + at.step
        begun, before = self._first = self._first or (now, done)
        left = (now - begun) / (done - before) * (at.epochs * at.steps - done) if done > before else 0.0
        losses = "  ".join(f"{name} {value:.3f}" for name, value in at.losses.items())
        scored = "" if at.map50 is None else f"  map50 {at.map50:.3f}"
        end = "\n" if at.step == at.steps else ""
        sys.stderr.write(f"\repoch {at.epoch}/{at.epochs} step {at.step}/{at.steps}  {losses}{scored}  ")
        sys.stderr.write(f"{left / 60.0:.0f} min left   {end}")
        sys.stderr.flush()
