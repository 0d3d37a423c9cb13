"""Arguments of the `train` command."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands.progress import Bar
from tardal_ros.training.needs import check_installed

if TYPE_CHECKING:
    from tardal_ros.training.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see config/train")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the configuration: loss.adversarial=0.2"
    )
    parser.add_argument("--out", type=Path, help="folder of the run and of its weights (default: out/NAME of the YAML)")
    parser.add_argument(
        "--dry-run", action="store_true", help="check the configuration and all data, take one step, write nothing"
    )
    parser.add_argument("--accelerator", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--devices", default="1", help="how many, or `auto` for all (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1, help="how many machines (default: %(default)s)")
    parser.add_argument("--strategy", default="auto", help="of Lightning Fabric, such as ddp (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Trains, and writes the weights with their model card; goes on where an earlier run was interrupted.

    Raises:
        RigError: The configuration, the data, the weights, the folder or the devices cannot be used.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.training.config import load_config

    config = load_config(arguments.config, arguments.set)
    check_installed(config.mode)
    from tardal_ros.training.session import Session, launch

    folder = arguments.out or Path("out") / arguments.config.stem
    fabric = launch(arguments.accelerator, arguments.devices, arguments.nodes, arguments.strategy, config.precision)
    if arguments.dry_run:
        with tempfile.TemporaryDirectory(prefix="tardal_ros-") as passing:
            session = Session(config, fabric, Path(passing, "run"))
            _tell_skipped(session, fabric.is_global_zero)
            told = session.try_out()
        sys.stdout.write(f"{told}\n" if fabric.is_global_zero else "")
        return 0
    session = Session(config, fabric, folder)
    _tell_skipped(session, fabric.is_global_zero)
    with Bar(unit="step", shown=fabric.is_global_zero) as bar:
        files = session.run(lambda at: bar(at.step, config.steps, at.losses))
    sys.stdout.writelines(f"{path}\n" for path in files)
    return 0


def _tell_skipped(session: Session, first: bool) -> None:
    if first:
        sys.stderr.writelines(f"left out: {reason}\n" for reason in session.skipped)
