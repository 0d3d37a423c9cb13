import json

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray

from tardal_ros.evaluation import node as evaluation_node
from tardal_ros.evaluation.fusion_metric import information
from tardal_ros.evaluation.node import TOPICS, EvaluationNode, to_box
from tardal_ros.msg import DropCount, FusionQuality, StageTiming, SyncStatus
from tardal_ros.ros.detections import to_detection_array
from tardal_ros.ros.images import encode
from tardal_ros.ros.messages import make_header, to_stamp_ns, to_time
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import latched, results
from tardal_ros.types import Detections, freeze

START, PERIOD = 1_700_000_000_000_000_000, 100_000_000
SIZE = (24, 32)


def detections(*boxes, names=("People",), score=0.5):
    count = len(boxes)
    return Detections(
        freeze(np.array(boxes, np.float32).reshape(-1, 4)),
        freeze(np.full(count, score, np.float32)),
        freeze(np.zeros(count, np.int64)),
        names,
    )


class Bench:
    """An evaluation node, and a peer that publishes what a rig would."""

    def __init__(self, context, **parameters):
        overrides = [Parameter(name, value=value) for name, value in {"metrics": "information", **parameters}.items()]
        self.ends = []
        self.node = EvaluationNode(lambda: self.ends.append(True), context=context, parameter_overrides=overrides)
        self.peer = rclpy.create_node("peer", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.peer)
        self.qualities = []
        self.peer.create_subscription(FusionQuality, "evaluation/quality", self.qualities.append, results())
        self.images = {part: self._publisher(Image, topic) for part, topic in TOPICS.items()}
        self.found = self._publisher(Detection2DArray, "detection/detections")
        self.truth = self._publisher(Detection2DArray, "truth/detections")
        self.timing = {stage: self._publisher(StageTiming, f"{stage}/timing") for stage in evaluation_node.STAGES}
        self.status = self._publisher(SyncStatus, "registration/status")
        self.process = Process([self.node], context)

    def _publisher(self, message_type, topic):
        return self.peer.create_publisher(message_type, topic, results())

    def until(self, wait_until, condition, what):
        def met():
            self._executor.spin_once(timeout_sec=0.01)
            return condition()

        wait_until(met, what=what)

    def connected(self):
        publishers = [*self.images.values(), self.found, self.truth, *self.timing.values(), self.status]
        return all(publisher.get_subscription_count() for publisher in publishers)

    def send(self, index, parts=tuple(TOPICS), found=(), truth=None):
        """One moment; returns its images."""
        stamp = START + index * PERIOD
        header = make_header(stamp, "camera")
        images = {
            part: np.random.default_rng(10 * index + n).integers(0, 256, SIZE, np.uint8)
            for n, part in enumerate(TOPICS)
        }
        images["mask"][:] = 255
        if truth is not None:
            self.truth.publish(to_detection_array(detections(*truth, score=1.0), header))
        for part in parts:
            self.images[part].publish(encode(images[part], header))
        if found is not None:
            self.found.publish(to_detection_array(detections(*found), header))
        for stage in evaluation_node.STAGES:
            if found is not None or stage != "detection":
                times = {"started": to_time(START), "finished": to_time(START + 7_000_000)}
                self.timing[stage].publish(StageTiming(header=header, stage=stage, dropped=index, **times))
        return images


@pytest.fixture
def judge(ros_context, wait_until):
    benches = []

    def make(**parameters):
        bench = Bench(ros_context, **parameters)
        benches.append(bench)
        bench.process.start()
        bench.until(wait_until, lambda: bench.node.failure or bench.connected(), "the node to listen")
        return bench

    yield make
    for bench in benches:
        assert bench.process.end() == []


def rows_of(report):
    return [json.loads(line) for line in (report / "pairs.jsonl").read_text().splitlines()]


def test_quality_is_published_and_all_is_summed_up(judge, tmp_path, wait_until, ros_context):
    bench = judge(report=str(tmp_path), fuser="laplacian", recording="drive")
    scene = bench.peer.create_publisher(String, "truth/scene", latched())
    scene.publish(String(data=json.dumps({"scene": "street", "condition": "night", "stamp": START})))
    bench.until(wait_until, lambda: bench.node._scenes, "the scene")
    bench.status.publish(
        SyncStatus(pairs=9, drops=[DropCount(reason="late", count=4)], skew_mean=0.002, skew_max=0.005)
    )
    bench.until(wait_until, lambda: bench.node._losses.pairs == 9, "the status")
    box = (4.0, 2.0, 12.0, 20.0)
    sent = [bench.send(index, found=[box], truth=[box]) for index in range(3)]
    bench.until(wait_until, lambda: len(bench.qualities) == 3, "three judgements")
    for index, (message, images) in enumerate(zip(bench.qualities, sent, strict=True)):
        expected = information(*(images[part] for part in ("fused", "visible", "infrared", "mask")))
        assert dict(zip(message.metrics, message.values, strict=True)) == pytest.approx(expected, nan_ok=True)
        assert to_stamp_ns(message.header.stamp) == START + index * PERIOD
        assert message.fuser == "laplacian"
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    header, *rows, end = rows_of(tmp_path)
    assert header["recording"] == "drive"
    assert [row["stamp"] for row in rows] == [START + index * PERIOD for index in range(3)]
    told = rows[0]["fusers"]["laplacian"]
    assert (told["fuse_ms"], told["detect_ms"]) == (7.0, 7.0)
    assert told["detections"] == [["People", 0.5, 4.0, 2.0, 8.0, 18.0, None]]
    assert rows[0]["objects"] == [["People", 4.0, 2.0, 8.0, 18.0, False, None]]
    assert (rows[0]["scene"], rows[0]["condition"]) == ("street", "night")
    assert end["pairing"] == {"late": 4}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["pairing"] == {"pairs": 9, "skew_mean_ms": 2.0, "skew_max_ms": 5.0, "drops": {"late": 4}}
    assert summary["drops"] == {"registration": 2, "fusion": 2, "detection": 2, "evaluation": 0}


def test_a_broken_image_costs_one_moment_and_is_told(judge, tmp_path, wait_until):
    bench = judge(report=str(tmp_path))
    bench.images["mask"].publish(
        Image(header=make_header(START, "camera"), encoding="mono8", height=1, width=1, step=1, data=[0])
    )
    bench.send(0, parts=("visible", "infrared", "fused"))
    bench.send(1)
    bench.until(wait_until, lambda: bench.qualities, "a judgement")
    assert to_stamp_ns(bench.qualities[0].header.stamp) == START + PERIOD
    assert "differ in size" in bench.node.failure
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    assert str(START) in rows_of(tmp_path)[-1]["problems"][0]


def test_it_ends_when_the_clock_does_and_all_is_judged(judge, tmp_path, wait_until, monkeypatch):
    monkeypatch.setattr(evaluation_node, "QUIET", 0.2)
    bench = judge(report=str(tmp_path), end_with_clock=True)
    clock = bench.peer.create_publisher(Clock, "/clock", 10)
    bench.until(wait_until, lambda: bench.node._clock_seen, "the clock to be seen")
    bench.send(0, found=None)  # what detection dropped is judged in the end
    assert bench.ends == []
    bench.peer.destroy_publisher(clock)
    bench.until(wait_until, lambda: bench.ends, "the end")
    assert bench.node.values()["judged"] == "1"


def test_it_names_what_it_waits_for(judge, wait_until, monkeypatch):
    monkeypatch.setattr(evaluation_node, "SILENCE", 0.0)
    bench = judge()
    assert bench.node.waits() == ["waiting for the rig: no image arrives"]
    bench.peer.destroy_publisher(bench.images["mask"])
    bench.until(wait_until, lambda: "registration/mask" in bench.node.waits()[0], "the mask to be missed")


def test_a_report_folder_that_cannot_be_used_is_named_and_the_node_lives(ros_context, tmp_path, wait_until):
    (tmp_path / "file").write_text("no folder")
    bench = Bench(ros_context, report=str(tmp_path / "file" / "report"))
    bench.process.start()
    bench.until(wait_until, lambda: bench.node.failure, "a failure")
    assert "file/report" in bench.node.failure
    assert bench.process.end() == []


def test_a_detection_without_a_class_is_refused():
    with pytest.raises(Exception, match="no hypothesis"):
        to_box(Detection2D())
