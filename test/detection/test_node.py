import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from tardal_ros.detection import node as module
from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.node import DetectionNode
from tardal_ros.ros import images
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import sensor_data
from tardal_ros.types import CameraInfo, Frame, Fused, freeze

MS = 1_000_000
K = np.array([[50.0, 0, 32], [0, 50.0, 24], [0, 0, 1]])
BOX = [4, 3, 40, 30]


class TwoThings:
    """A model that finds a person and a car in one place."""

    names = ("person", "car")
    device = "cuda:7"

    def find(self, image):
        return Boxes(np.array([BOX, BOX], np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 1]))


class Bench:
    """A detection node fed by hand, as a linked fusion node would, and a peer that subscribes."""

    def __init__(self, context, wait_until, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = DetectionNode(context=context, parameter_overrides=overrides)
        self.sender = Output(self.node, lambda _: None)
        self.node.fused.link(self.sender)
        self.found, self.said = [], []
        self.node.detected.link(lambda detected: self.found.append(detected.detections))
        say = self.node.say
        self.node.say = lambda sentence, **options: (self.said.append(sentence), say(sentence, **options))
        self.peer = rclpy.create_node("peer", context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.peer)
        self.process = Process([self.node], context)
        self._wait_until = wait_until
        self._stamp = 0

    def start(self):
        self.process.start()
        self._wait_until(lambda: self.node.active or self.node.failure)

    def subscribe(self, message_type, topic):
        received = []
        self.peer.create_subscription(message_type, topic, received.append, sensor_data())
        return received

    def send_until(self, condition, camera_info=None):
        """Sends image after image until the condition holds."""

        def met():
            self._stamp += 100 * MS
            image = freeze(np.full((48, 64), 90, np.uint8))
            self.sender.send(Fused(Frame(image, self._stamp, "eye", camera_info)))
            self.executor.spin_once(timeout_sec=0.02)
            return condition()

        self._wait_until(met)


@pytest.fixture
def make_bench(ros_context, wait_until, monkeypatch):
    made = []

    def make(**parameters):
        monkeypatch.setattr(module, "create_detector", lambda *_, **__: Detector(TwoThings()))
        made.append(Bench(ros_context, wait_until, **parameters))
        return made[-1]

    yield make
    for bench in made:
        bench.executor.shutdown()
        assert bench.process.end() == []


@pytest.fixture
def bench(make_bench):
    started = make_bench()
    started.start()
    return started


@pytest.mark.parametrize(
    ("kind", "topic"), [(Image, "detection/image"), (CompressedImage, "detection/image/compressed")]
)
def test_the_image_with_boxes_goes_out_raw_and_compressed(bench, kind, topic):
    received = bench.subscribe(kind, topic)
    bench.send_until(lambda: received)
    assert received[0].header.frame_id == "eye"
    assert received[0].header.stamp.nanosec % (100 * MS) == 0
    image = images.decode(received[0])
    assert image.shape == (48, 64, 3)
    assert np.ptp(image.astype(int), axis=2).max() > 100, "no coloured box"


def test_nothing_is_drawn_that_nobody_wants(bench, monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "draw", lambda *_: drawn.append(1))
    bench.send_until(lambda: len(bench.found) > 2)
    assert drawn == []


@pytest.mark.parametrize("camera_info", [None, CameraInfo(64, 48, np.zeros((3, 3)))], ids=["none", "zero K"])
def test_why_markers_stay_empty_is_said_once(bench, camera_info):
    received = bench.subscribe(MarkerArray, "detection/markers")
    bench.send_until(lambda: any("markers" in sentence for sentence in bench.said), camera_info)
    count = len(bench.found)
    bench.send_until(lambda: len(bench.found) > count + 3, camera_info)
    assert len([sentence for sentence in bench.said if "not calibrated" in sentence]) == 1
    assert received == []


def test_markers_of_a_calibrated_camera_need_no_words(bench):
    received = bench.subscribe(MarkerArray, "detection/markers")
    bench.send_until(lambda: received, CameraInfo(64, 48, K))
    assert received[0].markers
    assert not any("markers" in sentence for sentence in bench.said)


def test_classes_change_while_running(bench):
    bench.send_until(lambda: bench.found)
    assert bench.found[-1].class_ids.tolist() == [0, 1]
    assert bench.node.set_parameters([Parameter("classes", value=["car"])])[0].successful
    bench.send_until(lambda: bench.found[-1].class_ids.tolist() == [1])
    assert bench.node.set_parameters([Parameter("classes", value=[""])])[0].successful
    bench.send_until(lambda: bench.found[-1].class_ids.tolist() == [0, 1])


def test_a_class_that_the_model_lacks_is_refused_and_changes_nothing(bench):
    changes = [Parameter("classes", value=["dog"]), Parameter("confidence", value=0.95)]
    result = bench.node.set_parameters_atomically(changes)
    assert not result.successful
    assert "no class 'dog'; it has person, car" in result.reason
    assert bench.node.parameters.classes == ("",)
    bench.send_until(lambda: bench.found)
    assert len(bench.found[-1]) == 2


def test_a_class_that_the_model_lacks_is_named_at_the_start(make_bench, wait_until):
    bench = make_bench(classes=["dog"])
    bench.start()
    assert "no class 'dog'; it has person, car" in bench.node.failure
    wait_until(lambda: bench.node.state == "unconfigured")


def test_diagnostics_name_the_device_used(make_bench):
    bench = make_bench(device="auto")
    assert bench.node.values()["device"] == "none"
    bench.start()
    assert bench.node.values()["device"] == "cuda:7"
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    assert bench.node.values()["device"] == "none"
