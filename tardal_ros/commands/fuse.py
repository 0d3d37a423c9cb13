"""Arguments of the `fuse` command, and its progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tardal_ros.commands.progress import Bar, tell
from tardal_ros.fusion.fuser import FUSERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("visible", type=Path, metavar="VISIBLE", help="picture, folder of pictures, or video")
    parser.add_argument(
        "infrared", type=Path, metavar="INFRARED", help="the same of infrared, on the visible pixels; 16-bit, too"
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="picture, folder, or video (.mp4, .avi; .mkv, which loses nothing)"
    )
    parser.add_argument("--fuser", default="laplacian", help=f"{', '.join(FUSERS)} (default: %(default)s)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of a network (default: those that ship for it)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the resolution to fuse at")
    parser.add_argument("--device", default="auto", help="of a network: auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument(
        "--mask", type=Path, help="picture that is black where infrared does not see, or a folder of such"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace results that are there; else those in a folder are kept"
    )


def run(arguments: argparse.Namespace) -> int:
    """Fuses two pictures, two folders or two videos.

    Raises:
        RigError: The files, the fuser or its weights cannot be used, or a result cannot be written.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.fusion.files import Job, fuse_files
    from tardal_ros.fusion.fuser import create_fuser

    job = Job(arguments.visible, arguments.infrared, arguments.out, arguments.mask, arguments.overwrite)
    fuser = create_fuser(arguments.fuser, arguments.weights, arguments.device, scale=arguments.scale)
    with Bar("fused", "image") as bar:
        outcome = fuse_files(fuser, job, bar)
    tell(outcome.problems)
    kept = f", {outcome.kept} kept as they were there already" if outcome.kept else ""
    sys.stdout.write(f"{outcome.fused} fused{kept}: {arguments.out}\n")
    return 0
