"""Arguments of the `render` command, and its progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.errors import RigError
from tardal_ros.types import Array

if TYPE_CHECKING:
    from tardal_ros.simulation import RigGeometry


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("out", type=Path, help="folder to write ir/ vi/ labels/ mask/ meta/ to")
    parser.add_argument("--condition", default="day", help="day, overcast, night or challenge (default: %(default)s)")
    parser.add_argument("--split", default="train", help="train or test (default: %(default)s)")
    parser.add_argument("--view", default="vehicle", help="vehicle or uav (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which scene (default: %(default)s)")
    parser.add_argument("--count", type=int, default=50, help="pairs to write (default: %(default)s)")
    parser.add_argument("--step", type=float, default=1.0, help="seconds between pairs (default: %(default)s)")
    parser.add_argument("--crowd", type=float, default=1.0, help="part of the people and vehicles, 0 to 1")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="resolution relative to 1024x768 (default: %(default)s)"
    )


def _registrar(geometry: RigGeometry) -> Callable[[Array], Array]:
    """Brings raw infrared counts onto the visible pixels of the rig, in 8 bits."""
    from tardal_ros.calibration.rig import Camera, Pose, Rig
    from tardal_ros.registration.agc import Agc, to_grey8
    from tardal_ros.registration.warp import registering_warp
    from tardal_ros.simulation import INFRARED, VISIBLE

    cameras = {
        stream: Camera(camera.frame_id, camera.info, Pose(camera.rotation, camera.translation))
        for stream, camera in geometry.cameras.items()
    }
    rig = Rig(cameras, geometry.plane_normal / geometry.plane_distance)
    warp = registering_warp(rig, INFRARED, VISIBLE, rectify=False)
    # Every pair by itself, so that the same command gives the same files wherever it goes on.
    return lambda counts: warp.apply(to_grey8(counts, Agc().update(counts)))


def run(arguments: argparse.Namespace) -> int:
    """Renders a scene into a folder.

    Raises:
        RigError: There is no such scene, a number is out of range, or the folder cannot be written.
    """
    if arguments.count < 1 or not arguments.step > 0.0:
        raise RigError(f"--count {arguments.count} must be 1 or more, and --step {arguments.step} above 0")
    from tardal_ros.simulation import Scene, default_rig
    from tardal_ros.simulation.export import export

    rig = default_rig().scaled(arguments.scale)
    scene = Scene(
        arguments.seed, arguments.condition, arguments.split, view=arguments.view, rig=rig, crowd=arguments.crowd
    )
    times = [index * arguments.step for index in range(arguments.count)]
    name = f"{arguments.split}_{arguments.view}_{arguments.condition}_{arguments.seed}"
    start = time.monotonic()

    def show(done: int) -> None:
        left = (time.monotonic() - start) / done * (len(times) - done)
        sys.stderr.write(f"\r{done}/{len(times)} pairs, {left:.0f} s left ")
        sys.stderr.flush()

    try:
        written = export(scene, name, times, arguments.out, _registrar(rig), show)
    finally:
        sys.stderr.write("\n")
    sys.stdout.write(f"{written} new pairs in {arguments.out}\n")
    return 0
