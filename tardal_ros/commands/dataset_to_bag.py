"""Arguments of the `dataset_to_bag` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands.progress import Bar, tell
from tardal_ros.commands.render import EYES
from tardal_ros.errors import RigError

if TYPE_CHECKING:
    from tardal_ros.bags.reel import Reel
    from tardal_ros.capture import Cadence
    from tardal_ros.datasets.dataset import FolderDataset

_RATE = 10.0  # Hz, of what has no rate of its own.
_INFRARED = {"phase": 0.004, "jitter": 0.002}  # Seconds, of rendered infrared, as the capture node has them.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="bag to write, a folder; an earlier one is replaced")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, metavar="FOLDER", help="data set, or folder with vi/ and ir/")
    what.add_argument("--video", type=Path, nargs=2, metavar=("VISIBLE", "INFRARED"), help="two video files")
    what.add_argument("--rendered", action="store_true", help="a rendered scene")
    data = parser.add_argument_group("data sets")
    data.add_argument("--layout", default="auto", help="layout of the data set (default: found out)")
    data.add_argument("--part", help="such as train or test (default: all of it)")
    data.add_argument(
        "--strict", action="store_true", help="refuse pairs that cannot be used, in place of skipping them"
    )
    scene = parser.add_argument_group("rendered scenes")
    scene.add_argument("--seed", type=int, default=0, help="which scene, and which jitter (default: %(default)s)")
    scene.add_argument("--condition", default="day", help="day, overcast, night or challenge (default: %(default)s)")
    scene.add_argument("--split", default="test", help="train or test (default: %(default)s)")
    scene.add_argument("--view", default="vehicle", help="vehicle or uav (default: %(default)s)")
    scene.add_argument("--rig", type=Path, metavar="FILE", help="rig file of the cameras (default: the paper's rig)")
    scene.add_argument("--eyes", choices=tuple(EYES), default="left", help="stereo: also the right eyes")
    scene.add_argument("--registered", action="store_true", help="infrared on the visible pixels, not as it was taken")
    parser.add_argument(
        "--unregistered",
        action="store_true",
        help="the videos do not lie on each other's pixels",
    )
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="length (default: all; rendered scenes: 10)")
    for spectrum in ("visible", "infrared"):
        parser.add_argument(
            f"--{spectrum}",
            nargs="+",
            default=[],
            metavar="KEY=VALUE",
            help="timing: rate [Hz], phase, jitter, latency and the clock's offset [s], its drift [s/s]",
        )
    parser.add_argument(
        "--images", default="raw", help="raw, jpeg or png; 16-bit jpeg becomes png (default: %(default)s)"
    )
    parser.add_argument("--storage", default="mcap", help="mcap or sqlite3 (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Writes a bag.

    Raises:
        RigError: There is nothing to read, a number is out of range, or the bag cannot be written.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.bags.export import export
    from tardal_ros.bags.reel import limited

    reel = _reel(arguments)
    duration = 10.0 if arguments.rendered and arguments.duration is None else arguments.duration
    if duration is not None:
        reel = limited(reel, duration)
    total = reel.images
    with Bar(unit="image") as bar:
        counts = export(
            reel, arguments.out, arguments.storage, arguments.images, lambda done: bar(min(done, total), total)
        )
    tell(reel.problems)
    sys.stdout.write(f"{arguments.out}\n" + "".join(f"{count:7} {topic}\n" for topic, count in sorted(counts.items())))
    return 0


def _reel(arguments: argparse.Namespace) -> Reel:
    from tardal_ros.bags.reel import dataset_reel, registered_reel, retimed, video_reel

    timing = {spectrum: _settings(spectrum, getattr(arguments, spectrum)) for spectrum in ("visible", "infrared")}
    rate = timing["visible"].get("rate")
    if arguments.rendered and not arguments.registered:
        return _rendered(arguments, timing)
    if arguments.data is not None:
        reel = dataset_reel(_opened(arguments), _cadence("visible", timing, _RATE).rate)
    elif arguments.video is not None:
        visible, infrared = arguments.video
        reel = video_reel(visible, infrared, not arguments.unregistered)
    elif arguments.rig or arguments.eyes != "left" or arguments.view != "vehicle":
        raise RigError("--registered pairs are those of the paper's rig: leave out --rig, --eyes and --view.")
    else:
        rate = _cadence("visible", timing, _RATE).rate
        reel = registered_reel(rate, arguments.seed, arguments.condition, arguments.split)
    if not any(timing.values()):
        return reel
    cadences = {stream.name: _cadence(stream.name, timing, rate or stream.rate) for stream in reel.streams}
    return retimed(reel, cadences, arguments.seed)


def _rendered(arguments: argparse.Namespace, timing: Mapping[str, Mapping[str, float]]) -> Reel:
    from tardal_ros.bags.reel import rendered_reel
    from tardal_ros.capture import load_geometry
    from tardal_ros.simulation import default_rig

    rig = load_geometry(arguments.rig) if arguments.rig else default_rig()
    visible = _cadence("visible", timing, _RATE)
    infrared = _cadence("infrared", {"infrared": {**_INFRARED, **timing["infrared"]}}, visible.rate)
    streams = [name for name in rig.cameras if name.rpartition("/")[2] in EYES[arguments.eyes]]
    cadences = {name: visible if name.startswith("visible") else infrared for name in streams}
    return rendered_reel(cadences, arguments.seed, arguments.condition, arguments.split, arguments.view, rig)


def _opened(arguments: argparse.Namespace) -> FolderDataset:
    from tardal_ros.datasets.dataset import open_dataset

    on_broken = "refuse" if arguments.strict else "skip"
    dataset = open_dataset(arguments.data, arguments.layout, arguments.part, on_broken=on_broken)
    if arguments.strict:
        dataset.check()
    return dataset


def _cadence(stream: str, timing: Mapping[str, Mapping[str, float]], rate: float) -> Cadence:
    """The timing that was given for a stream's spectrum, at this rate if none was."""
    from tardal_ros.capture import Cadence

    spectrum = stream.partition("/")[0]
    try:
        return Cadence(**{"rate": rate, **timing[spectrum]})
    except RigError as error:
        raise RigError(f"--{spectrum}: {error}") from None


def _settings(spectrum: str, given: Sequence[str]) -> dict[str, float]:
    from tardal_ros.capture import Cadence

    known = [each.name for each in fields(Cadence)]
    settings = {}
    for word in given:
        key, _, value = word.partition("=")
        try:
            settings[key] = float(value)
        except ValueError:
            raise RigError(f"--{spectrum} {word}: write KEY=NUMBER, such as rate=10.") from None
        if key not in known:
            raise RigError(f"--{spectrum} has no {key}: choose of {', '.join(known)}.")
    return settings
