"""Arguments of the `train-detector` command."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tardal_ros.commands.progress import Bar, in_steps

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
    with Bar("rendered", "scene") as bar:
        data = make_dataset(config, arguments.data, arguments.workers, bar)
    if arguments.data_only:
        return 0
    from tardal_ros.training.detector_trainer import train

    with Bar("training", "step") as bar:
        model = train(config, data, arguments.out, in_steps(bar))
    from tardal_ros.training.detector_release import release

    with Bar("tested", "pair") as bar:
        files = release(config, model, arguments.data, arguments.out, bar, arguments.real)
    sys.stdout.writelines(f"{path}\n" for path in files)
    return 0
