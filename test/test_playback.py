"""A bag played to a rig and judged there, in real processes, and the same bag evaluated in order."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")
pytest.importorskip("rosbags", reason="needs the rosbags library")

import rclpy
from rclpy.executors import SingleThreadedExecutor

from tardal_ros.bags.messages import Messages, definition
from tardal_ros.bags.recording import BagRecording
from tardal_ros.bags.writer import BagWriter
from tardal_ros.datasets.labels import Objects
from tardal_ros.detection import create_detector
from tardal_ros.detection.stage import DetectionStage
from tardal_ros.evaluation.fusion_metric import quality
from tardal_ros.evaluation.live import Ledger, LiveMoment, Losses
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.msg import FusionQuality
from tardal_ros.pipeline import run_in_order
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.ros.qos import results
from tardal_ros.types import Frame, freeze

REPOSITORY = Path(__file__).resolve().parents[1]
DETECTOR = REPOSITORY / "weights/tardal_ct_detector.onnx"
MODULES = {
    "player": "tardal_ros.bags.player_node",
    "rig": "tardal_ros.rig",
    "evaluation": "tardal_ros.evaluation.node",
}
COUNT, PERIOD, START = 10, 200_000_000, 1_700_000_000_000_000_000
STREAMS = ("visible/left", "infrared/left")


def moments():
    """Colour pictures, and raw infrared counts whose range changes, so that the AGC's memory shows."""
    random = np.random.default_rng(1)
    for index in range(COUNT):
        low, span = 30_000 + random.uniform(-200, 200), random.uniform(800, 1600)
        coarse = (
            random.uniform(0, 255, (6, 8, 3)).astype(np.uint8),
            random.uniform(low, low + span, (6, 8)).astype(np.uint16),
        )
        images = (freeze(cv2.resize(each, (160, 120), interpolation=cv2.INTER_CUBIC)) for each in coarse)
        stamp = START + index * PERIOD
        yield [Frame(image, stamp + 3_000_000 * late, "camera_optical_frame") for late, image in enumerate(images)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A bag of a few pairs, with a truth."""
    path = tmp_path_factory.mktemp("bags") / "drive" / "drive.mcap"
    messages = Messages()
    truth = Objects(np.array([[20.0, 30.0, 60.0, 90.0]]), np.array([0]), np.array([False]), ("People",))
    with BagWriter(path, definition) as bag:
        for pair in moments():
            if pair[0].stamp == START:
                bag.write("/truth/scene", *timed(messages.scene(pair[0], "street", "night"), START), latched=True)
            for stream, frame in zip(STREAMS, pair, strict=True):
                bag.write(f"/{stream}/image_raw", *timed(messages.image(frame), frame.stamp))
            bag.write("/truth/detections", *timed(messages.objects(pair[0], truth), pair[0].stamp + 4_000_000))
            # What an earlier run made of it must not get into this one.
            bag.write("/fusion/image", *timed(messages.image(pair[0]), pair[0].stamp + 5_000_000))
    return path.parent


def timed(message, received):
    type_name, data = message
    return type_name, received, data


class Spawned:
    """A program of the package in a process of its own."""

    def __init__(self, name, domain_id, log, arguments, parameters):
        code = f"import sys; from {MODULES[name]} import main; sys.exit(main())"
        settings = [part for key, value in parameters.items() for part in ("-p", f"{key.replace('__', ':')}:={value}")]
        path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments, "--ros-args", *settings],
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ROS_DOMAIN_ID": str(domain_id), "PYTHONPATH": path},
            )

    @property
    def output(self):
        return self.log.read_text(errors="replace")


@pytest.fixture
def spawn(domain_id, tmp_path):
    spawned = []

    def one(name, *arguments, **parameters):
        log = tmp_path / f"{name}-{len(spawned)}.log"
        spawned.append(Spawned(name, domain_id, log, arguments, parameters))
        return spawned[-1]

    yield one
    for each in spawned:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait(10)


@pytest.fixture
def qualities(ros_context):
    """What is published as `evaluation/quality`; call `spin` to let it come."""
    node = rclpy.create_node("listener", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    heard = []
    node.create_subscription(FusionQuality, "/evaluation/quality", heard.append, results())
    return heard, lambda: executor.spin_once(timeout_sec=0.05)


def test_played_and_in_order_give_the_same_images_boxes_and_figures(spawn, qualities, recorded, tmp_path, wait_until):
    heard, spin = qualities
    report = tmp_path / "report"
    inputs = [*(f"/{stream}/image_raw" for stream in STREAMS), "/truth/detections", "/truth/scene"]
    evaluation = spawn(
        "evaluation", fuser="laplacian", report=report, recording="drive", end_with_clock="true", use_sim_time="true"
    )
    reliable = {
        f"registration__qos_overrides./{stream}/image_raw.subscription.reliability": "reliable" for stream in STREAMS
    }
    rig = spawn("rig", "--without-capture", fusion__fuser="laplacian", use_sim_time="true", **reliable)
    player = spawn(
        "player",
        bag=recorded,
        topics=json.dumps(inputs),
        wait_for="[detection/detections, fusion/image, evaluation/quality]",
    )

    def ended():
        spin()
        assert rig.process.poll() is None, rig.output
        return evaluation.process.poll() is not None

    wait_until(ended, timeout=60, what="the end of the evaluation")
    assert player.process.wait(10) == 0, player.output
    assert evaluation.process.returncode == 0, evaluation.output
    rig.process.send_signal(signal.SIGINT)
    assert rig.process.wait(10) == 0, rig.output

    header, *rows, end = [json.loads(line) for line in (report / "pairs.jsonl").read_text().splitlines()]
    assert header["recording"] == "drive" and end["finished"]
    live = {row["stamp"]: row for row in rows}
    assert len(live) >= COUNT // 2, evaluation.output + rig.output
    offline = {row["stamp"]: row for row in in_order(recorded, tmp_path / "offline")}
    assert len(offline) == COUNT
    for stamp, row in live.items():
        same = dict(offline[stamp])
        assert [row[key] for key in ("scene", "condition", "objects")] == [
            "street",
            "night",
            [["People", 20.0, 30.0, 40.0, 60.0, False, None]],
        ]
        ours, theirs = row["fusers"]["laplacian"], same["fusers"]["laplacian"]
        assert ours["sha256"] == theirs["sha256"]
        assert [box[:6] for box in ours["detections"]] == [box[:6] for box in theirs["detections"]]
        assert ours["quality"] == theirs["quality"]
        assert ours["fuse_ms"] is None or ours["fuse_ms"] > 0
    assert any(row["fusers"]["laplacian"]["detections"] for row in rows), "no box at all, so that nothing was compared"

    summary = json.loads((report / "summary.json").read_text())
    assert summary["pairs"] == len(rows)
    mean = np.mean([row["fusers"]["laplacian"]["quality"]["EN"] for row in rows])
    assert summary["quality"]["EN"] == pytest.approx(mean, abs=1e-6)
    assert f"{len(rows)} of " in evaluation.output and summary["note"] in evaluation.output
    assert {message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in heard} <= set(live)
    assert heard and list(heard[0].metrics) == list(rows[0]["fusers"]["laplacian"]["quality"])


def in_order(bag, folder):
    """The lines that the same moments make when nothing is dropped."""
    stages = [RegistrationStage(), FusionStage(create_fuser("laplacian")), DetectionStage(create_detector(DETECTOR))]
    pairs = [moment.pair for moment in BagRecording(bag).moments()]
    ledger = Ledger("laplacian", quality, folder)
    for result in run_in_order(stages, pairs):
        found = result.detections
        corners = found.xyxy.astype(np.float64)
        boxes = [
            (found.names[number], float(score), (*corner[:2], *(corner[2:] - corner[:2])))
            for corner, score, number in zip(corners, found.scores, found.class_ids, strict=True)
        ]
        ledger.add(LiveMoment(result.fused, boxes))
    ledger.close(Losses())
    return [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()[1:-1]]
