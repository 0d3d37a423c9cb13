"""The recorder node: topics in, a bag out."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile

from tardal_ros.errors import RigError
from tardal_ros.evaluation.bags import BagWriter
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
        self._bag: BagWriter | None = None
        self._missing: set[str] = set()
        self._since = 0.0
        self._recording: dict[str, Any] = {}
        self._discovery: Any = None

    def configure(self) -> None:
        """Opens the bag."""
        self._bag = BagWriter(Path(self.parameters.path).expanduser(), message_definition)

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
        bag, self._bag = self._bag, None
        if bag is not None:
            bag.close()

    def halt(self) -> None:
        """Stops recording and closes the bag first, whatever else may take its time."""
        super().halt()
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
        qos = latched() if is_latched else sensor_data()
        qos.depth = 50  # a slow disk must not cost messages at once
        write = partial(self._write, topic, type_name, is_latched)
        self._recording[topic] = self.create_subscription(message_class(type_name), topic, write, qos, raw=True)

    def _write(self, topic: str, type_name: str, is_latched: bool, data: bytes) -> None:
        if self._bag is None:
            return
        try:
            self._bag.write(topic, type_name, self.get_clock().now().nanoseconds, data, latched=is_latched)
        except RigError as error:
            self.meter.error(str(error))
            self.report(error, "recording")
        else:
            self.meter.add(0.0)


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
