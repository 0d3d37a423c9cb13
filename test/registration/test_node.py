from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

from rclpy.parameter import Parameter

from tardal_ros.registration.node import RegistrationNode, to_sync_status, why_none
from tardal_ros.registration.sync import Synchronizer
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.types import Frame, freeze

MS = 1_000_000
SIZE = (24, 32)


class Bench:
    """A registration node fed by hand, as a linked capture node would."""

    def __init__(self, context, **parameters):
        parameters.setdefault("calibration", "")
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = RegistrationNode(context=context, parameter_overrides=overrides)
        self.pairs, self.errors = [], []
        self.outputs = {}
        for stream, port in self.node.frames.items():
            self.outputs[stream] = Output(self.node, lambda _: None)
            port.link(self.outputs[stream])
        self.node.pairs.link(self.pairs.append)
        report = self.node.report
        self.node.report = lambda error, doing: (self.errors.append(str(error)), report(error, doing))
        self.process = Process([self.node], context)

    def start(self, wait_until):
        self.process.start()
        wait_until(lambda: self.node.active or self.node.failure)

    def send(self, stream, stamp, image=None, frame_id="camera_optical_frame"):
        image = np.full(SIZE, 100, np.uint8) if image is None else image
        self.outputs[stream].send(Frame(freeze(image.copy()), stamp, frame_id))

    def send_pair(self, stamp, **options):
        self.send("visible/left", stamp, **options)
        self.send("infrared/left", stamp + 2 * MS, **options)


@pytest.fixture
def bench(ros_context, wait_until):
    made = Bench(ros_context, wait=0.05)
    made.start(wait_until)
    yield made
    assert made.process.end() == []


def count_up_to(bench, wait_until, count):
    wait_until(lambda: len(bench.pairs) >= count, what=f"{count} pairs; errors {bench.errors}")


def test_pairs_of_one_frame_id_are_taken_as_registered(bench, wait_until):
    bench.send_pair(1000 * MS)
    count_up_to(bench, wait_until, 1)
    pair = bench.pairs[0]
    assert pair.stamp == 1000 * MS
    assert pair.skew == 2 * MS
    assert pair.mask.min() == 255


def test_raw_counts_arrive_as_grey_with_the_tone_of_the_agc(bench, wait_until):
    counts = np.tile(np.linspace(29000, 31000, SIZE[1]), (SIZE[0], 1)).astype(np.uint16)
    bench.send("visible/left", 1000 * MS)
    bench.send("infrared/left", 1000 * MS, counts)
    count_up_to(bench, wait_until, 1)
    grey = bench.pairs[0].infrared.left.image
    assert grey.dtype == np.uint8
    assert grey.min() < 10
    assert grey.max() > 245


def test_a_wrong_pixel_type_is_named_and_the_node_lives(bench, wait_until):
    bench.send("visible/left", 1000 * MS, np.full(SIZE, np.nan, np.float32))
    bench.send("infrared/left", 1000 * MS, np.full(SIZE, np.nan, np.float32))
    assert "visible/left has float32 pixels" in bench.errors[0]
    assert "infrared/left has float32 pixels" in bench.errors[1]
    bench.send_pair(1100 * MS)
    count_up_to(bench, wait_until, 1)


def test_refused_frames_are_counted_and_are_no_failure_of_their_sender(bench, wait_until):
    sender = SimpleNamespace(halted=False, report=lambda error, doing: pytest.fail(f"the sender reports {error}"))
    output = Output(sender, lambda _: None)
    bench.node.frames["infrared/left"].link(output)
    output.send(Frame(freeze(np.zeros(SIZE, np.float32)), 1000 * MS, "camera_optical_frame"))
    output.send(Frame(freeze(np.zeros((0, 0), np.uint16)), 1100 * MS, "camera_optical_frame"))
    assert "infrared/left has float32 pixels" in bench.errors[0]
    assert "empty" in bench.errors[1]
    assert bench.node.drops()["refused"] == 2
    assert bench.node.values()["unpaired: refused"] == "2"
    drops = to_sync_status(bench.node._intake.status, bench.node._intake.drops, 0).drops
    assert [(drop.reason, drop.count) for drop in drops] == [("refused", 2)]


def test_an_exception_while_pairing_is_told_and_waits_still_end(bench, wait_until, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(bench.node._intake, "poll", lambda now: 1 / 0)
        wait_until(lambda: bench.errors)
    assert bench.node.failure == "ZeroDivisionError while pairing: division by zero"
    bench.send_pair(1000 * MS)
    count_up_to(bench, wait_until, 1)


def test_the_rig_file_in_use_is_shown(ros_context, wait_until):
    path = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
    bench = Bench(ros_context, calibration=str(path), wait=0.05)
    bench.start(wait_until)
    bench.send_pair(1000 * MS)
    count_up_to(bench, wait_until, 1)
    assert bench.node.values()["rig file"] == "none needed"
    assert bench.pairs[0].visible.left.camera_info is None
    bench.send("visible/left", 1100 * MS, np.zeros((768, 1024), np.uint8), "visible_left_optical_frame")
    bench.send("infrared/left", 1100 * MS, np.zeros((512, 640), np.uint8), "infrared_left_optical_frame")
    count_up_to(bench, wait_until, 2)
    assert bench.node.values()["rig file"] == str(path)
    assert bench.process.end() == []


def test_a_size_that_changes_in_mid_stream_is_followed(bench, wait_until):
    bench.send_pair(1000 * MS)
    count_up_to(bench, wait_until, 1)
    bench.send_pair(1100 * MS, image=np.full((48, 64), 9, np.uint8))
    count_up_to(bench, wait_until, 2)
    assert bench.pairs[1].mask.shape == (48, 64)


def test_sizes_that_differ_within_a_pair_are_told_and_cost_one_pair(bench, wait_until):
    bench.send("visible/left", 1000 * MS)
    bench.send("infrared/left", 1000 * MS, np.zeros((6, 8), np.uint8))
    wait_until(lambda: bench.errors)
    assert "8x6" in bench.errors[0]
    bench.send_pair(1100 * MS)
    count_up_to(bench, wait_until, 1)


def test_a_looping_source_is_paired_again_after_the_jump(bench, wait_until):
    for turn in range(2):
        for index in range(5):
            bench.send_pair((1000 + 100 * index) * MS)
            count_up_to(bench, wait_until, 5 * turn + index + 1)
    assert bench.errors == []


def test_repeated_stamps_are_counted_and_dropped(bench, wait_until):
    for _ in range(3):
        bench.send_pair(1000 * MS)
    count_up_to(bench, wait_until, 1)
    wait_until(lambda: bench.node.drops().get("duplicate", 0) + bench.node.drops().get("late", 0) == 4)
    assert len(bench.pairs) == 1


def test_a_silent_stream_is_named(bench, wait_until):
    def sent():
        sent.stamp += 50 * MS
        bench.send("visible/left", sent.stamp)
        return any("infrared/left" in sentence for sentence in bench.node.waits())

    sent.stamp = 1000 * MS
    wait_until(sent)
    assert not any("visible/left" in sentence for sentence in bench.node.waits())


def test_streams_that_never_meet_are_told_apart_from_silence(bench, wait_until):
    for index in range(30):
        bench.send("visible/left", (1000 + 100 * index) * MS)
        bench.send("infrared/left", (1050 + 100 * index) * MS)
    wait_until(lambda: any("never within slop" in sentence for sentence in bench.node.waits()))
    assert bench.pairs == []


def test_slop_can_be_changed_while_running(bench, wait_until):
    assert bench.node.set_parameters([Parameter("slop", value=0.06)])[0].successful
    for index in range(3):
        bench.send("visible/left", (1000 + 200 * index) * MS)
        bench.send("infrared/left", (1050 + 200 * index) * MS)
    count_up_to(bench, wait_until, 1)
    assert bench.pairs[0].skew == 50 * MS


def test_a_missing_right_eye_does_not_stop_the_rig(ros_context, wait_until):
    bench = Bench(ros_context, stereo=True, wait=0.05)
    bench.start(wait_until)
    for index in range(5):
        bench.send_pair((1000 + 100 * index) * MS)
        count_up_to(bench, wait_until, index + 1)
    assert bench.pairs[0].visible.right is None
    assert bench.node.waits() == []
    bench.send("visible/right", 2000 * MS)
    bench.send("infrared/right", 2001 * MS)
    bench.send_pair(2000 * MS)
    wait_until(lambda: bench.pairs[-1].stamp == 2000 * MS)
    assert bench.pairs[-1].visible.right is not None
    assert bench.pairs[-1].infrared.right is not None
    assert bench.process.end() == []


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        ("/nowhere/rig.yaml", "/nowhere/rig.yaml"),
        ("package://no_such_package/rig.yaml", "no_such_package"),
    ],
)
def test_a_missing_rig_file_is_named_and_the_node_lives(ros_context, wait_until, calibration, words):
    bench = Bench(ros_context, calibration=calibration)
    bench.start(wait_until)
    assert words in bench.node.failure
    wait_until(lambda: bench.node.state == "unconfigured")
    assert bench.process.end() == []


def test_unregistered_pairs_without_a_rig_file_say_what_is_missing(bench, wait_until):
    bench.send("visible/left", 1000 * MS, frame_id="visible_left_optical_frame")
    bench.send("infrared/left", 1000 * MS, frame_id="infrared_left_optical_frame")
    wait_until(lambda: bench.errors)
    assert "rig file" in bench.errors[0]
    assert bench.pairs == []


def test_diagnostics_go_on_after_a_cleanup(bench):
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    bench.node.beat()
    assert bench.node.state == "unconfigured"


@pytest.mark.parametrize(("latency", "ahead", "word"), [(250, 0, "later than wait"), (0, 50, "never within slop")])
def test_pairs_that_never_come_about_are_explained(latency, ahead, word):
    sync = Synchronizer("visible/left", ["infrared/left"], slop=10 * MS, wait=100 * MS)
    frames = [(100 * n, "visible/left", 100 * n) for n in range(40)]
    frames += [(100 * n + latency, "infrared/left", 100 * n + ahead) for n in range(40)]
    for arrival, stream, stamp in sorted(frames):
        sync.add(stream, stamp * MS, "frame", arrival * MS)
    assert not sync.status.pairs
    assert word in why_none(sync.status)
