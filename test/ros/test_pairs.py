import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from tardal_ros.fusion.node import FusionNode
from tardal_ros.registration.node import PairPublisher
from tardal_ros.ros import images
from tardal_ros.ros.frames import sensor_data
from tardal_ros.ros.messages import make_header
from tardal_ros.ros.pairs import PairSubscription
from tardal_ros.ros.process import Process
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

MS = 1_000_000
TOPICS = ("registration/visible/image", "registration/infrared/image", "registration/mask")


@pytest.fixture
def make_node(ros_context):
    """A node that only carries the subscription, spun in the background; its complaints are in `reported`."""
    processes = []

    def make(**parameters):
        overrides = [Parameter(name, value=value) for name, value in {"autostart": False, **parameters}.items()]
        node = FusionNode(context=ros_context, parameter_overrides=overrides)
        node.reported = []
        node.report = lambda error, doing: node.reported.append(str(error))
        processes.append(Process([node], ros_context))
        processes[-1].start()
        return node

    yield make
    for process in processes:
        assert process.end() == []


@pytest.fixture
def peer(ros_context):
    return rclpy.create_node("peer", context=ros_context)


def make_pair(stamp):
    colour = np.zeros((24, 32, 3), np.uint8)
    colour[:, 16:] = (0, 120, 240)
    half = np.zeros((24, 32), np.uint8)
    half[:, :16] = 255
    k = np.array([[500.0, 0, 16], [0, 500.0, 12], [0, 0, 1]])
    visible = Frame(freeze(colour), stamp, "visible_left_optical_frame", CameraInfo(32, 24, k))
    infrared = Frame(freeze(colour[..., 1].copy()), stamp + 3 * MS, "visible_left_optical_frame")
    return Pair(View(visible), View(infrared), freeze(half))


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_pairs_cross_the_wire_with_one_stamp_and_their_mask(make_node, peer, wait_until, transport):
    node = make_node()
    publisher = PairPublisher(peer)
    publisher.open()
    subscription = PairSubscription(node, "registration", lambda: transport)
    received = []
    subscription.open(received.append)
    stamp = iter(range(1000 * MS, 1 << 62, 100 * MS))

    def arrived():
        publisher.publish(make_pair(next(stamp)))
        return received and received[-1].visible.left.camera_info is not None

    wait_until(arrived)
    got, sent = received[-1], make_pair(0)
    assert got.infrared.left.stamp == got.stamp
    assert got.visible.left.frame_id == "visible_left_optical_frame"
    assert np.array_equal(got.mask, sent.mask)
    assert got.infrared.left.image.ndim == 2
    assert not any(array.flags.writeable for array in (got.mask, got.visible.left.image, got.infrared.left.image))
    difference = got.visible.left.image.astype(int) - sent.visible.left.image
    assert np.abs(difference).mean() < (1 if transport == "raw" else 12)
    assert node.reported == []
    subscription.close()


def test_a_bad_image_costs_its_pair_and_the_next_one_is_taken(make_node, peer, wait_until):
    node = make_node()
    subscription = PairSubscription(node, "registration", lambda: "raw")
    received = []
    subscription.open(received.append)
    publishers = [peer.create_publisher(Image, topic, sensor_data()) for topic in TOPICS]
    wait_until(lambda: all(publisher.get_subscription_count() for publisher in publishers))

    def publish(stamp, encoding):
        for index, publisher in enumerate(publishers):
            message = images.encode(np.zeros((24, 32), np.uint8), make_header(stamp, "camera"))
            message.encoding = encoding if index == 1 else "mono8"
            publisher.publish(message)

    stamps = iter(range(1000 * MS, 1 << 62, 100 * MS))

    def refused():
        publish(next(stamps), "nonsense8")
        return node.reported

    wait_until(refused)
    assert "nonsense8" in node.reported[0]
    assert received == []

    def taken():
        publish(next(stamps), "mono8")
        return received

    wait_until(taken)
    subscription.close()


def test_waiting_names_the_topics_that_nobody_publishes(make_node, peer, wait_until):
    node = make_node()
    subscription = PairSubscription(node, "registration", lambda: "raw")
    subscription.open(lambda _: None)
    assert subscription.waiting() == f"nobody publishes {', '.join(f'/{topic}' for topic in TOPICS)}"
    for topic in TOPICS[:2]:
        peer.create_publisher(Image, topic, sensor_data())
    wait_until(lambda: subscription.waiting() == "nobody publishes /registration/mask")
    peer.create_publisher(Image, TOPICS[2], sensor_data())
    wait_until(lambda: "no three messages of one stamp" in subscription.waiting())
    subscription.close()


def test_incompatible_qos_is_named(make_node, peer, wait_until):
    node = make_node(**{"qos_overrides./registration/mask.subscription.reliability": "reliable"})
    subscription = PairSubscription(node, "registration", lambda: "raw")
    subscription.open(lambda _: None)
    peer.create_publisher(Image, TOPICS[2], QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    wait_until(lambda: "RELIABILITY" in subscription.waiting())
    assert "/registration/mask" in subscription.waiting()
    subscription.close()
