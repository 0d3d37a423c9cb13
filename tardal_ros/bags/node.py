"""The recorder node: topics in, a bag out."""

from __future__ import annotations

import importlib
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile

from tardal_ros.bags.writer import BagWriter
from tardal_ros.errors import RigError
from tardal_ros.pipeline import Meter
from tardal_ros.ros.diagnostics import meter_values
from tardal_ros.ros.messages import message_definition
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.process import run
from tardal_ros.ros.qos import latched, sensor_data

DISCOVERY_PERIOD = 0.2
# Seconds that publishers are given to appear before their absence is worth a word.
PATIENCE = 5.0
# Messages that may wait for the disk, and seconds given to them at the end.
BACKLOG = 128
LAST_WRITES = 0.7
TOPICS = (
    "visible/left/image_raw",
    "visible/left/camera_info",
    "infrared/left/image_raw",
    "infrared/left/camera_info",
    "registration/status",
    "registration/timing",
    "fusion/image",
    "fusion/camera_info",
    "fusion/timing",
    "detection/detections",
    "detection/label_info",
    "detection/timing",
    "/diagnostics",
)


# Topic, type, stamp, data, and whether the topic is latched.
Message = tuple[str, str, int, bytes, bool]


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of the recorder node."""

    path: str = parameter(
        "rig.mcap", "Bag file to write; an older one is replaced when this one is closed.", read_only=True
    )
    topics: tuple[str, ...] = parameter(TOPICS, "Topics to record, relative to the namespace.", read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class RecorderNode(RigNode[RecorderParameters]):
    """Records topics as they appear, without looking into the messages."""

    def __init__(self, **options: Any) -> None:
        super().__init__("recorder", RecorderParameters, **options)
        self.meter = Meter()
        self._waiting: queue.Queue[Message | None] = queue.Queue(BACKLOG)
        self._writer: threading.Thread | None = None
        self._give_up_at = math.inf
        self._missing: set[str] = set()
        self._since = 0.0
        self._recording: dict[str, Any] = {}
        self._discovery: Any = None

    @property
    def idle(self) -> bool:
        """Whether everything taken in so far has been written."""
        return self._waiting.unfinished_tasks == 0

    def configure(self) -> None:
        """Opens the bag, and starts to write in a thread of its own, since compressing an image takes its time."""
        bag = BagWriter(Path(self.parameters.path).expanduser(), message_definition)
        self._waiting = queue.Queue(BACKLOG)
        self._writer = threading.Thread(
            target=self._write_to, args=(bag, self._waiting), name="bag-writer", daemon=True
        )
        self._writer.start()

    def activate(self) -> None:
        """Begins to look for the topics."""
        self._since = time.monotonic()
        self._missing = {self.resolve_topic_name(topic) for topic in self.parameters.topics}
        self._discover()
        self._discovery = self.create_timer(
            DISCOVERY_PERIOD, self._discover, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def deactivate(self) -> None:
        """Stops recording."""
        if self._discovery is not None:
            self.destroy_timer(self._discovery)
            self._discovery = None
        while self._recording:
            self.destroy_subscription(self._recording.popitem()[1])

    def cleanup(self) -> None:
        """Closes the bag; from then on it is complete."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._waiting.put(None)
            writer.join()

    def halt(self) -> None:
        """Stops recording, and closes the bag with what can still be written in a moment."""
        super().halt()
        self._give_up_at = time.monotonic() + LAST_WRITES
        self.cleanup()

    def waits(self) -> list[str]:
        """Topics that nobody publishes so far."""
        if not self._missing or time.monotonic() - self._since < PATIENCE:
            return []
        return [f"waiting for {', '.join(sorted(self._missing))}: nobody publishes it"]

    def values(self) -> dict[str, str]:
        """Figures, and where the bag is."""
        return {"bag": self.parameters.path, "topics": str(len(self._recording)), **meter_values(self.meter.read())}

    def _discover(self) -> None:
        types = dict(self.get_topic_names_and_types())
        for topic in sorted(self._missing & set(types)):
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers:
                self._record(topic, types[topic][0], publishers[0].qos_profile)
                self._missing.discard(topic)

    def _record(self, topic: str, type_name: str, offered: QoSProfile) -> None:
        is_latched = offered.durability == DurabilityPolicy.TRANSIENT_LOCAL
        take = partial(self._take, topic, type_name, is_latched)
        qos = latched() if is_latched else sensor_data()
        self._recording[topic] = self.create_subscription(message_class(type_name), topic, take, qos, raw=True)

    def _take(self, topic: str, type_name: str, is_latched: bool, data: bytes) -> None:
        try:
            self._waiting.put_nowait((topic, type_name, self.get_clock().now().nanoseconds, data, is_latched))
        except queue.Full:
            self.meter.drop("disk too slow")

    def _write_to(self, bag: BagWriter, waiting: queue.Queue[Message | None]) -> None:
        while (message := waiting.get()) is not None:
            topic, type_name, stamp, data, is_latched = message
            if time.monotonic() > self._give_up_at:
                self.meter.drop("unwritten at the end")
            else:
                self._guarded_write(bag.write, topic, type_name, stamp, data, latched=is_latched)
            waiting.task_done()
        self._guarded_write(bag.close)

    def _guarded_write(self, write: Callable[..., None], *arguments: Any, **options: Any) -> None:
        begun = time.monotonic()
        try:
            write(*arguments, **options)
        except RigError as error:
            self.meter.error(str(error))
            self.report(error, "recording")
        else:
            self.meter.add(time.monotonic() - begun)


def message_class(type_name: str) -> Any:
    """The Python class of an interface such as `sensor_msgs/msg/Image`.

    Raises:
        RigError: Its package is not installed.
    """
    package, kind, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError):
        raise RigError(f"{type_name} is not installed: source the workspace that has {package}") from None


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [RecorderNode()], args)
