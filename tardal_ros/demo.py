"""The demo: the composed rig on a short sequence, a bag of it, and a report to look at."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.parameter import Parameter

from tardal_ros.bags.node import RecorderNode
from tardal_ros.capture.geometry import load_geometry
from tardal_ros.detection.drawing import draw
from tardal_ros.detection.stage import Detected
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.detection import score_run
from tardal_ros.evaluation.report import Sample, write_report
from tardal_ros.evaluation.summary import END_TO_END, Summary, installed_versions, percentiles, write_summary
from tardal_ros.pipeline import Step
from tardal_ros.rig import ComposedRig
from tardal_ros.ros.process import Process, make_room_for_images
from tardal_ros.simulation import VISIBLE, Scene
from tardal_ros.types import Detections, Frame

SAMPLES = 6
# The rendered sequence's.
SEED = 0
# Seconds without a new result after which what is under way counts as done.
SETTLED = 1.0
# Seconds between two looks at how far the run is, on a terminal and in a file.
PROGRESS = 0.1
PROGRESS_IN_A_LOG = 2.0
# Seconds that a slow disk is given to catch up.
DRAINED = 30.0


@dataclass(frozen=True)
class Settings:
    """What the demo runs on.

    Attributes:
        visible: Folder or video of the visible camera; None for the rendered sequence.
        infrared: Folder or video of the infrared camera; None for the rendered sequence.
        fuser: The fuser's name.
        weights: The fuser's weights file, or an empty string.
        detector: `hog` or a model file.
        condition: What the rendered sequence shows: day, overcast, night or challenge.
        scale: Fraction of the resolution to fuse at; 0 for the fuser's own.
        frame_rate: Pairs per second.
        duration: Seconds to run at most.
        out: Output folder.
        view: From where the rendered sequence looks: vehicle or uav.
        rig: Rig file of its cameras, by which they are registered too; None for the rig of the paper.
    """

    visible: Path | None
    infrared: Path | None
    fuser: str
    weights: str
    detector: str
    condition: str
    scale: float
    frame_rate: float
    duration: float
    out: Path
    view: str = "vehicle"
    rig: Path | None = None

    @property
    def source(self) -> str:
        """The kind of source that the inputs are."""
        if self.visible is None:
            return "simulation"
        return "folder" if self.visible.is_dir() else "video"

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Parameter values by node."""
        return {
            "capture": {
                "source": self.source,
                "visible": str(self.visible or ""),
                "infrared": str(self.infrared or ""),
                "frame_rate": self.frame_rate,
                "duration": self.duration,
                "seed": SEED,
                "condition": self.condition,
                "view": self.view,
                "rig": str(self.rig or ""),
            },
            "registration": {"calibration": str(self.rig)} if self.rig else {},
            "fusion": {"fuser": self.fuser, "weights": self.weights, "scale": self.scale},
            "detection": {"weights": self.detector},
            "recorder": {"path": str(self.out / "rig.mcap")},
        }


class Gallery:
    """Keeps a few results spread evenly over a run of unknown length."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._stride = 1
        self._seen = 0
        self._kept: list[Detected] = []

    def add(self, detected: Detected) -> None:
        """Takes a result; keeps every n-th, and every 2n-th once twice the size is reached."""
        if self._seen % self._stride == 0:
            self._kept.append(detected)
        self._seen += 1
        if len(self._kept) > 2 * self._size:
            self._kept = self._kept[::2]
            self._stride *= 2

    def samples(self) -> list[Sample]:
        """The results kept, as pictures with boxes."""
        step = max(1, -(-len(self._kept) // self._size))
        return [sample for detected in self._kept[::step] if (sample := to_sample(detected))]


def to_sample(detected: Detected) -> Sample | None:
    """The montage row of one result; None where the pair it was made of is not there."""
    frame, pair = detected.fused.frame, detected.fused.pair
    if pair is None:
        return None
    boxes = draw(frame.image, detected.detections)
    return Sample(frame.stamp, pair.visible.left.image, pair.infrared.left.image, boxes)


class Watch:
    """Follows a run: counts pairs, keeps latencies and pictures."""

    def __init__(self, rig: ComposedRig) -> None:
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.gallery = Gallery(SAMPLES)
        self.pairs = 0
        self.last = time.monotonic()
        self._rig = rig
        self._stages = (rig.registration, rig.fusion, rig.detection)
        for node in self._stages:
            node.observers.append(partial(self._observe, node.get_name()))
        self.found: list[tuple[int, Detections]] = []
        self.shown: dict[int, int] = {}
        rig.capture.frames[VISIBLE].link(self._note)
        rig.detection.detected.link(self._take)

    def _note(self, frame: Frame) -> None:
        self.shown[frame.stamp] = len(self.shown)

    def _take(self, detected: Detected) -> None:
        self.pairs += 1
        self.last = time.monotonic()
        self.gallery.add(detected)
        self.found.append((detected.fused.frame.stamp, detected.detections))
        self.latencies[END_TO_END].append(self._rig.detection.age(detected.fused.frame.stamp) * 1e3)

    def _observe(self, stage: str, step: Step) -> None:
        self.latencies[stage].append(step.busy * 1e3)

    def drops(self) -> dict[str, int]:
        """What was dropped, by stage and reason."""
        return {f"{n.get_name()}: {reason}": count for n in self._stages for reason, count in n.drops().items()}


def run_demo(settings: Settings) -> int:
    """Runs the demo and writes `report.html`, `rig.mcap` and `summary.json`.

    Returns:
        The exit code.

    Raises:
        RigError: The rig cannot run like this, or made nothing.
    """
    # The demo speaks to itself only; it must not disturb, nor be disturbed by, a robot on the network.
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    make_room_for_images()
    rclpy.init(context=context)
    overrides = settings.parameters()

    def options(node: str) -> dict[str, Any]:
        values = [Parameter(name, value=value) for name, value in overrides.get(node, {}).items()]
        return {"context": context, "parameter_overrides": values}

    rig = ComposedRig(options)
    recorder = RecorderNode(**options("recorder"))
    rig.capture.starts_after = (recorder, *rig.capture.starts_after)
    process = Process([recorder, *rig.nodes], context)
    watch = Watch(rig)
    process.start()
    try:
        _follow(rig, watch, settings)
        _drain(recorder)
    except KeyboardInterrupt:
        _say("\ninterrupted: the report covers what was done\n")
    finally:
        drops, latencies = watch.drops(), dict(watch.latencies)
        if not process.end():
            context.try_shutdown()
    if not watch.pairs:
        raise RigError("the rig made no fused image; the messages above say why")
    _write(settings, watch, drops, latencies)
    return 0


def _follow(rig: ComposedRig, watch: Watch, settings: Settings) -> None:
    """Shows progress until the source has ended and what was under way is done."""
    begun = time.monotonic()
    _say(f"rig on {settings.source}, {settings.fuser} + {settings.detector}, at most {settings.duration:g} s\n")
    while (ended := rig.capture.ended_at) is None or time.monotonic() - max(watch.last, ended) < SETTLED:
        for node in rig.nodes:
            if node.failure and not watch.pairs:
                raise RigError(node.failure)
        _show_progress(watch, time.monotonic() - begun)
        time.sleep(PROGRESS if sys.stdout.isatty() else PROGRESS_IN_A_LOG)
    _say("\n")


def _show_progress(watch: Watch, seconds: float) -> None:
    if watch.pairs:
        latency = watch.latencies[END_TO_END][-1]
        line = f"{seconds:5.1f} s  {watch.pairs:4d} pairs  latency {latency:6.1f} ms"
        _say(f"\r{line} " if sys.stdout.isatty() else f"{line}\n")


def _drain(recorder: RecorderNode) -> None:
    """Waits until the bag has caught up."""
    deadline = time.monotonic() + DRAINED
    while not recorder.idle and time.monotonic() < deadline:
        time.sleep(0.05)


def _write(settings: Settings, watch: Watch, drops: dict[str, int], latencies: dict[str, list[float]]) -> None:
    """Writes summary and report beside the bag, and says where."""
    versions = installed_versions()
    summary = Summary(watch.pairs, drops, percentiles(latencies), _map50(settings, watch), settings.fuser, versions)
    write_summary(settings.out / "summary.json", summary)
    files = "the rendered sequence" if settings.visible is None else f"{settings.visible} + {settings.infrared}"
    write_report(
        settings.out / "report.html",
        summary,
        watch.gallery.samples(),
        {name: latencies[name] for name in ("registration", "fusion", "detection", END_TO_END) if name in latencies},
        title="tardal_ros demo",
        source=f"{files}, fused by {settings.fuser}, boxes by {settings.detector}",
        notes=[
            "The rig runs live: where a stage is slower than the source, the freshest pair replaces a waiting one.",
            "Latencies are of this machine and this run, with the bag being written beside.",
        ],
    )
    _say(f"{watch.pairs} pairs, dropped: {drops or 'none'}\n")
    for stage, figures in summary.latency_ms.items():
        _say(f"  {stage:<14} p50 {figures['p50']:7.1f} ms   p95 {figures['p95']:7.1f} ms\n")
    if summary.map50 is not None:
        _say(f"  mAP50 of the boxes {summary.map50:.3f}\n")
    for name in ("report.html", "rig.mcap", "summary.json"):
        _say(f"  {settings.out / name}\n")


def _map50(settings: Settings, watch: Watch) -> float | None:
    """Holds the boxes against the truth, which only the rendered sequence has."""
    if settings.source != "simulation":
        return None
    geometry = load_geometry(settings.rig) if settings.rig else None
    scene = Scene(SEED, settings.condition, "test", view=settings.view, rig=geometry)
    # The visible camera takes its images evenly, and the player loses none.
    found = [(watch.shown[stamp] / settings.frame_rate, seen) for stamp, seen in watch.found if stamp in watch.shown]
    try:
        figure = score_run(found, scene)
    except MissingDependencyError as error:
        _say(f"{error}\n")
        return None
    return None if figure is None else figure.value


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
