"""Frames on the wire: an image, its compressed form and the camera_info beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.qos import qos_policy_name_from_kind
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from tardal_ros.errors import RigError
from tardal_ros.ros import images
from tardal_ros.ros.messages import from_camera_info, make_header, to_camera_info, to_stamp_ns
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.qos import overridable, sensor_data
from tardal_ros.types import CameraInfo as Geometry
from tardal_ros.types import Frame

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble's name for it
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks


class FramePublisher:
    """Publishes frames as `<base>/<image>`, `<base>/<image>/compressed` and `<base>/camera_info`.

    Nothing is encoded that nobody subscribes to.

    Args:
        node: The node that owns the topics.
        base: Topic prefix.
        image: The image topic's last part.
        camera_info: Whether there is a camera_info topic.
        lossless: Whether the compressed form of 8-bit images must be exact too; 16-bit images always are.
    """

    def __init__(
        self, node: RigNode[Any], base: str, image: str = "image", *, camera_info: bool = True, lossless: bool = False
    ) -> None:
        self._node = node
        self._lossless = lossless
        self._topic = f"{base}/{image}"
        self._info_topic = f"{base}/camera_info" if camera_info else ""
        self._raw: Any = None
        self._compressed: Any = None
        self._info: Any = None

    @property
    def wanted(self) -> bool:
        """Whether somebody subscribes to the image, raw or compressed."""
        return wanted(self._raw) or wanted(self._compressed)

    def open(self) -> None:
        """Creates the publishers."""
        self.close()
        self._raw = self._create(Image, self._topic)
        self._compressed = self._create(CompressedImage, f"{self._topic}/compressed")
        self._info = self._create(CameraInfo, self._info_topic) if self._info_topic else None

    def close(self) -> None:
        """Destroys the publishers."""
        for publisher in (self._raw, self._compressed, self._info):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
        self._raw = self._compressed = self._info = None

    def publish(self, frame: Frame) -> None:
        """Publishes one frame to whoever subscribes."""
        header = partial(make_header, frame.stamp, frame.frame_id)
        if wanted(self._info):
            self._info.publish(geometry(frame, header()))
        if wanted(self._raw):
            self._raw.publish(images.encode(frame.image, header()))
        if wanted(self._compressed):
            compression = "png" if self._lossless or frame.image.dtype.itemsize > 1 else "jpeg"
            self._compressed.publish(images.encode_compressed(frame.image, header(), compression))

    def _create(self, message_type: type, topic: str) -> Any:
        return self._node.create_publisher(
            message_type, topic, sensor_data(), event_callbacks=publisher_events(self._node, topic), **overridable()
        )


class Subscriptions:
    """The subscriptions of one input: opened by `add`, closed together; an exception in a callback costs one message.

    Args:
        node: The node that owns them, and hears of failures.
    """

    def __init__(self, node: RigNode[Any]) -> None:
        self._node = node
        self._open: list[Any] = []
        self._topics: list[str] = []

    def add(self, message_type: type, topic: str, callback: Callable[[Any], None]) -> None:
        """Subscribes; `callback` is called with each message."""
        options = self.options(topic)
        self.adopt(self._node.create_subscription(message_type, topic, self.guarded(topic, callback), **options))

    def adopt(self, subscription: Any) -> None:
        """Takes over a subscription that was made elsewhere with `options`."""
        self._open.append(subscription)

    def options(self, topic: str) -> dict[str, Any]:
        """Keyword arguments that every subscription of the rig is made with."""
        name = self._node.resolve_topic_name(topic)
        self._topics.append(name)
        events = subscription_events(self._node, name)
        return {"qos_profile": sensor_data(), "event_callbacks": events, **overridable()}

    def guarded(self, topic: str, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """The callback, with whatever it raises told by its topic."""

        def call(message: Any) -> None:
            try:
                callback(message)
            except RigError as error:
                self._node.report(RigError(f"{topic}: {error}"), "taking in a message")
            except Exception as error:
                self._node.report(error, f"taking in a message of {topic}")

        return call

    def close(self) -> None:
        """Unsubscribes, and forgets what was known of the publishers."""
        while self._open:
            self._node.destroy_subscription(self._open.pop())
        while self._topics:
            self._node.qos_problems.pop(self._topics.pop(), None)

    def incompatible(self) -> str:
        """A sentence on a publisher whose QoS does not match, or an empty string."""
        return next((self._node.qos_problems[topic] for topic in self._topics if topic in self._node.qos_problems), "")


class InfoSubscription:
    """The newest camera_info of one camera.

    Attributes:
        info: The camera's geometry; None as long as it is unknown, and where the camera is uncalibrated.
    """

    def __init__(self, node: RigNode[Any], topic: str) -> None:
        self._node = node
        self._topic = topic
        self._heard = False
        self.info: Geometry | None = None

    def open(self, subscriptions: Subscriptions) -> None:
        """Subscribes."""
        self._heard = False
        self.info = None
        subscriptions.add(CameraInfo, self._topic, self._take)

    def lacking(self) -> str:
        """A sentence where nothing was heard, or an empty string."""
        name = self._node.resolve_topic_name(self._topic)
        return "" if self._heard else f"images come, but no camera_info on {name}: the camera counts as uncalibrated"

    def _take(self, message: Any) -> None:
        self._heard = True
        self.info = from_camera_info(message)


class FrameSubscription:
    """Takes frames from `<base>/<image>` or its compressed form, with the newest camera_info.

    Args:
        node: The node, which hears of images that cannot be decoded.
        base: Topic prefix.
        image: The image topic's last part.
        transport: `raw` or `compressed`.
    """

    def __init__(self, node: RigNode[Any], base: str, image: str, transport: Callable[[], str]) -> None:
        self._node = node
        self._base = base
        self._image = image
        self._transport = transport
        self._topic = ""
        self._info = InfoSubscription(node, f"{base}/camera_info")
        self._subscriptions = Subscriptions(node)

    def open(self, deliver: Callable[[Frame], None]) -> None:
        """Subscribes."""
        message_type, suffix = image_type(self._transport())
        self._topic = f"{self._base}/{self._image}{suffix}"
        self._subscriptions.add(message_type, self._topic, lambda m: deliver(to_frame(m, self._info.info)))
        self._info.open(self._subscriptions)

    def close(self) -> None:
        """Unsubscribes."""
        self._subscriptions.close()

    def waiting(self) -> str:
        """Why no image comes."""
        if incompatible := self._subscriptions.incompatible():
            return incompatible
        topic = self._node.resolve_topic_name(self._topic)
        publishers = self._node.count_publishers(topic)
        return (
            f"{topic} has {publishers} publishers and no image arrives" if publishers else f"nobody publishes {topic}"
        )

    def lacking(self) -> str:
        """What is missing although images come."""
        return self._info.lacking()


def image_type(transport: str) -> tuple[type, str]:
    """The message type of an image topic, and what its name ends in, for `raw` or `compressed`."""
    return (CompressedImage, "/compressed") if transport == "compressed" else (Image, "")


def to_frame(message: Any, info: Geometry | None = None) -> Frame:
    """Decodes an Image or CompressedImage into a frame.

    Raises:
        RigError: The message does not hold an image that the rig understands.
    """
    header = message.header
    return Frame(images.decode(message), to_stamp_ns(header.stamp), header.frame_id, info)


def geometry(frame: Frame, header: Any) -> CameraInfo:
    """The frame's camera_info; REP-104 marks an uncalibrated camera by a K of zeros."""
    if frame.camera_info is None:
        return CameraInfo(header=header, width=frame.size[0], height=frame.size[1])
    return to_camera_info(frame.camera_info, header)


def wanted(publisher: Any) -> bool:
    """Whether a publisher exists and somebody listens."""
    return publisher is not None and publisher.get_subscription_count() > 0


def publisher_events(node: RigNode[Any], topic: str) -> PublisherEventCallbacks:
    """Event callbacks that tell the user of a subscriber whose QoS does not match."""

    def incompatible(event: Any) -> None:
        node.tell_qos_problem(
            node.resolve_topic_name(topic),
            f"a subscriber of {node.resolve_topic_name(topic)} asks for QoS that its publisher does not offer (policy "
            f"{policy_name(event)}): set qos_overrides or subscribe with sensor-data QoS",
        )

    return PublisherEventCallbacks(incompatible_qos=incompatible)


def subscription_events(node: RigNode[Any], topic: str) -> SubscriptionEventCallbacks:
    """Event callbacks that tell the user of a publisher whose QoS does not match."""

    def incompatible(event: Any) -> None:
        node.tell_qos_problem(
            topic,
            f"the publisher of {topic} offers QoS that this subscription cannot take "
            f"(policy {policy_name(event)}): change qos_overrides on one side",
        )

    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def policy_name(event: Any) -> str:
    """The policy that a QoS event complains of, such as RELIABILITY."""
    return str(qos_policy_name_from_kind(event.last_policy_kind))
