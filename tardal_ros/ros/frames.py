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
from tardal_ros.types import Frame, freeze

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

    def open(self) -> None:
        """Creates the publishers."""
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
        self._info: Any = None
        self._incompatible = ""
        self._subscriptions: list[Any] = []

    def open(self, deliver: Callable[[Frame], None]) -> None:
        """Subscribes."""
        compressed = self._transport() == "compressed"
        self._topic = f"{self._base}/{self._image}" + ("/compressed" if compressed else "")
        receive = partial(self._receive, deliver)
        self._subscribe(CompressedImage if compressed else Image, self._topic, receive)
        self._subscribe(CameraInfo, f"{self._base}/camera_info", self._take_info)

    def close(self) -> None:
        """Unsubscribes."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def waiting(self) -> str:
        """Why no image comes."""
        topic = self._node.resolve_topic_name(self._topic)
        if self._incompatible:
            return self._incompatible
        publishers = self._node.count_publishers(topic)
        return (
            f"{topic} has {publishers} publishers and no image arrives" if publishers else f"nobody publishes {topic}"
        )

    def _subscribe(self, message_type: type, topic: str, callback: Callable[[Any], None]) -> None:
        events = subscription_events(self._node, topic, self._mark_incompatible)
        self._subscriptions.append(
            self._node.create_subscription(
                message_type, topic, callback, sensor_data(), event_callbacks=events, **overridable()
            )
        )

    def _mark_incompatible(self, sentence: str) -> None:
        self._incompatible = sentence

    def _take_info(self, message: Any) -> None:
        try:
            self._info = from_camera_info(message)
        except RigError as error:
            self._node.report(RigError(f"{self._base}/camera_info: {error}"), "reading camera_info")

    def _receive(self, deliver: Callable[[Frame], None], message: Any) -> None:
        try:
            deliver(to_frame(message, self._info))
            self._incompatible = ""
        except RigError as error:
            self._node.report(RigError(f"{self._topic}: {error}"), "taking in an image")


def to_frame(message: Any, info: Any = None) -> Frame:
    """Decodes an Image or CompressedImage into a frame.

    Raises:
        RigError: The message does not hold an image that the rig understands.
    """
    header = message.header
    return Frame(freeze(images.decode(message)), to_stamp_ns(header.stamp), header.frame_id, info)


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
        node.say(
            f"a subscriber of {topic} asks for QoS that its publisher does not offer (policy "
            f"{policy_name(event)}): set qos_overrides or subscribe with sensor-data QoS"
        )

    return PublisherEventCallbacks(incompatible_qos=incompatible)


def subscription_events(
    node: RigNode[Any], topic: str, mark: Callable[[str], None] | None = None
) -> SubscriptionEventCallbacks:
    """Event callbacks that tell the user of a publisher whose QoS does not match."""

    def incompatible(event: Any) -> None:
        sentence = (
            f"the publisher of {node.resolve_topic_name(topic)} offers QoS that this subscription cannot take "
            f"(policy {policy_name(event)}): change qos_overrides on one side"
        )
        node.say(sentence)
        if mark:
            mark(sentence)

    return SubscriptionEventCallbacks(incompatible_qos=incompatible)


def policy_name(event: Any) -> str:
    """The policy that a QoS event complains of, such as RELIABILITY."""
    return str(qos_policy_name_from_kind(event.last_policy_kind))
