"""The rig as a whole, composed in this process."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from tardal_ros.capture.folder import FolderSource
from tardal_ros.detection import create_detector
from tardal_ros.detection.stage import DetectionStage
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.msg import StageTiming, SyncStatus
from tardal_ros.pipeline import run_in_order
from tardal_ros.registration.intake import Intake, pair_in_order
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.rig import ComposedRig
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import latched, results, sensor_data
from tardal_ros.simulation import CLASSES
from tardal_ros.types import Pair, View

DETECTOR = Path(__file__).resolve().parents[1] / "weights/tardal_ct_detector.onnx"
"""The default one."""


def write_pairs(folder, count, size=(160, 120)):
    """Colour pictures, and raw infrared counts whose range changes, so that the AGC's memory shows."""
    import cv2

    random = np.random.default_rng(1)
    folders = folder / "vi", folder / "ir"
    for path in folders:
        path.mkdir()
    for index in range(count):
        low, span = 30_000 + random.uniform(-200, 200), random.uniform(800, 1600)
        pictures = (
            random.uniform(0, 255, (6, 8, 3)).astype(np.uint8),
            random.uniform(low, low + span, (6, 8)).astype(np.uint16),
        )
        for path, coarse in zip(folders, pictures, strict=True):
            cv2.imwrite(str(path / f"{index:03d}.png"), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return folders


@pytest.fixture
def compose(ros_context, tmp_path):
    """Makes a composed rig on a folder of twelve pairs, not started yet."""
    processes = []

    def make(**capture):
        visible, infrared = write_pairs(tmp_path, 12)
        capture = {"source": "folder", "visible": str(visible), "infrared": str(infrared), "frame_rate": 5.0, **capture}

        def options(name):
            values = capture if name == "capture" else {}
            parameters = [Parameter(key, value=value) for key, value in values.items()]
            return {"context": ros_context, "parameter_overrides": parameters}

        rig = ComposedRig(options)
        processes.append(Process(rig.nodes, ros_context))
        return rig, processes[-1], (visible, infrared)

    yield make
    for process in processes:
        assert process.end() == []


@pytest.fixture
def composed(compose):
    """A composed rig that plays its folder again and again."""
    return compose(loop=True)


def test_live_and_in_order_give_the_same_images_and_boxes(compose, wait_until):
    rig, process, folders = compose()

    def key(result):
        return result.fused.pair.visible.left.image.tobytes()

    source = FolderSource(*folders, 5.0, True)
    source.open()
    frames = list(iter(source.read, None))
    fuser = create_fuser("tardal", scale=0.0)  # the default one, too
    stages = [RegistrationStage(), FusionStage(fuser), DetectionStage(create_detector(DETECTOR))]
    in_order = list(run_in_order(stages, pair_in_order(Intake(), frames)))
    assert len(in_order) == 12
    offline = {key(result): result for result in in_order}

    live = []
    rig.detection.detected.link(live.append)
    process.start()
    wait_until(lambda: live and key(live[-1]) == key(in_order[-1]), timeout=60)

    assert len(live) >= 4
    for result in live:
        same = offline[key(result)]
        assert np.array_equal(result.fused.pair.infrared.left.image, same.fused.pair.infrared.left.image)
        assert np.array_equal(result.fused.frame.image, same.fused.frame.image)
        assert np.array_equal(result.detections.xyxy, same.detections.xyxy)
        assert np.array_equal(result.detections.scores, same.detections.scores)

    # Without the memory of the frames before, the images would be others.
    raw = dict(frames[-2:])
    alone = stages[0].process(Pair(View(raw["visible/left"]), View(raw["infrared/left"])))
    assert not np.array_equal(alone.infrared.left.image, live[-1].fused.pair.infrared.left.image)


def test_topics_carry_the_visible_header_and_results_also_when_empty(composed, ros_context, wait_until):
    rig, process, _ = composed
    peer = rclpy.create_node("peer", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(peer)
    got = {}

    def listen(message_type, topic, qos):
        peer.create_subscription(message_type, topic, lambda message: got.setdefault(topic, []).append(message), qos)

    listen(Image, "visible/left/image_raw", sensor_data())
    listen(Image, "registration/infrared/image", sensor_data())
    listen(Image, "registration/mask", sensor_data())
    listen(Image, "fusion/image", sensor_data())
    listen(Image, "detection/image", sensor_data())
    listen(Detection2DArray, "detection/detections", results())
    listen(SyncStatus, "registration/status", results())
    listen(StageTiming, "fusion/timing", sensor_data())
    topics = 8
    process.start()

    def all_there():
        executor.spin_once(timeout_sec=0.02)
        return len(got) == topics and got["registration/status"][-1].pairs >= 8

    wait_until(all_there, timeout=60, what="messages on all topics")

    def stamps(topic):
        return {(m.header.stamp.sec, m.header.stamp.nanosec) for m in got[topic]}

    visible = stamps("visible/left/image_raw")
    for topic in ("registration/infrared/image", "registration/mask", "fusion/image", "detection/detections"):
        assert {m.header.frame_id for m in got[topic]} == {got["visible/left/image_raw"][0].header.frame_id}
        assert len(stamps(topic) & visible) >= 1
    assert got["fusion/image"][0].encoding == "bgr8"
    assert got["registration/infrared/image"][0].encoding == "mono8"
    assert set(bytes(got["registration/mask"][0].data)) == {255}
    timing = got["fusion/timing"][-1]
    assert timing.stage == "fusion"
    assert (timing.finished.sec, timing.finished.nanosec) >= (timing.started.sec, timing.started.nanosec)

    late = []
    peer.create_subscription(LabelInfo, "detection/label_info", late.append, latched())

    def latched_arrived():
        executor.spin_once(timeout_sec=0.02)
        return late

    wait_until(latched_arrived)
    assert [entry.class_name for entry in late[0].class_map] == list(CLASSES)


def test_nothing_is_encoded_while_nobody_subscribes(composed, monkeypatch, wait_until):
    from tardal_ros.ros import images

    monkeypatch.setattr(images, "encode", lambda *_: pytest.fail("encoded for nobody"))
    rig, process, _ = composed
    live = []
    rig.detection.detected.link(live.append)
    process.start()
    wait_until(lambda: len(live) >= 3, timeout=60)
    assert not any(node.failure for node in rig.nodes)


def test_an_exception_in_a_stage_costs_one_frame(composed, monkeypatch, wait_until):
    rig, process, _ = composed
    live = []
    rig.detection.detected.link(live.append)
    original = FusionStage.process
    calls = []

    def failing_once(stage, pair):
        calls.append(pair)
        if len(calls) == 2:
            raise ValueError("a bug in a fuser")
        return original(stage, pair)

    monkeypatch.setattr(FusionStage, "process", failing_once)
    process.start()
    wait_until(lambda: len(calls) >= 4 and len(live) >= 2, timeout=60)
    assert rig.fusion.worker.meter.read().errors == 1
    assert "a bug in a fuser" in rig.fusion.worker.meter.read().last_error
    assert rig.fusion.active
