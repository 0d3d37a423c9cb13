"""Registered pairs on the wire: two images and a mask with one stamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from message_filters import Subscriber
from rclpy.clock import Clock, ClockType

from tardal_ros.registration.filter import SyncFilter
from tardal_ros.registration.sync import MILLISECOND, Synchronizer
from tardal_ros.ros.frames import InfoSubscription, Subscriptions, image_type, to_frame
from tardal_ros.ros.node import RigNode
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
        self._info = InfoSubscription(node, f"{base}/visible/camera_info")
        self._topics: dict[str, str] = {}
        self._subscriptions = Subscriptions(node)
        self._timer: Any = None

    def open(self, deliver: Callable[[Pair], None]) -> None:
        """Subscribes."""
        message_type, suffix = image_type(self._transport())
        parts = {"visible": "visible/image", "infrared": "infrared/image", "mask": "mask"}
        self._topics = {stream: f"{self._base}/{part}{suffix}" for stream, part in parts.items()}
        synchronizer: Synchronizer[Any] = Synchronizer("visible", ["infrared", "mask"], slop=0, wait=WAIT)
        inputs = {stream: self._subscriber(message_type, topic) for stream, topic in self._topics.items()}
        pairs = SyncFilter(synchronizer, inputs, on_error=self._fail)
        pairs.registerCallback(lambda *messages: deliver(self._decode(*messages)))
        self._info.open(self._subscriptions)
        self._timer = self._node.create_timer(POLL_PERIOD, pairs.poll, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Unsubscribes."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
        self._subscriptions.close()

    def waiting(self) -> str:
        """Why no pair comes."""
        if incompatible := self._subscriptions.incompatible():
            return incompatible
        missing = [self._node.resolve_topic_name(topic) for topic in self._topics.values()]
        missing = [topic for topic in missing if not self._node.count_publishers(topic)]
        if missing:
            return f"nobody publishes {', '.join(missing)}"
        return f"no three messages of one stamp arrive on {', '.join(self._topics.values())}"

    def lacking(self) -> str:
        """What is missing although pairs come."""
        return self._info.lacking()

    def _subscriber(self, message_type: type, topic: str) -> Subscriber:
        subscriber = Subscriber(self._node, message_type, topic, **self._subscriptions.options(topic))
        self._subscriptions.adopt(subscriber.sub)
        return subscriber

    def _decode(self, visible: Any, infrared: Any, mask: Any) -> Pair:
        info = self._info.info
        return Pair(View(to_frame(visible, info)), View(to_frame(infrared, info)), to_frame(mask).image)

    def _fail(self, error: Exception) -> None:
        self._node.report(error, "taking in a registered pair")
