"""Whole nodes against bad input: the sentence that the user gets, and that the node goes on."""

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from tardal_ros.bags.node import RecorderNode
from tardal_ros.calibration.rig_file import dump_rig, load_rig
from tardal_ros.capture.node import CaptureNode
from tardal_ros.detection.node import DetectionNode
from tardal_ros.fusion.node import FusionNode
from tardal_ros.registration.node import RegistrationNode
from tardal_ros.ros.frames import FrameSubscription
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import sensor_data
from tardal_ros.types import Frame, Fused, Pair, View, freeze

MS = 1_000_000
REPOSITORY = Path(__file__).resolve().parents[2]


class Running:
    """A node that runs, its inputs fed by hand as linked nodes would, its results and complaints kept."""

    def __init__(self, node, context):
        self.node = node
        self.results, self.errors, self.said = [], [], []
        self.senders = {port.name: Output(node, lambda _: None) for port in getattr(node, "inputs", ())}
        for port in getattr(node, "inputs", ()):
            port.link(self.senders[port.name])
        report, say = node.report, node.say
        node.report = lambda error, doing: (self.errors.append(str(error)), report(error, doing))
        node.say = lambda sentence, **options: (self.said.append(sentence), say(sentence, **options))
        self.process = Process([node], context)
        self.process.start()


@pytest.fixture
def run(ros_context, wait_until):
    """Runs a node with these parameters; waits until it is active or has failed, and ends it with the test."""
    started = []

    def run_one(node_class, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        running = Running(node_class(context=ros_context, parameter_overrides=overrides), ros_context)
        started.append(running)
        wait_until(lambda: running.node.active or (running.node.failure and running.node.state == "unconfigured"))
        for port in ("pairs", "fused", "detected"):
            if isinstance(output := getattr(running.node, port, None), Output):
                output.link(running.results.append)
        return running

    yield run_one
    for running in started:
        assert running.process.end() == []


def grey(height=24, width=32, level=90):
    return freeze(np.full((height, width), level, np.uint8))


def make_pair(stamp, visible, infrared=None, mask=None):
    infrared = visible if infrared is None else infrared
    frames = [Frame(image, stamp, "camera_optical_frame") for image in (visible, infrared)]
    return Pair(View(frames[0]), View(frames[1]), mask)


def feed(running, stamp, image):
    """Gives a stage node one item of its kind, made of one grey image."""
    if isinstance(running.node, RegistrationNode):
        for stream in ("visible/left", "infrared/left"):
            running.senders[stream].send(Frame(image, stamp, "camera_optical_frame"))
    elif isinstance(running.node, FusionNode):
        running.senders["registered pairs"].send(make_pair(stamp, image))
    else:
        running.senders["fused images"].send(Fused(Frame(image, stamp, "camera_optical_frame")))


STAGES = pytest.mark.parametrize("node_class", [RegistrationNode, FusionNode, DetectionNode])


@STAGES
def test_an_exception_in_a_stage_is_told_and_costs_one_item(run, wait_until, node_class):
    running = run(node_class)
    stage = running.node.worker.stage
    process = stage.process
    stage.process = lambda item: 1 / 0
    feed(running, 1000 * MS, grey())
    wait_until(lambda: running.node.failure)
    assert running.node.failure == f"ZeroDivisionError while running {running.node.get_name()}: division by zero"
    stage.process = process
    feed(running, 1100 * MS, grey())
    wait_until(lambda: running.results, what=f"a result; errors {running.errors}")
    assert running.node.worker.meter.read().errors == 1


@STAGES
def test_zero_sized_images_in_mid_stream_cost_only_themselves(run, wait_until, node_class):
    running = run(node_class, **({"wait": 0.05} if node_class is RegistrationNode else {}))
    feed(running, 1000 * MS, grey())
    wait_until(lambda: len(running.results) == 1)
    feed(running, 1100 * MS, freeze(np.zeros((0, 0), np.uint8)))
    wait_until(lambda: running.errors, what="a word about the empty image")
    feed(running, 1200 * MS, grey())
    wait_until(lambda: len(running.results) == 2, what=f"a result; errors {running.errors}")


@STAGES
def test_sizes_that_change_in_mid_stream_are_followed(run, wait_until, node_class):
    running = run(node_class)
    sizes = [(24, 32), (48, 20), (7, 5), (24, 32)]
    for index, size in enumerate(sizes):
        feed(running, (1000 + 100 * index) * MS, grey(*size))
        wait_until(lambda count=index + 1: len(running.results) == count, what=f"a result; {running.errors}")
    assert running.errors == []


def test_a_pair_of_two_sizes_reaches_no_fuser(run, wait_until):
    running = run(FusionNode)
    running.senders["registered pairs"].send(make_pair(1000 * MS, grey(), grey(12, 16)))
    running.senders["registered pairs"].send(make_pair(1000 * MS, grey(), mask=grey(12, 16)))
    wait_until(lambda: running.errors)
    assert "(12, 16)" in running.errors[0]
    wait_until(lambda: running.node.worker.meter.read().errors + running.node.drops().get("replaced", 0) == 2)
    feed(running, 1100 * MS, grey())
    wait_until(lambda: running.results)


class Attack:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def truncated(path):
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.save({"weight": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:-700])


def of_another_network(path):
    torch = pytest.importorskip("torch", reason="needs torch")
    torch.save({"layer.weight": torch.zeros(3)}, path)


def pickled(path):
    path.write_bytes(pickle.dumps(Attack(path.with_name("was_run"))))


WEIGHTS = {
    "missing": (lambda path: None, "does not exist"),
    "truncated": (truncated, "damaged"),
    "of another network": (of_another_network, "not for TarDAL's generator"),
    "a pickle": (pickled, "could run code"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_bad_weights_are_named_and_the_fusion_node_lives(run, tmp_path, kind):
    pytest.importorskip("torch", reason="needs torch")
    path = tmp_path / "weights.pth"
    make, words = WEIGHTS[kind]
    make(path)
    running = run(FusionNode, fuser="tardal", weights=str(path), device="cpu")
    assert str(path) in running.node.failure
    assert words in running.node.failure
    assert running.node.state == "unconfigured"
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    ("kind", "trust", "words"),
    [
        ("missing", False, "do not exist"),
        ("a pickle", False, "can run code"),
        ("truncated", False, "not trusted"),
        ("truncated", True, "no ultralytics checkpoint"),
        ("of another network", True, "no ultralytics checkpoint"),
    ],
)
def test_bad_weights_are_named_and_the_detection_node_lives(run, tmp_path, kind, trust, words):
    if trust:
        pytest.importorskip("ultralytics", reason="needs ultralytics")
    path = tmp_path / "weights.pt"
    WEIGHTS[kind][0](path)
    running = run(DetectionNode, weights=str(path), trust_weights=trust, device="cpu")
    assert str(path) in running.node.failure
    assert words in running.node.failure
    assert running.node.state == "unconfigured"
    assert not (tmp_path / "was_run").exists()


def test_a_node_takes_good_weights_after_bad_ones(run, tmp_path, wait_until, monkeypatch):
    pytest.importorskip("torch", reason="needs torch")
    from tardal_ros.fusion import node

    running = run(FusionNode, fuser="tardal", weights=str(tmp_path / "late.pth"), device="cpu")
    assert "does not exist" in running.node.failure
    create = node.create_fuser
    monkeypatch.setattr(node, "create_fuser", lambda *_, **__: create("laplacian"))
    running.node.trigger_configure()
    running.node.trigger_activate()
    feed(running, 1000 * MS, grey())
    wait_until(lambda: running.results)
    assert running.node.failure == ""


@pytest.mark.parametrize(
    ("node_class", "library", "file"),
    [(FusionNode, "torch", "w.pth"), (DetectionNode, "onnxruntime", "w.onnx")],
)
def test_a_missing_library_is_one_sentence_and_the_node_lives(run, tmp_path, monkeypatch, node_class, library, file):
    for name in ("tardal_ros.fusion.tardal", "tardal_ros.fusion.weights", library):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / file).write_bytes(b"whatever")
    parameters = {"fuser": "tardal"} if node_class is FusionNode else {}
    running = run(node_class, weights=str(tmp_path / file), **parameters)
    assert library in running.node.failure
    assert "pip install" in running.node.failure
    assert "\n" not in running.node.failure
    assert running.node.state == "unconfigured"


def singular(rig):
    camera = rig["infrared/left"]
    camera.pop("pose", None)
    camera["homography"] = {"rows": 3, "cols": 3, "data": [1.0, 2, 3, 2, 4, 6, 0, 0, 1]}


def not_finite(rig):
    rig["infrared/left"]["camera_info"]["distortion_coefficients"]["data"][0] = float("nan")


@pytest.mark.parametrize(("spoil", "key"), [(singular, "homography"), (not_finite, "distortion_coefficients")])
def test_an_absurd_rig_file_is_named_and_the_registration_node_lives(run, tmp_path, spoil, key):
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "rig.yaml"
    dump_rig(load_rig(REPOSITORY / "config/calibration/rig.yaml"), path)
    rig = yaml.safe_load(path.read_text())
    spoil(rig)
    path.write_text(yaml.safe_dump(rig))
    running = run(RegistrationNode, calibration=str(path))
    assert str(path) in running.node.failure
    assert key in running.node.failure
    assert running.node.state == "unconfigured"


def test_frames_of_another_size_than_the_rig_files_cost_only_themselves(run, wait_until):
    running = run(RegistrationNode, calibration=str(REPOSITORY / "config/calibration/rig.yaml"), wait=0.05)

    def send(stamp, infrared_size):
        running.senders["visible/left"].send(Frame(grey(768, 1024), stamp, "visible_left_optical_frame"))
        running.senders["infrared/left"].send(Frame(grey(*infrared_size), stamp, "infrared_left_optical_frame"))

    send(1000 * MS, (48, 64))
    wait_until(lambda: running.errors)
    assert "64x48" in running.errors[0]
    assert "640x512" in running.errors[0]
    send(1100 * MS, (512, 640))
    wait_until(lambda: running.results, what=f"a pair; {running.errors}")


def test_an_absurd_camera_info_is_named_with_its_topic_and_images_go_on(ros_context, run, wait_until):
    running = run(DetectionNode)
    subscription = FrameSubscription(running.node, "cam", "image_raw", lambda: "raw")
    subscription.open(lambda _: None)
    peer = rclpy.create_node("peer", context=ros_context)
    publisher = peer.create_publisher(CameraInfo, "cam/camera_info", sensor_data())
    k = [500.0, 0.0, 16.0, 0.0, 500.0, 12.0, 0.0, 0.0, 1.0]

    def refused():
        publisher.publish(CameraInfo(width=32, height=24, k=k, d=[float("nan")] * 5, distortion_model="plumb_bob"))
        return running.errors

    wait_until(refused)
    assert "cam/camera_info" in running.errors[0]
    assert "not finite" in running.errors[0]
    assert running.node.active
    subscription.close()


@pytest.fixture
def folders(tmp_path):
    made = tmp_path / "vi", tmp_path / "ir"
    for path in made:
        path.mkdir()
        for name in ("0", "1", "2", "3"):
            cv2.imwrite(str(path / f"{name}.png"), grey())
    return made


def test_a_folder_with_unmatched_and_unreadable_images_is_played_without_them(run, folders, wait_until):
    (folders[0] / "1.png").write_bytes(b"no picture")
    (folders[1] / "2.png").unlink()
    parameters = {"source": "folder", "visible": str(folders[0]), "infrared": str(folders[1]), "frame_rate": 50.0}
    running = run(CaptureNode, **parameters)
    wait_until(lambda: running.node.ended_at is not None)
    assert running.node.meter.processed == 4  # two pairs
    assert running.errors == []
    assert any("2" in sentence and "no partner" in sentence for sentence in running.said)
    assert any("1.png" in sentence and "left out" in sentence for sentence in running.said)
    assert any("no more frames" in sentence for sentence in running.node.waits())


@pytest.mark.parametrize("spoiled", ["missing", "empty", "all damaged"])
def test_a_folder_without_a_usable_pair_is_named_and_the_capture_node_lives(run, folders, spoiled):
    for path in folders[1].iterdir():
        path.unlink() if spoiled != "all damaged" else path.write_bytes(b"no picture")
    if spoiled == "missing":
        folders[1].rmdir()
    running = run(CaptureNode, source="folder", visible=str(folders[0]), infrared=str(folders[1]))
    assert str(folders[1]) in running.node.failure
    assert running.node.state == "unconfigured"


@pytest.mark.parametrize(
    ("node_class", "name", "value"),
    [
        (CaptureNode, "frame_rate", 0.0),
        (CaptureNode, "source", "camera"),
        (RegistrationNode, "slop", -0.1),
        (RegistrationNode, "wait", float("nan")),
        (FusionNode, "scale", 7.0),
        (FusionNode, "fuser", "median"),
        (DetectionNode, "confidence", 1.5),
        (DetectionNode, "max_detections", 0),
        (RecorderNode, "topics", "image"),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_node_name_and_value(ros_context, node_class, name, value):
    with pytest.raises(Exception, match=rf"(?s)/{node_class.__name__[:-4].lower()}.*'{name}'.*{value}"):
        node_class(context=ros_context, parameter_overrides=[Parameter(name, value=value)])


@pytest.mark.parametrize(
    ("node_class", "name", "value"),
    [
        (RegistrationNode, "slop", 2.0),
        (RegistrationNode, "slop", float("inf")),
        (RegistrationNode, "calibration", "other.yaml"),
        (FusionNode, "scale", -0.5),
        (FusionNode, "fuser", "median"),
        (DetectionNode, "classes", ["Unicorn"]),
        (DetectionNode, "iou", -1.0),
        (DetectionNode, "confidence", "high"),
    ],
)
def test_a_bad_change_is_refused_at_run_time_and_changes_nothing(run, node_class, name, value):
    running = run(node_class)
    before = running.node.parameters
    result = running.node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert result.reason
    assert running.node.parameters == before
    assert running.node.active
