import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo as CameraInfoMessage
from sensor_msgs.msg import Image

from tardal_ros.ros import frames
from tardal_ros.ros.frames import FramePublisher, FrameSubscription
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Input, Output
from tardal_ros.ros.process import Process
from tardal_ros.ros.stage_node import RigNode
from tardal_ros.types import CameraInfo, Frame, freeze


class Bare(RigNode):
    """A node that only carries ports."""

    def __init__(self, name, context, **options):
        from dataclasses import make_dataclass

        parameters = make_dataclass(
            "Parameters", [("autostart", bool, parameter(False, "Start at once.", read_only=True))], frozen=True
        )
        super().__init__(name, parameters, context=context, **options)
        self.reported = []

    def report(self, error, doing):
        self.reported.append(str(error))


@pytest.fixture
def node(ros_context):
    bare = Bare("bare", ros_context)
    process = Process([bare], ros_context)
    process.start()
    yield bare
    assert process.end() == []


@pytest.fixture
def peer(ros_context):
    """Another node, spun by `peer.until`."""
    other = rclpy.create_node("peer", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(other)

    def until(condition, wait_until):
        def spun():
            executor.spin_once(timeout_sec=0.02)
            return condition()

        wait_until(spun)

    other.until = until
    yield other
    executor.shutdown()


def camera():
    k = np.array([[500.0, 0, 16], [0, 500.0, 12], [0, 0, 1]])
    return CameraInfo(32, 24, k)


def frame(stamp=5, dtype=np.uint8, shape=(24, 32, 3), info=None):
    image = (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)
    return Frame(freeze(image), stamp, "visible_left_optical_frame", info)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
@pytest.mark.parametrize(("dtype", "shape"), [(np.uint8, (24, 32, 3)), (np.uint8, (24, 32)), (np.uint16, (24, 32))])
def test_frames_cross_the_wire(node, ros_context, wait_until, transport, dtype, shape):
    publisher = FramePublisher(node, "cam", "image_raw")
    publisher.open()
    subscription = FrameSubscription(node, "cam", "image_raw", lambda: transport)
    received = []
    subscription.open(received.append)
    sent = frame(1_500_000_007, dtype, shape, camera())

    def arrived():
        publisher.publish(sent)
        return received and received[-1].camera_info is not None

    wait_until(arrived)
    got = received[-1]
    assert (got.stamp, got.frame_id, got.image.shape, got.image.dtype) == (sent.stamp, sent.frame_id, shape, dtype)
    assert not got.image.flags.writeable
    assert np.allclose(got.camera_info.k, camera().k)
    if transport == "raw" or dtype == np.uint16:
        assert np.array_equal(got.image, sent.image)
    subscription.close()
    publisher.close()
    assert node.reported == []


def test_nothing_is_encoded_that_nobody_wants(node, monkeypatch):
    publisher = FramePublisher(node, "cam")
    publisher.open()
    monkeypatch.setattr(frames.images, "encode", lambda *_: pytest.fail("encoded for nobody"))
    monkeypatch.setattr(frames.images, "encode_compressed", lambda *_: pytest.fail("encoded for nobody"))
    publisher.publish(frame())


def test_uncalibrated_camera_is_marked_as_in_rep_104(node, peer, wait_until):
    publisher = FramePublisher(node, "cam")
    publisher.open()
    infos = []
    peer.create_subscription(CameraInfoMessage, "cam/camera_info", infos.append, frames.sensor_data())

    def arrived():
        publisher.publish(frame())
        return infos

    peer.until(arrived, wait_until)
    assert (infos[0].width, infos[0].height) == (32, 24)
    assert not np.any(infos[0].k)


def test_bad_image_is_reported_with_its_topic_and_the_next_one_taken(node, peer, wait_until):
    subscription = FrameSubscription(node, "cam", "image_raw", lambda: "raw")
    received = []
    subscription.open(received.append)
    publisher = peer.create_publisher(Image, "cam/image_raw", 5)
    bad = Image(width=4, height=4, encoding="nonsense8", step=4, data=bytes(16))
    short = Image(width=4, height=4, encoding="mono8", step=4, data=bytes(7))
    good = Image(width=4, height=4, encoding="mono8", step=4, data=bytes(16))

    def refused():
        publisher.publish(bad)
        publisher.publish(short)
        return len(node.reported) >= 2

    wait_until(refused)
    assert any("cam/image_raw" in text and "nonsense8" in text for text in node.reported)
    publisher.publish(good)
    wait_until(lambda: received)
    subscription.close()


def test_waiting_names_what_is_missing(node, peer, wait_until):
    subscription = FrameSubscription(node, "cam", "image_raw", lambda: "raw")
    subscription.open(lambda _: None)
    assert subscription.waiting() == "nobody publishes /cam/image_raw"
    peer.create_publisher(Image, "cam/image_raw", 5)
    wait_until(lambda: "1 publishers and no image" in subscription.waiting())
    subscription.close()


def test_incompatible_qos_is_named(ros_context, peer, wait_until):
    from rclpy.parameter import Parameter

    override = Parameter("qos_overrides./cam/image_raw.subscription.reliability", value="reliable")
    node = Bare("strict", ros_context, parameter_overrides=[override])
    process = Process([node], ros_context)
    process.start()
    subscription = FrameSubscription(node, "cam", "image_raw", lambda: "raw")
    subscription.open(lambda _: None)
    peer.create_publisher(Image, "cam/image_raw", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    wait_until(lambda: "RELIABILITY" in subscription.waiting())
    assert "/cam/image_raw" in subscription.waiting()
    assert process.end() == []


def test_linked_items_go_by_reference_and_a_failing_receiver_starves_nobody(node):
    published, taken = [], []
    output = Output(node, published.append)
    taker = Input("frames", taken.append, FrameSubscription(node, "cam", "image", lambda: "raw"))
    output.link(lambda _: 1 / 0)
    taker.link(output)
    output.send("early")
    assert taken == []
    taker.open()
    item = object()
    output.send(item)
    assert taken[-1] is item
    assert published[-1] is item
    assert "division" in node.reported[0]
    taker.close()
    output.send("late")
    assert taken == [item]


def test_linked_input_does_not_subscribe(node):
    taker = Input("frames", lambda _: None, FrameSubscription(node, "cam", "image_raw", lambda: "raw"))
    taker.link(Output(node, lambda _: None))
    taker.open()
    assert node.count_subscribers("/cam/image_raw") == 0
    assert taker.waiting() == ""
    taker.close()


def test_a_camera_without_camera_info_is_named_while_its_images_come(node, peer, wait_until, monkeypatch):
    monkeypatch.setattr("tardal_ros.ros.ports.SILENCE", 0.2)
    taken = []
    taker = Input("cam", taken.append, FrameSubscription(node, "cam", "image_raw", lambda: "raw"))
    taker.open()
    images = peer.create_publisher(Image, "cam/image_raw", 5)
    infos = peer.create_publisher(CameraInfoMessage, "cam/camera_info", 5)

    def named():
        images.publish(Image(width=4, height=4, encoding="mono8", step=4, data=bytes(16)))
        return "no camera_info on /cam/camera_info" in taker.waiting()

    wait_until(named)
    assert taken

    def heard():
        images.publish(Image(width=4, height=4, encoding="mono8", step=4, data=bytes(16)))
        infos.publish(CameraInfoMessage(width=4, height=4))
        return taker.waiting() == ""

    wait_until(heard)
    taker.close()


def test_reopening_does_not_leave_publishers_behind(node, wait_until):
    publisher = FramePublisher(node, "cam")
    publisher.open()
    publisher.open()
    wait_until(lambda: node.count_publishers("/cam/image") == 1)
    publisher.close()
    wait_until(lambda: node.count_publishers("/cam/image") == 0)
