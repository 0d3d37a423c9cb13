"""Arguments of the `evaluate` command, and its progress."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands.progress import Bar
from tardal_ros.errors import RigError
from tardal_ros.files import find_shared
from tardal_ros.fusion.fuser import FUSERS

if TYPE_CHECKING:
    from tardal_ros.evaluation.offline import Settings
    from tardal_ros.evaluation.recording import Recording

_RENDERED = {"rendered:": "vehicle", "uav:": "uav"}
_SCHEME = "package://"
_OURS = f"{_SCHEME}tardal_ros/"
_BAG_FILES, _BAG_INDEX = (".mcap", ".db3"), "metadata.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="bag, data set, folder with vi/NAME.mp4 and ir/NAME.mp4, or a rendered scene from a car or a drone,"
        " rendered:SEED:CONDITION[:SECONDS] or uav:SEED:CONDITION[:SECONDS]",
    )
    parser.add_argument(
        "--fusers",
        nargs="*",
        default=["laplacian", "visible", "infrared"],
        metavar="NAME[:FILE]",
        help=f"of {', '.join(FUSERS)}; networks may have a weights FILE (default: %(default)s)",
    )
    parser.add_argument(
        "--fused", nargs="+", default=[], metavar="NAME=FOLDER", help="images fused elsewhere, called as the pairs"
    )
    parser.add_argument(
        "--detector",
        default="package://tardal_ros/weights/tardal_ct_detector.onnx",
        help="a model file .onnx or .pt, hog, or none (default: %(default)s)",
    )
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the resolution to fuse at")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="rig file of the cameras of the bags")
    parser.add_argument(
        "--topics", nargs="+", default=[], metavar="NAME=TOPIC", help="topics of the bags, where they differ from ours"
    )
    parser.add_argument(
        "--infer-seen", action="store_true", help="black that reaches the border of infrared is where it sees nothing"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N pairs of each recording (default: all)")
    parser.add_argument(
        "--report", type=Path, default=Path("out/evaluation"), help="folder; what is in it already is not done again"
    )
    spread = parser.add_mutually_exclusive_group()
    spread.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="recordings at the same time")
    spread.add_argument("--dask", metavar="ADDRESS", help="scheduler of a Dask cluster that sees the same files")
    parser.add_argument(
        "--efficiency",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="count operations and measure time and memory of each fuser (default: yes)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluates fusers and a detector, and writes the report; goes on where an earlier run was interrupted.

    Raises:
        RigError: A recording, a fuser, the detector or the folder cannot be used.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.evaluation.folder import claimed
    from tardal_ros.evaluation.offline import Judge, Settings, is_finished
    from tardal_ros.evaluation.verdict import verdict
    from tardal_ros.evaluation.verdict_page import write_page
    from tardal_ros.files import replace_text

    for name, value in {"--processes": arguments.processes, "--limit": arguments.limit}.items():
        if value is not None and value < 1:
            raise RigError(f"{name} is {value}: it must be 1 or more.")
    settings = Settings(
        tuple(arguments.fusers),
        "" if arguments.detector == "none" else _path(arguments.detector),
        arguments.scale,
        arguments.limit,
        tuple((name, Path(folder)) for name, folder in _pairs("--fused", arguments.fused)),
    )
    recordings = _named_apart([each for source in arguments.sources for each in _recordings(source, arguments)])
    Judge(settings, None)  # what cannot be used shows now, not in an hour
    folder = arguments.report
    with claimed(folder):
        left = [each for each in recordings if not is_finished(folder, each, settings)]
        _spread(left, settings, arguments, len(recordings))
        efficiencies = _efficiencies(settings) if arguments.efficiency else {}
        report = verdict(folder, recordings, settings, shlex.join(sys.argv), efficiencies)
        replace_text(folder / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
        page = write_page(report, folder)
    sys.stderr.writelines(f"{problem}\n" for problem in report["problems"])
    sys.stdout.write(f"{folder / 'report.json'}\n{page}\n")
    return 0


def _spread(recordings: Sequence[Recording], settings: Settings, arguments: argparse.Namespace, total: int) -> None:
    """Evaluates recordings with a bar of progress."""
    from tardal_ros.evaluation.cluster import evaluate_on_cluster
    from tardal_ros.evaluation.workers import evaluate_in_processes

    done = total - len(recordings)
    folder = arguments.report
    with Bar("evaluated", "recording") as bar:
        bar(done, total)
        if not recordings:
            return
        if arguments.dask:
            work = evaluate_on_cluster(recordings, settings, folder, arguments.dask)
        else:
            work = evaluate_in_processes(
                recordings,
                settings,
                folder,
                arguments.processes,
                lambda moments: bar(done, total, {"pairs": moments}),
            )
        with closing(work):
            for _ in work:
                done += 1
                bar(done, total)


def _recordings(source: str, arguments: argparse.Namespace) -> list[Recording]:
    """What a word of the command line stands for."""
    from tardal_ros.evaluation.recording import DatasetRecording, RenderedRecording, videos

    for scheme, view in _RENDERED.items():
        if source.startswith(scheme):
            return [RenderedRecording(*_scene(source, scheme), view)]
    path = Path(source)
    if not path.exists():
        raise RigError(f"There is no {path}: give a bag, a data set, or rendered:SEED:CONDITION.")
    if path.is_file() or any(each.suffix in _BAG_FILES or each.name == _BAG_INDEX for each in path.iterdir()):
        from tardal_ros.bags.recording import BagRecording

        topics = dict(_pairs("--topics", arguments.topics))
        return [BagRecording(path, topics=topics, calibration=arguments.calibration)]
    return [*videos(path)] or [DatasetRecording(path, arguments.infer_seen)]


def _scene(source: str, scheme: str) -> tuple[int, str, float]:
    seed, _, rest = source.removeprefix(scheme).partition(":")
    condition, _, seconds = rest.partition(":")
    try:
        return int(seed), condition, float(seconds or 2.0)
    except ValueError:
        raise RigError(f"{source} is no rendered scene: write {scheme}SEED:CONDITION or add :SECONDS.") from None


def _named_apart(recordings: Sequence[Recording]) -> Sequence[Recording]:
    names = [each.name for each in recordings]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RigError(f"Two recordings are called '{twice[0]}': rename one of them, or leave it out.")
    return recordings


def _pairs(option: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, _, value = word.partition("=")
        if not name or not value:
            raise RigError(f"{option} {word} is not understood: write NAME=VALUE.")
        yield name, value


def _path(address: str) -> str:
    """A file named on the command line; files of this package are found with and without ROS."""
    if not address.startswith(_SCHEME):
        return address
    if address.startswith(_OURS) and (found := find_shared(address.removeprefix(_OURS))):
        return str(found)
    from tardal_ros.ros.resources import resolve

    return str(resolve(address))


def _efficiencies(settings: Settings) -> dict[str, object]:
    """What each fuser costs on this machine."""
    from tardal_ros.evaluation.efficiency import efficiency

    told: dict[str, object] = {}
    for specification in settings.fusers:
        name, _, weights = specification.partition(":")
        told[Path(weights).stem if weights else name] = efficiency(name, weights or None)
    return told
