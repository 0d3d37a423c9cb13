"""Arguments of the `demo` command."""

from __future__ import annotations

import argparse
from pathlib import Path

from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import FUSERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--visible", type=Path, metavar="V", help="folder of visible images, or a video")
    parser.add_argument("--infrared", type=Path, metavar="I", help="folder of infrared images, or a video")
    parser.add_argument("--fuser", default="tardal", help=f"{', '.join(FUSERS)} (default: %(default)s)")
    parser.add_argument("--weights", default="", help="of a network (default: those that ship for it)")
    parser.add_argument(
        "--detector",
        default="package://tardal_ros/weights/tardal_ct_detector.onnx",
        help="a model file .onnx or .pt, or hog (default: %(default)s)",
    )
    parser.add_argument(
        "--condition", default="challenge", help="condition of the rendered sequence (default: %(default)s)"
    )
    parser.add_argument("--view", default="vehicle", help="its view, vehicle or uav (default: %(default)s)")
    parser.add_argument("--rig", type=Path, metavar="FILE", help="rig file of the cameras of the rendered sequence")
    parser.add_argument(
        "--scale", type=float, default=0.0, help="fraction of the resolution to fuse at (default: the fuser's own)"
    )
    parser.add_argument("--frame-rate", type=float, default=4.0, help="pairs per second (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=12.0, help="seconds to run at most (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="output folder (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo.

    Raises:
        RigError: Only one of the two inputs is given, or the demo cannot run.
    """
    if (arguments.visible is None) != (arguments.infrared is None):
        raise RigError("give both --visible and --infrared, or neither for the rendered sequence")
    try:
        from tardal_ros.demo import Settings, run_demo
    except ModuleNotFoundError as error:
        raise RigError(
            f"the demo needs ROS 2 ({error}): run `make demo`, or source a ROS 2 with this package"
        ) from None
    return run_demo(Settings(**{name: value for name, value in vars(arguments).items() if name != "command"}))
