"""A process of the rig for the benchmarks: nodes as they run, fed by a source whose frames are prepared beforehand."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.parameter import Parameter

from tardal_ros.calibration import load_rig
from tardal_ros.capture.node import CaptureNode
from tardal_ros.capture.player import Player
from tardal_ros.capture.source import Source, StreamInfo
from tardal_ros.detection.laps import Laps
from tardal_ros.detection.node import DetectionNode
from tardal_ros.fusion import Fuser
from tardal_ros.fusion.node import FusionNode
from tardal_ros.registration.node import RegistrationNode
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.process import Process
from tardal_ros.types import Array, Detections, Frame, freeze

CONFIG = Path(__file__).resolve().parents[1] / "config"
RIG = CONFIG / "calibration" / "rig.yaml"
# As the launch file sets it up: without it, images between processes go through UDP in fragments and many are lost.
ENVIRONMENT = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    "FASTRTPS_DEFAULT_PROFILES_FILE": str(CONFIG / "fastdds.xml"),
}
DOMAIN = 1 + os.getpid() % 100
PATIENCE = 60.0
NODES: dict[str, Any] = {
    "capture": CaptureNode,
    "registration": RegistrationNode,
    "fusion": FusionNode,
    "detection": DetectionNode,
}


@dataclass(frozen=True)
class Setup:
    """What a process runs.

    Attributes:
        nodes: Their names, in the order in which a frame meets them; neighbours are linked.
        domain: ROS domain.
        rate: Pairs per second that `capture` plays.
        networks: Whether the real fuser and detector run, instead of ones that do nothing.
        parameters: Values of node parameters, by node.
    """

    nodes: tuple[str, ...]
    domain: int
    rate: float = 10.0
    networks: bool = False
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What a process used over some time.

    Attributes:
        seconds: How long that was.
        cpu: Seconds of CPU, all threads, user and system.
        threads: The same by thread; those that Python did not start (OpenCV, DDS) count together as `other`.
        pairs: Pairs that its last node finished.
    """

    seconds: float
    cpu: float
    threads: dict[str, float]
    pairs: int


class RigProcess:
    """A process that runs nodes. A context manager.

    Args:
        setup: What it runs.
    """

    def __init__(self, setup: Setup) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(theirs, setup), daemon=True)

    def __enter__(self) -> RigProcess:
        self._process.start()
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(("end",))
        self._process.join(PATIENCE)

    def play(self) -> None:
        """Lets the source give frames."""
        self._ask("play")

    def measure(self, seconds: float) -> Usage:
        """What the process uses over the next seconds."""
        usage: Usage = self._ask("measure", seconds)
        return usage

    def emitted(self) -> dict[int, int]:
        """When `capture` handed on the last frame of each stamp; both in nanoseconds of the system clock."""
        times: dict[int, int] = self._ask("emitted")
        return times

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        return self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(PATIENCE):
            raise TimeoutError(f"a process of the rig did not answer for {PATIENCE:g} s")
        return self._pipe.recv()


class PreparedSource:
    """Hands out frames made beforehand, both cameras at the same moments, once `playing` is set."""

    problems: tuple[str, ...] = ()

    def __init__(self, rate: float, images: dict[str, list[Array]]) -> None:
        self.playing = threading.Event()
        self._period = round(1e9 / rate)
        self._images = images
        self.streams = tuple(
            StreamInfo(name, camera.frame_id, camera.info.width, camera.info.height, rate, camera.info)
            for name, camera in load_rig(RIG).cameras.items()
        )
        self._frames = self._endless()

    def open(self) -> None:
        """Nothing to do."""

    def read(self) -> tuple[str, Frame] | None:
        """The next frame."""
        self.playing.wait()
        return next(self._frames)

    def close(self) -> None:
        """Nothing to do."""

    def _endless(self) -> Iterator[tuple[str, Frame]]:
        for number in itertools.count():
            for info in self.streams:
                image = self._images[info.name][number % len(self._images[info.name])]
                yield info.name, Frame(image, number * self._period, info.frame_id, info.camera_info)


class NoFusing:
    """A fusing method that costs nothing: the visible luma."""

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: NDArray[np.uint8], infrared: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The visible luma itself."""
        return visible


class NoDetector:
    """A detector that costs nothing and finds nothing."""

    names = ("thing",)
    device = "cpu"
    channels = 3
    laps = Laps()
    confidence = 0.25

    def detect(self, image: NDArray[np.uint8], lowest: float = 1.0) -> Detections:
        """No boxes."""
        return Detections.empty(self.names)


def prepared_images(count: int = 4) -> dict[str, list[Array]]:
    """Textured images: 1024x768 BGR of the visible camera, 640x512 16-bit counts of the infrared one."""
    random = np.random.default_rng(0)
    slope = np.linspace(7500, 8500, 640)[None] + np.linspace(0, 400, 512)[:, None]
    colour = [cv2.GaussianBlur(random.integers(0, 256, (768, 1024, 3), np.uint8), (0, 0), 2) for _ in range(count)]
    counts = [(slope + random.normal(0, 5, slope.shape)).astype(np.uint16) for _ in range(count)]
    return {"visible/left": [freeze(image) for image in colour], "infrared/left": [freeze(image) for image in counts]}


class NotingPlayer(Player):
    """A player that keeps when it began to hand on the last frame of each stamp."""

    def __init__(self, source: Source, emit: Callable[[str, Frame], None], *args: Any, **options: Any) -> None:
        self.emitted: dict[int, int] = {}

        def note(stream: str, frame: Frame) -> None:
            self.emitted[frame.stamp] = time.time_ns()
            emit(stream, frame)

        super().__init__(source, note, *args, **options)


def serve(pipe: Connection, setup: Setup) -> None:
    """Runs nodes in this process, and answers questions about them until told to end."""
    source = PreparedSource(setup.rate, prepared_images() if "capture" in setup.nodes else {})
    players: list[NotingPlayer] = []

    def make_player(*args: Any, **options: Any) -> NotingPlayer:
        players.append(NotingPlayer(*args, **options))
        return players[-1]

    with faked(setup, source, make_player), running(setup) as nodes:
        answers: dict[str, Callable[..., Any]] = {
            "play": source.playing.set,
            "measure": lambda seconds: measure(seconds, lambda: nodes[-1].worker.meter.processed),
            "emitted": lambda: dict(players[0].emitted),
        }
        pipe.send(None)
        while (question := pipe.recv())[0] != "end":
            pipe.send(answers[question[0]](*question[1:]))
        source.playing.set()


@contextmanager
def faked(setup: Setup, source: PreparedSource, make_player: Callable[..., Player]) -> Iterator[None]:
    """Lets the nodes take the prepared source and, unless networks run, the fuser and detector that do nothing."""
    with ExitStack() as stack:

        def replace(name: str, result: Callable[..., object]) -> None:
            stack.enter_context(mock.patch(f"tardal_ros.{name}", result))

        replace("capture.node.create_source", lambda *_, **__: source)
        replace("capture.node.Player", make_player)
        if not setup.networks:
            replace("fusion.node.create_fuser", lambda *_, **__: Fuser(NoFusing()))
            replace("detection.node.create_detector", lambda *_, **__: NoDetector())
        yield


@contextmanager
def running(setup: Setup) -> Iterator[list[Any]]:
    """The nodes of a setup, active."""
    context = rclpy.Context()
    # That a source is silent while the idle process is measured need not be said.
    rclpy.init(args=["--ros-args", "--log-level", "error"], context=context, domain_id=setup.domain)
    process = Process(linked_nodes(setup, context), context)
    process.start()
    deadline = time.monotonic() + PATIENCE
    while not all(node.active for node in process.nodes):
        if time.monotonic() > deadline:
            raise TimeoutError("; ".join(f"{node.get_name()} is {node.state}" for node in process.nodes))
        time.sleep(0.05)
    yield list(process.nodes)
    process.end()
    context.try_shutdown()


def linked_nodes(setup: Setup, context: rclpy.Context) -> list[RigNode[Any]]:
    """The nodes of a setup, joined by reference as `ComposedRig` joins them; `capture` may be missing or alone."""

    def options(name: str) -> dict[str, Any]:
        parameters = {"calibration": str(RIG)} if name == "registration" else {}
        parameters |= setup.parameters.get(name, {})
        return {
            "context": context,
            "parameter_overrides": [Parameter(key, value=value) for key, value in parameters.items()],
        }

    nodes: dict[str, Any] = {name: NODES[name](**options(name)) for name in setup.nodes}
    if {"capture", "registration"} <= nodes.keys():
        for stream, port in nodes["registration"].frames.items():
            port.link(nodes["capture"].frames[stream])
    if {"registration", "fusion"} <= nodes.keys():
        nodes["fusion"].pairs.link(nodes["registration"].pairs)
    if {"fusion", "detection"} <= nodes.keys():
        nodes["detection"].fused.link(nodes["fusion"].fused)
    return list(nodes.values())


def measure(seconds: float, count: Callable[[], int]) -> Usage:
    """What this process uses over the next seconds; `count` counts pairs."""
    began, pairs, cpu, threads = time.monotonic(), count(), time.process_time(), thread_times()
    time.sleep(seconds)
    later = thread_times()
    return Usage(
        seconds=time.monotonic() - began,
        cpu=time.process_time() - cpu,
        threads={name: spent - threads.get(name, 0.0) for name, spent in later.items()},
        pairs=count() - pairs,
    )


def thread_times() -> dict[str, float]:
    """Seconds of CPU of each thread so far, by its Python name."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    times: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it may have ended
            name = names.get(int(task.name), "other")
            times[name] = times.get(name, 0.0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    return times
