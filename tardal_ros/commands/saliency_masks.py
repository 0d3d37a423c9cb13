"""Arguments of the `saliency_masks` command, and its progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tardal_ros.commands.progress import Bar, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("visible", type=Path, metavar="VISIBLE", help="folder of visible pictures")
    parser.add_argument(
        "infrared", type=Path, metavar="INFRARED", help="folder of infrared pictures of the same names, on their pixels"
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="folder of the masks; those newer than both pictures are kept"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes the mask of each pair of two folders.

    Raises:
        RigError: The folders cannot be used, or a mask cannot be written.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.datasets.saliency_folder import write_masks

    with Bar("masks", "pair") as bar:
        outcome = write_masks(arguments.visible, arguments.infrared, arguments.out, bar)
    tell(outcome.problems)
    kept = f", {outcome.kept} kept as they are newer than their pictures" if outcome.kept else ""
    sys.stdout.write(f"{outcome.written} written{kept}: {arguments.out}\n")
    return 0
