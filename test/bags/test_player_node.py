import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("rosbags", reason="needs the rosbags library")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

from tardal_ros.bags.messages import Messages, definition
from tardal_ros.bags.player_node import PlayerNode
from tardal_ros.bags.writer import BagWriter
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import latched
from tardal_ros.types import Frame, freeze

MS = 1_000_000
START = 1_700_000_000_000 * MS


@pytest.fixture
def bag(tmp_path):
    """Twenty images, 20 ms apart, and a latched text before them."""
    messages = Messages()
    path = tmp_path / "drive" / "drive.mcap"
    with BagWriter(path, definition) as writer:
        for index in range(20):
            stamp = START + 20 * index * MS
            frame = Frame(freeze(np.full((4, 6), index, np.uint8)), stamp, "camera")
            if not index:
                type_name, data = messages.scene(frame, "street", "day")
                writer.write("/scene", type_name, stamp, data, latched=True)
            type_name, data = messages.image(frame)
            writer.write("/image", type_name, stamp, data)
    return path.parent


class Bench:
    """A player node and a peer that listens to it."""

    def __init__(self, context, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.ends = []
        self.node = PlayerNode(lambda: self.ends.append(True), context=context, parameter_overrides=overrides)
        self.peer = rclpy.create_node("peer", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.peer)
        self.heard = {"/image": [], "/scene": [], "/clock": []}
        self.process = Process([self.node], context)

    def listen(self, message_type, topic, qos=10):
        self.peer.create_subscription(message_type, topic, self.heard[topic].append, qos)

    def until(self, wait_until, condition, what):
        def met():
            self._executor.spin_once(timeout_sec=0.01)
            return condition()

        wait_until(met, what=what)

    @property
    def clock(self):
        return [message.clock.sec * 1000 * MS + message.clock.nanosec for message in self.heard["/clock"]]


@pytest.fixture
def play(ros_context):
    benches = []

    def make(**parameters):
        benches.append(Bench(ros_context, **parameters))
        benches[-1].process.start()
        return benches[-1]

    yield make
    for bench in benches:
        assert bench.process.end() == []


def test_plays_all_of_it_as_it_is_once_somebody_listens_and_tells_its_end(play, bag, wait_until):
    bench = play(bag=str(bag))
    bench.until(wait_until, bench.node.waits, "a word on what it waits for")
    assert "nobody takes" in bench.node.waits()[0]
    bench.listen(Clock, "/clock", 100)
    bench.listen(String, "/scene", latched())
    bench.listen(Image, "/image", qos_profile_sensor_data)
    bench.until(wait_until, lambda: bench.ends, "the end")
    values = [message.data[0] for message in bench.heard["/image"]]
    assert values == sorted(values) and len(values) >= 15
    assert bench.heard["/image"][-1].header.frame_id == "camera"
    assert "street" in bench.heard["/scene"][0].data
    assert bench.clock == sorted(bench.clock)
    assert bench.clock[0] >= START
    assert bench.clock[-1] <= START + 380 * MS
    assert bench.node.values()["played"] == "21"


def test_waits_for_the_topics_of_those_who_load_a_model(play, bag, wait_until):
    bench = play(bag=str(bag), wait_for=["fusion/image"])
    bench.listen(Image, "/image")
    bench.until(wait_until, bench.node.waits, "a word on what it waits for")
    assert bench.node.waits() == ["waiting for fusion/image: nobody publishes it yet"]
    assert bench.heard["/image"] == []
    bench.peer.create_publisher(Image, "/fusion/image", 1)
    bench.until(wait_until, lambda: bench.ends, "the end")
    assert bench.heard["/image"]


def test_some_topics_from_an_offset_on(play, bag, wait_until):
    bench = play(bag=str(bag), topics=["/image", "/not_there"], start_offset=0.2)
    bench.listen(Image, "/image")
    bench.listen(Clock, "/clock", 100)
    bench.until(wait_until, lambda: bench.ends, "the end")
    assert [message.data[0] for message in bench.heard["/image"]] == list(range(10, 20))
    assert bench.clock[0] >= START + 200 * MS
    assert bench.node.count_publishers("/scene") == 0


def test_latched_messages_of_the_part_left_out_come_first(play, bag, wait_until):
    bench = play(bag=str(bag), start_offset=0.3)
    bench.listen(String, "/scene", latched())
    bench.listen(Image, "/image")
    bench.until(wait_until, lambda: bench.ends and bench.heard["/scene"], "the end")
    assert bench.heard["/image"][0].data[0] == 15


def test_the_service_pauses_and_goes_on(play, bag, wait_until):
    bench = play(bag=str(bag), loop=True)
    bench.listen(Image, "/image")
    bench.until(wait_until, lambda: bench.heard["/image"], "an image")
    client = bench.peer.create_client(SetBool, "/player/pause")
    assert client.wait_for_service(10.0)

    def pause(value):
        answer = client.call_async(SetBool.Request(data=value))
        bench.until(wait_until, answer.done, "an answer")
        assert answer.result().success

    pause(True)
    assert "paused" in bench.node.waits()[0]
    played = bench.node._player.played
    pause(True)
    assert bench.node._player.played <= played + 1
    pause(False)
    bench.until(wait_until, lambda: bench.node._player.played > played + 1, "messages after the pause")
    assert bench.node.waits() == []


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere", "There is no bag"), ("drive/metadata.yaml", "is no bag")], ids=["missing", "no bag"]
)
def test_a_bag_that_cannot_be_read_is_named_and_the_node_lives(play, bag, wait_until, name, words):
    bench = play(bag=str(bag.parent / name))
    bench.until(wait_until, lambda: bench.node.failure, "a failure")
    assert words in bench.node.failure and name in bench.node.failure
    assert bench.ends == []


def test_a_bag_without_the_topics_lists_what_it_has(play, bag, wait_until):
    bench = play(bag=str(bag), topics=["/other"])
    bench.until(wait_until, lambda: bench.node.failure, "a failure")
    assert "/image (sensor_msgs/msg/Image)" in bench.node.failure


def test_it_plays_again_from_the_beginning_when_activated_again(play, bag, wait_until):
    bench = play(bag=str(bag))
    bench.listen(Image, "/image")
    bench.until(wait_until, lambda: len(bench.heard["/image"]) > 2, "images")
    bench.node.trigger_deactivate()
    bench.heard["/image"].clear()
    bench.node.trigger_activate()
    bench.until(wait_until, lambda: bench.ends, "the end")
    assert [message.data[0] for message in bench.heard["/image"]][-20:] == list(range(20))
