import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from tardal_ros.detection import node as module
from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.laps import Laps
from tardal_ros.detection.node import DetectionNode
from tardal_ros.errors import MissingDependencyError
from tardal_ros.ros import images
from tardal_ros.ros.messages import make_header
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import latched, results, sensor_data
from tardal_ros.types import CameraInfo, Frame, Fused, Pair, View, freeze

MS = 1_000_000
K = np.array([[50.0, 0, 32], [0, 50.0, 24], [0, 0, 1]])
BOX = [4, 3, 40, 30]


class TwoThings:
    """A model that finds a person and a car in one place, or nothing, and notes what it looks at."""

    names = ("person", "car")
    device = "cuda:7"

    def __init__(self, channels=3):
        self.channels = channels
        self.laps = Laps()
        self.count = 2
        self.looked_at = []

    def find(self, image):
        self.looked_at.append(image)
        found = Boxes(np.array([BOX, BOX], np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 1]))
        return found[: self.count]


class Bench:
    """A detection node fed by hand, as a linked fusion node would, and a peer that subscribes."""

    def __init__(self, context, wait_until, linked=True, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = DetectionNode(context=context, parameter_overrides=overrides)
        self.sender = Output(self.node, lambda _: None)
        if linked:
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

    def subscribe(self, message_type, topic, qos=None):
        received = []
        self.peer.create_subscription(message_type, topic, received.append, qos or sensor_data())
        return received

    def send_until(self, condition, camera_info=None):
        """Sends image after image until the condition holds."""

        def met():
            self._stamp += 100 * MS
            self.sender.send(make_item(self._stamp, camera_info))
            self.executor.spin_once(timeout_sec=0.02)
            return condition()

        self._wait_until(met)

    def publish_until(self, condition, topics):
        """Publishes images of one stamp, one of a grey level on each topic, until the condition holds."""
        publishers = {topic: self.peer.create_publisher(Image, topic, sensor_data()) for topic in topics}

        def met():
            self._stamp += 100 * MS
            for topic, publisher in publishers.items():
                publisher.publish(images.encode(grey(topics[topic]), make_header(self._stamp, "eye")))
            self.executor.spin_once(timeout_sec=0.02)
            return condition()

        self._wait_until(met)


def grey(level):
    return freeze(np.full((48, 64), level, np.uint8))


def make_item(stamp, camera_info=None):
    """A fused image of level 90, with its pair of levels 10 and 20."""
    frames = [Frame(grey(level), stamp, "eye", camera_info) for level in (90, 10, 20)]
    return Fused(frames[0], Pair(View(frames[1]), View(frames[2])))


@pytest.fixture
def make_bench(ros_context, wait_until, monkeypatch):
    made = []

    def make(channels=3, **parameters):
        model = TwoThings(channels)
        monkeypatch.setattr(module, "create_detector", lambda *_, **__: Detector(model))
        made.append(Bench(ros_context, wait_until, **{"tracker": "none", **parameters}))
        made[-1].model = model
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


def test_names_are_latched_before_the_first_detection(make_bench):
    bench = make_bench(confidence=0.5)
    order = []
    bench.peer.create_subscription(LabelInfo, "detection/label_info", order.append, latched())
    bench.peer.create_subscription(Detection2DArray, "detection/detections", order.append, results())
    bench.start()
    bench.send_until(lambda: any(isinstance(message, Detection2DArray) for message in order))
    assert isinstance(order[0], LabelInfo)
    assert [(one.class_id, one.class_name) for one in order[0].class_map] == [(0, "person"), (1, "car")]
    assert order[0].threshold == 0.5


def test_who_comes_late_gets_the_names_too(bench):
    bench.send_until(lambda: bench.found)
    received = bench.subscribe(LabelInfo, "detection/label_info", latched())
    bench.send_until(lambda: received)


def test_nothing_found_is_published_with_the_header_of_the_image(bench):
    received = bench.subscribe(Detection2DArray, "detection/detections", results())
    bench.model.count = 0
    bench.send_until(lambda: received)
    assert len(received[0].detections) == 0
    assert received[0].header.frame_id == "eye"
    assert received[0].header.stamp.nanosec % (100 * MS) == 0


def test_thresholds_change_while_running(bench):
    bench.send_until(lambda: bench.found and len(bench.found[-1]) == 2)
    for name, value in {"confidence": 0.85, "max_detections": 1}.items():
        old = bench.node.get_parameter(name).value
        assert bench.node.set_parameters([Parameter(name, value=value)])[0].successful
        bench.send_until(lambda: len(bench.found[-1]) == 1)
        assert bench.node.set_parameters([Parameter(name, value=old)])[0].successful
        bench.send_until(lambda: len(bench.found[-1]) == 2)


def test_tracks_go_into_the_messages_and_begin_anew_after_a_jump_back(make_bench):
    pytest.importorskip("trackers", reason="tracking needs trackers")
    bench = make_bench(tracker="auto", classes=["car"])
    bench.start()
    received = bench.subscribe(Detection2DArray, "detection/detections", results())
    bench.send_until(lambda: any(message.detections[0].id == "0" for message in received))
    assert bench.node.values()["tracker"] == "bytetrack"
    del received[:]
    bench._stamp = 0
    bench.send_until(lambda: any(message.detections[0].id == "1" for message in received))


def without_trackers(monkeypatch):
    def missing():
        raise MissingDependencyError("Tracking needs the library trackers.")

    monkeypatch.setattr(module, "Tracker", missing)


def test_without_the_library_the_rig_runs_and_says_that_it_does_not_track(make_bench, monkeypatch):
    without_trackers(monkeypatch)
    bench = make_bench(tracker="auto")
    bench.start()
    bench.send_until(lambda: bench.found)
    assert bench.found[-1].track_ids is None
    assert "boxes get no track ids: Tracking needs the library trackers." in bench.said
    assert bench.node.values()["tracker"] == "none"


def test_a_tracker_that_was_asked_for_must_be_there(make_bench, monkeypatch):
    without_trackers(monkeypatch)
    bench = make_bench(tracker="bytetrack")
    bench.start()
    assert "needs the library trackers" in bench.node.failure


@pytest.mark.parametrize(
    ("source", "channels", "levels"),
    [("fused", 3, {90}), ("visible", 3, {10}), ("infrared", 3, {20}), ("stack", 4, {10, 20})],
)
def test_in_the_rig_each_input_comes_with_the_fused_image(make_bench, source, channels, levels):
    bench = make_bench(channels, input=source)
    bench.start()
    received = bench.subscribe(Image, "detection/image")
    bench.send_until(lambda: received)
    assert set(bench.model.looked_at[0].flat) == levels
    drawn = images.decode(received[0])
    assert drawn[-1, -1].tolist() == [90 if source == "stack" else levels.pop()] * 3


@pytest.mark.parametrize(
    ("source", "channels", "topics"),
    [
        ("fused", 3, {"fusion/image": 90}),
        ("visible", 3, {"registration/visible/image": 10}),
        ("infrared", 3, {"registration/infrared/image": 20}),
        (
            "stack",
            4,
            {"registration/visible/image": 10, "registration/infrared/image": 20, "registration/mask": 255},
        ),
    ],
)
def test_each_input_has_its_topics(make_bench, source, channels, topics):
    bench = make_bench(channels, linked=False, input=source)
    bench.start()
    received = bench.subscribe(Detection2DArray, "detection/detections", results())
    bench.publish_until(lambda: received, topics)
    assert received[0].header.frame_id == "eye"
    assert set(bench.model.looked_at[0].flat) == set(topics.values()) - {255}
    subscribed = {topic for topic in (*topics, "fusion/image") if bench.peer.count_subscribers(topic)}
    assert subscribed == set(topics)


@pytest.mark.parametrize(
    ("source", "channels", "sentence"),
    [
        ("stack", 3, "weights/tardal_ct_detector.onnx takes 3: give weights of a four-channel model"),
        ("fused", 4, "set input to stack"),
    ],
)
def test_an_input_that_the_model_cannot_take_is_refused_at_configure(
    make_bench, wait_until, source, channels, sentence
):
    bench = make_bench(channels, input=source)
    bench.start()
    assert sentence in bench.node.failure
    wait_until(lambda: bench.node.state == "unconfigured")


def test_diagnostics_show_each_step(make_bench):
    pytest.importorskip("trackers", reason="tracking needs trackers")
    bench = make_bench(tracker="bytetrack")
    bench.start()
    bench.send_until(lambda: bench.found)
    values = bench.node.values()
    for step in ("nms", "tracking"):
        assert 0 < float(values[f"{step} p50 [ms]"]) <= float(values[f"{step} p95 [ms]"])
