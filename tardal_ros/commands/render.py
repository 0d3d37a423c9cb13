"""Arguments of the `render` command, and its progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands import INTERRUPTED
from tardal_ros.errors import RigError
from tardal_ros.types import Array

if TYPE_CHECKING:
    from tardal_ros.calibration import Rig
    from tardal_ros.simulation.export import Side

EYES = {"left": ("left",), "stereo": ("left", "right")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("out", type=Path, help="folder to write vi/ ir/ labels/ and the truth to, and rig.yaml")
    parser.add_argument("--condition", default="day", help="day, overcast, night or challenge (default: %(default)s)")
    parser.add_argument("--split", default="train", help="train or test (default: %(default)s)")
    parser.add_argument("--view", default="vehicle", help="vehicle or uav (default: %(default)s)")
    parser.add_argument("--rig", type=Path, metavar="FILE", help="rig file of the cameras (default: the paper's rig)")
    parser.add_argument(
        "--eyes",
        choices=tuple(EYES),
        default="left",
        help="stereo: also the right pairs, under right/ (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="which scene (default: %(default)s)")
    parser.add_argument("--count", type=int, default=50, help="pairs to write (default: %(default)s)")
    parser.add_argument("--step", type=float, default=1.0, help="seconds between pairs (default: %(default)s)")
    parser.add_argument("--crowd", type=float, default=1.0, help="part of the people and vehicles, 0 to 1")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="resolution relative to that of the rig (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Renders a scene into a folder.

    Raises:
        RigError: There is no such scene or rig, a number is out of range, or the folder cannot be written.
    """
    if arguments.count < 1 or not arguments.step > 0.0:
        raise RigError(f"--count {arguments.count} must be 1 or more, and --step {arguments.step} above 0")
    from tardal_ros.capture.geometry import load_geometry, to_rig
    from tardal_ros.simulation import Scene, default_rig
    from tardal_ros.simulation.export import export

    geometry = load_geometry(arguments.rig) if arguments.rig else default_rig()
    geometry = geometry.scaled(arguments.scale)
    rig = to_rig(geometry)
    sides = _sides(rig, EYES[arguments.eyes], arguments.out)
    scene = Scene(
        arguments.seed, arguments.condition, arguments.split, view=arguments.view, rig=geometry, crowd=arguments.crowd
    )
    _keep_rig(rig, arguments.out)
    times = [index * arguments.step for index in range(arguments.count)]
    name = f"{arguments.split}_{arguments.view}_{arguments.condition}_{arguments.seed}"
    start = time.monotonic()

    def show(done: int) -> None:
        left = (time.monotonic() - start) / done * (len(times) - done)
        sys.stderr.write(f"\r{done}/{len(times)} pairs, {left:.0f} s left ")
        sys.stderr.flush()

    try:
        written = export(scene, name, times, sides, show)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted: what is written is whole, and the same command goes on from there")
        return INTERRUPTED
    finally:
        sys.stderr.write("\n")
    sys.stdout.write(f"{written} new pairs in {arguments.out}\n")
    return 0


def _sides(rig: Rig, eyes: tuple[str, ...], out: Path) -> list[Side]:
    from tardal_ros.simulation.export import Side

    sides = []
    for eye in eyes:
        visible, infrared = f"visible/{eye}", f"infrared/{eye}"
        missing = [stream for stream in (visible, infrared) if stream not in rig.cameras]
        if missing:
            raise RigError(f"the rig has no camera {missing[0]}: add it to the rig file, or render --eyes left")
        folder = out if eye == "left" else out / eye
        sides.append(Side(visible, infrared, _registrar(rig, infrared, visible), folder))
    return sides


def _registrar(rig: Rig, infrared: str, visible: str) -> Callable[[Array], Array]:
    """Brings raw infrared counts onto the visible pixels, in 8 bits."""
    from tardal_ros.registration.agc import Agc, to_grey8
    from tardal_ros.registration.warp import registering_warp

    warp = registering_warp(rig, infrared, visible, rectify=False)
    # Every pair by itself, so that the same command gives the same files wherever it goes on.
    return lambda counts: warp.apply(to_grey8(counts, Agc().update(counts)))


def _keep_rig(rig: Rig, folder: Path) -> None:
    """Writes the rig file of the cameras; where pairs are already, makes sure that theirs was the same."""
    from tardal_ros.calibration import dump_rig
    from tardal_ros.simulation.export import aside, unwritable

    path = folder / "rig.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside(folder, "rig") as hidden:
            new = hidden / path.name
            dump_rig(rig, new)
            if not path.exists():
                new.replace(path)
            elif path.read_bytes() != new.read_bytes():
                raise RigError(
                    f"{path} says that the pairs there are of other cameras: choose another folder, or the --rig and"
                    " --scale with which they were rendered"
                )
    except OSError as error:
        raise unwritable(folder, error) from None
