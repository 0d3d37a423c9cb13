"""The live rig on the simulation keeps pairing, whatever the timing of its cameras."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from tardal_ros.calibration import dump_rig
from tardal_ros.capture import rendered, to_rig
from tardal_ros.capture.node import CaptureNode
from tardal_ros.registration.node import RegistrationNode
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import results
from tardal_ros.simulation import Scene, default_rig

VISIBLE, INFRARED = "visible/left", "infrared/left"
RATE, SLOP, WAIT, SECONDS = 40.0, 0.010, 5.0, 1.0
MS = 1_000_000
# By how much counts of a painted picture rise in a second.
PER_SECOND = 10_000


class PaintedScene:
    """Stands for the rendered scene at no cost: each picture holds the time of its capture."""

    def __init__(self, seed, condition, split, *, view, rig):
        self.sizes = {stream: (camera.info.height, camera.info.width) for stream, camera in rig.cameras.items()}

    def view(self, stream, t):
        counts = np.full(self.sizes[stream], round(t * PER_SECOND), np.uint16)
        return counts if stream == INFRARED else np.stack([counts & 255, counts >> 8, counts * 0], -1).astype(np.uint8)


class PatientClock:
    """The time, without the pauses of a busy machine, which are not what is tested: little passes between two looks."""

    def __init__(self):
        self.now = time.time_ns()
        self.looked = time.monotonic_ns()

    def __call__(self):
        before, self.looked = self.looked, time.monotonic_ns()
        self.now += min(self.looked - before, 60 * MS)
        return self.now


def time_in(frame):
    pixel = frame.image[0, 0].astype(int)
    return (pixel if frame.image.ndim == 2 else pixel[0] + 256 * pixel[1]) / PER_SECOND


def most_pairs(references, partners, slop):
    """The size of the largest one-to-one assignment within the slop: the earliest always takes the earliest."""
    count = index = 0
    for stamp in sorted(references):
        while index < len(partners) and partners[index] < stamp - slop:
            index += 1
        if index < len(partners) and partners[index] <= stamp + slop:
            count, index = count + 1, index + 1
    return count


class LiveRig:
    """Capture and registration, linked as in the composed rig, on cameras that are as small as they can be."""

    def __init__(self, context, folder, capture, registration):
        path = folder / "tiny.yaml"
        dump_rig(to_rig(default_rig().scaled(1 / 16)), path)

        def options(**values):
            return {"context": context, "parameter_overrides": [Parameter(k, value=v) for k, v in values.items()]}

        self.capture = CaptureNode(**options(**({"rig": str(path), "frame_rate": RATE} | capture)))
        timing = {"slop": SLOP, "wait": WAIT}
        self.registration = RegistrationNode(**options(calibration=str(path), **(timing | registration)))
        self.capture.starts_after = (self.registration,)
        self.frames = {stream: [] for stream in self.registration.frames}
        self.pairs = []
        for stream, port in self.registration.frames.items():
            self.capture.frames[stream].link(self.frames[stream].append)
            port.link(self.capture.frames[stream])
        self.registration.pairs.link(self.pairs.append)
        self.process = Process([self.registration, self.capture], context)

    @property
    def status(self):
        return self.registration._intake.status

    def stamps(self, stream):
        return [frame.stamp for frame in self.frames[stream]]


@pytest.fixture
def live(ros_context, tmp_path, monkeypatch):
    """Starts a rig; keyword arguments are parameters of the capture node."""
    running = []

    def start(registration=None, scene=PaintedScene, **capture):
        monkeypatch.setattr(rendered, "Scene", scene)
        clock = PatientClock()
        monkeypatch.setattr(CaptureNode, "_now", lambda node: clock())
        rig = LiveRig(ros_context, tmp_path, capture, registration or {})
        running.append(rig.process)
        rig.process.start()
        return rig

    yield start
    for process in running:
        assert process.end() == []


TIMINGS = {
    "even": {"phase": 0.0, "jitter": 0.0},
    "default": {},
    "jitter of a fifth of the period": {"jitter": 0.005},
    "jitter to the limit of the slop": {"phase": 0.0, "jitter": 0.0099},
    "jitter of half the period": {"jitter": 0.0124},
    "jitter, half a period late": {"phase": 0.0125, "jitter": 0.009},
    "slow to arrive": {"latency": 0.2},
    "slow to arrive, jitter": {"latency": 0.31, "jitter": 0.0124},
    "clock ahead within the slop": {"clock_offset": 0.004},
    "clock behind within the slop": {"clock_offset": -0.008},
    "clock that gains": {"clock_drift": 0.01},
    "clock that loses": {"clock_drift": -0.01, "jitter": 0.005},
    "infrared at a quarter of the rate": {"rate": 10.0},
    "infrared at another rate": {"rate": 27.0, "jitter": 0.01},
    "infrared faster": {"rate": 100.0, "jitter": 0.0049},
    "all at once": {
        "rate": 50.0, "phase": 0.02, "jitter": 0.0099, "latency": 0.15, "clock_offset": 0.003, "clock_drift": 0.005
    },
}  # fmt: skip


@pytest.mark.parametrize("timing", TIMINGS.values(), ids=TIMINGS)
def test_pairing_keeps_up_with_hindsight(live, wait_until, timing):
    rig = live(duration=SECONDS, **{f"infrared_{name}": value for name, value in timing.items()})
    wait_until(lambda: rig.capture.ended_at and rig.pairs, what="the end")
    rig.registration._intake.flush()  # for what would still be decided when its wait is over
    assert abs(len(rig.frames[VISIBLE]) - RATE * SECONDS) <= 1

    best = most_pairs(rig.stamps(VISIBLE), rig.stamps(INFRARED), round(SLOP * 1e9))
    assert best >= 5  # else this would test nothing
    assert rig.status.pairs <= best
    assert rig.status.pairs >= 0.95 * best

    true_times = {stream: {frame.stamp: time_in(frame) for frame in frames} for stream, frames in rig.frames.items()}
    for pair in rig.pairs:
        assert abs(pair.skew) <= SLOP * 1e9
        seen, felt = true_times[VISIBLE][pair.stamp], true_times[INFRARED][pair.infrared.left.stamp]
        error = timing.get("clock_offset", 0.0) + timing.get("clock_drift", 0.0) * felt
        assert felt - seen == pytest.approx(pair.skew / 1e9 - error, abs=2.1 / PER_SECOND)


def test_a_clock_far_ahead_pairs_once_registration_takes_the_offset_back(live, wait_until):
    rig = live(registration={"infrared_offset": -3.0}, infrared_clock_offset=3.0)
    wait_until(lambda: len(rig.pairs) >= 10)
    assert all(abs(pair.skew - 3000 * MS) <= 10 * MS for pair in rig.pairs)
    # The clock is ahead, the frames are not late.
    assert abs(len(rig.frames[VISIBLE]) - len(rig.frames[INFRARED])) <= 3


def test_an_offset_beyond_the_slop_is_named_in_diagnostics(live, ros_context, wait_until):
    rig = live(infrared_phase=0.0, infrared_jitter=0.0, infrared_clock_offset=0.0125)
    peer = rclpy.create_node("peer", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(peer)
    told = []
    peer.create_subscription(DiagnosticArray, "/diagnostics", lambda array: told.extend(array.status), results())

    def named():
        executor.spin_once(timeout_sec=0.02)
        return any("never within slop" in status.message for status in told if status.name == "/registration")

    wait_until(named, what="the diagnosis")
    (sentence,) = rig.registration.waits()
    for word in (VISIBLE, INFRARED, "clocks", "infrared_offset", "slop"):
        assert word in sentence
    assert not rig.pairs and not rig.status.pairs
    assert rig.registration.set_parameters([Parameter("slop", value=0.013)])[0].successful
    wait_until(lambda: rig.pairs)
    assert rig.registration.waits() == []


def test_a_rendered_rig_of_ones_own_is_registered_live(live, wait_until):
    # It ends by itself: on a busy machine a picture can take longer than an ending rig waits for it.
    rig = live(scene=Scene, infrared_jitter=0.005, frame_rate=5.0, condition="night", view="uav", duration=2.0)
    wait_until(lambda: rig.capture.ended_at and rig.pairs, timeout=100.0)
    assert rig.status.pairs >= 5
    pair = rig.pairs[-1]
    assert pair.visible.left.image.shape == (48, 64, 3)
    assert pair.infrared.left.image.shape == (48, 64)
    assert pair.infrared.left.frame_id == "visible_left_optical_frame"
    assert 0.3 < (pair.mask == 255).mean() < 1.0
    assert pair.infrared.left.image[pair.mask == 255].std() > 5


def test_jitter_beyond_half_the_period_is_refused_in_clear_words(live, wait_until):
    rig = live(infrared_rate=30.0, infrared_jitter=0.02)
    wait_until(lambda: rig.capture.failure)
    assert "jitter is 0.02 s: at 30 Hz it must be 0 or more and below 0.01667 s" in rig.capture.failure


def test_a_rig_file_that_cannot_be_simulated_is_named_and_the_node_lives(live, wait_until):
    rig = live(rig="/nowhere/rig.yaml")
    wait_until(lambda: rig.capture.failure)
    assert "/nowhere/rig.yaml" in rig.capture.failure
    wait_until(lambda: rig.capture.state == "unconfigured")
