"""Arguments of the `train` command, and its progress."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tardal_ros.training.trainer import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see config/train")
    parser.add_argument("--out", type=Path, help="folder of the run and of its weights (default: out/NAME of the YAML)")
    parser.add_argument(
        "--dry-run", action="store_true", help="check the configuration and all data, take one step, write nothing"
    )
    parser.add_argument("--accelerator", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--devices", default="1", help="how many, or `auto` for all (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1, help="how many machines (default: %(default)s)")
    parser.add_argument("--strategy", default="auto", help="of Lightning Fabric, such as ddp (default: %(default)s)")
    parser.add_argument("--precision", default="32-true", help="32-true or bf16-mixed (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Trains, and writes the weights with their model card; goes on where an earlier run was interrupted.

    Raises:
        RigError: The configuration, the data, the weights, the folder or the devices cannot be used.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.training.config import load_config
    from tardal_ros.training.session import Session, launch

    config = load_config(arguments.config)
    folder = arguments.out or Path("out") / arguments.config.stem
    fabric = launch(arguments.accelerator, arguments.devices, arguments.nodes, arguments.strategy, arguments.precision)
    if arguments.dry_run:
        with tempfile.TemporaryDirectory(prefix="tardal_ros-") as passing:
            told = Session(config, fabric, Path(passing)).try_out()
        sys.stdout.write(f"{told}\n" if fabric.is_global_zero else "")
        return 0
    session = Session(config, fabric, folder)
    with Bar(config.steps, fabric.is_global_zero) as bar:
        files = session.run(bar)
    sys.stdout.writelines(f"{path}\n" for path in files)
    return 0


class Bar:
    """A bar with the newest losses and the time that is left; in a file, a line of it now and then."""

    def __init__(self, steps: int, shown: bool) -> None:
        self._steps, self._shown = steps, shown
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, progress: Progress) -> None:
        """Takes note of a step; where the first one is not number 1, the run goes on from there."""
        if self._bar is None:
            self._bar = self._begin(progress.step - 1)
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in progress.losses.items()}, refresh=False)
        self._bar.update()

    def _begin(self, done: int) -> Any:
        from tqdm import tqdm

        often = 0.1 if sys.stderr.isatty() else 30.0
        return tqdm(
            initial=done,
            total=self._steps,
            unit="step",
            dynamic_ncols=True,
            mininterval=often,
            disable=not self._shown,
        )
