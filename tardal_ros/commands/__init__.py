"""The table of commands: `ros2 run tardal_ros NAME`, or `python -m tardal_ros NAME` where there is no ROS.

A command's module has `add_arguments(parser)` and `run(arguments) -> int`; it is imported only when it is called.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from tardal_ros.errors import RigError

COMMANDS = {
    "demo": "Run the composed rig on a rendered sequence or on your files, and write a report.",
    "render": "Write a rendered scene as a dataset folder: pairs, labels, thermal targets and the exact truth.",
    "dataset_to_bag": "Write a data set, a rendered scene or two videos as the bag that a live rig would record.",
    "fuse": "Fuse two pictures, two folders of them or two videos, by any fuser.",
    "saliency_masks": "Write the masks that DGFusion learns by, where visible pictures stand out, for two folders.",
    "train": "Train a network that fuses, alone or with a detector, by a configuration; see config/train.",
    "train-detector": "Render training scenes, train a detector on them, and export it with its figures.",
    "compare-inputs": "Train detectors the same way on visible, infrared, stacked and fused images, and compare them.",
    "score-detector": "Measure a detector's mean average precision on rendered test scenes or labelled pairs.",
    "score-fusion": "Measure the quality of fused images over a folder of registered pairs.",
    "evaluate": "Run bags and data sets through the rig with any fusers, and write a report with all metrics.",
    "compare": "Say what differs between two evaluations, and what of it is noise.",
    "montage": "Put registered pairs and what fusers make of them side by side, to look at.",
}


INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command's name and its arguments; the process's own if None.

    Returns:
        The exit code: 0, 1 after a failure that is told in one sentence, or `INTERRUPTED`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="tardal_ros", description="Visible + infrared perception for ROS 2.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            _module(name).add_arguments(command)
    parsed = parser.parse_args(arguments)
    try:
        return int(_module(parsed.command).run(parsed))
    except RigError as error:
        sys.stderr.write(f"{parser.prog} {parsed.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{parser.prog} {parsed.command}: interrupted\n")
        return INTERRUPTED


def _module(command: str) -> Any:
    return importlib.import_module(f"{__name__}.{command.replace('-', '_')}")
