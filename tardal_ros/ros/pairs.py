"""Registered pairs on the wire: two images and a mask with one stamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from message_filters import Subscriber
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from tardal_ros.errors import RigError
from tardal_ros.registration.filter import SyncFilter
from tardal_ros.registration.sync import MILLISECOND, Synchronizer
from tardal_ros.ros.frames import subscription_events, to_frame
from tardal_ros.ros.messages import from_camera_info
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.qos import overridable, sensor_data
from tardal_ros.types import Pair, View

# The three messages of a pair leave their node together; what is not there after so long was lost on the way.
WAIT = 500 * MILLISECOND
POLL_PERIOD = 0.1


class PairSubscription:
    """Takes the images and the mask of registered pairs, matched by their stamp before they are decoded.

    Args:
        node: The node, which hears of images that cannot be decoded.
        base: Topic prefix.
        transport: `raw` or `compressed`.
    """

    def __init__(self, node: RigNode[Any], base: str, transport: Callable[[], str]) -> None:
        self._node = node
        self._base = base
        self._transport = transport
        self._info: Any = None
        self._incompatible = ""
        self._topics: dict[str, str] = {}
        self._subscriptions: list[Any] = []
        self._timer: Any = None
        self._filter: SyncFilter | None = None

    def open(self, deliver: Callable[[Pair], None]) -> None:
        """Subscribes."""
        compressed = self._transport() == "compressed"
        suffix, message_type = ("/compressed", CompressedImage) if compressed else ("", Image)
        self._topics = {
            "visible": f"{self._base}/visible/image{suffix}",
            "infrared": f"{self._base}/infrared/image{suffix}",
            "mask": f"{self._base}/mask{suffix}",
        }
        synchronizer: Synchronizer[Any] = Synchronizer("visible", ["infrared", "mask"], slop=0, wait=WAIT)
        inputs = {stream: self._subscriber(message_type, topic) for stream, topic in self._topics.items()}
        self._filter = SyncFilter(synchronizer, inputs, on_error=self._fail)
        self._filter.registerCallback(lambda *messages: deliver(self._decode(*messages)))
        info = self._subscriber(CameraInfo, f"{self._base}/visible/camera_info")
        info.registerCallback(self._take_info)
        self._subscriptions = [subscriber.sub for subscriber in (*inputs.values(), info)]
        self._timer = self._node.create_timer(
            POLL_PERIOD, self._filter.poll, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """Unsubscribes."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def waiting(self) -> str:
        """Why no pair comes."""
        if self._incompatible:
            return self._incompatible
        missing = [self._node.resolve_topic_name(topic) for topic in self._topics.values()]
        missing = [topic for topic in missing if not self._node.count_publishers(topic)]
        if missing:
            return f"nobody publishes {', '.join(missing)}"
        return f"no three messages of one stamp arrive on {', '.join(self._topics.values())}"

    def _subscriber(self, message_type: type, topic: str) -> Subscriber:
        events = subscription_events(self._node, topic, self._mark_incompatible)
        return Subscriber(
            self._node, message_type, topic, qos_profile=sensor_data(), event_callbacks=events, **overridable()
        )

    def _mark_incompatible(self, sentence: str) -> None:
        self._incompatible = sentence

    def _take_info(self, message: Any) -> None:
        try:
            self._info = from_camera_info(message)
        except RigError as error:
            self._fail(RigError(f"{self._base}/visible/camera_info: {error}"))

    def _decode(self, visible: Any, infrared: Any, mask: Any) -> Pair:
        self._incompatible = ""
        return Pair(View(to_frame(visible, self._info)), View(to_frame(infrared, self._info)), to_frame(mask).image)

    def _fail(self, error: Exception) -> None:
        self._node.report(error, "taking in a registered pair")
