import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")

import numpy as np
from rclpy.parameter import Parameter

from tardal_ros.calibration import dump_rig
from tardal_ros.capture import node as module
from tardal_ros.capture import to_rig
from tardal_ros.capture.node import CaptureNode
from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.ros import node as base
from tardal_ros.ros.process import Process
from tardal_ros.simulation import default_rig
from tardal_ros.types import Frame, freeze

STREAM = StreamInfo("visible/left", "visible_left_optical_frame", 4, 3, 10.0, None)


class Tape:
    """A source of a few frames, which then ends or breaks."""

    streams = (STREAM,)
    problems = ()

    def __init__(self, frames=3, opens=True, breaks=False):
        self.left, self.opens, self.breaks = frames, opens, breaks
        self.closed = False
        self.stamp = 0

    def open(self):
        if not self.opens:
            raise RigError("the camera is not plugged in")

    def read(self):
        if not self.left:
            if self.breaks:
                raise RigError("the cable was pulled")
            return None
        self.left -= 1
        self.stamp += 10_000_000
        return "visible/left", Frame(freeze(np.zeros((3, 4), np.uint8)), self.stamp, STREAM.frame_id)

    def close(self):
        self.closed = True


@pytest.fixture
def play(ros_context, monkeypatch, wait_until):
    """Starts a capture node on a tape."""
    running = []

    def start(tape, **parameters):
        monkeypatch.setattr(module, "create_source", lambda *_, **__: tape)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = CaptureNode(context=ros_context, parameter_overrides=overrides)
        node.taken = []
        node.frames["visible/left"].link(node.taken.append)
        process = Process([node], ros_context)
        running.append(process)
        process.start()
        wait_until(lambda: node.active or node.failure)
        return node

    yield start
    for process in running:
        assert process.end() == []


def test_frames_come_with_the_clock_of_the_node_and_the_end_is_told(play, wait_until):
    node = play(Tape())
    wait_until(lambda: node.ended_at is not None)
    assert len(node.taken) == 3
    assert 0 <= node.age(node.taken[-1].stamp) < 60
    assert node.waits() == ["The source has no more frames."]


def test_a_source_that_breaks_stays_diagnosed(play, wait_until, monkeypatch):
    monkeypatch.setattr(base, "FAILURE_SHOWN", 0.0)
    node = play(Tape(breaks=True))
    wait_until(lambda: node.ended_at is not None)
    assert any("the cable was pulled" in sentence for sentence in node.waits())


def test_a_source_that_does_not_open_is_named_and_can_be_tried_again(play, wait_until):
    tape = Tape(opens=False)
    node = play(tape)
    assert "not plugged in" in node.failure
    tape.opens = True
    wait_until(lambda: node.state == "unconfigured")
    node.trigger_configure()
    node.trigger_activate()
    wait_until(lambda: len(node.taken) == 3)
    assert node.count_publishers("/visible/left/image_raw") == 1


def test_a_source_is_closed_with_the_node(play, wait_until):
    tape = Tape(frames=0)
    node = play(tape, autostart=True)
    wait_until(lambda: node.ended_at is not None)
    node.trigger_deactivate()
    assert tape.closed


def test_an_unknown_condition_is_refused_with_the_known_ones(ros_context):
    with pytest.raises(RigError, match="day"):
        CaptureNode(context=ros_context, parameter_overrides=[Parameter("condition", value="dusk")])


def test_the_simulation_gets_what_the_parameters_say(ros_context, tmp_path):
    path = tmp_path / "tiny.yaml"
    dump_rig(to_rig(default_rig().scaled(0.0625)), path)
    values = {
        "rig": str(path), "view": "uav", "stereo": True, "frame_rate": 20.0, "infrared_rate": 5.0,
        "infrared_phase": 0.01, "infrared_jitter": 0.02, "infrared_latency": 0.3, "infrared_clock_offset": -1.0,
        "infrared_clock_drift": 0.001, "autostart": False,
    }  # fmt: skip
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = CaptureNode(context=ros_context, parameter_overrides=overrides)
    node._make_player()
    streams = {info.name: info for info in node._source.streams}
    assert set(streams) == {"visible/left", "visible/right", "infrared/left", "infrared/right"}
    for eye in ("left", "right"):
        visible, infrared = streams[f"visible/{eye}"], streams[f"infrared/{eye}"]
        assert (visible.width, visible.rate, visible.latency, visible.offset) == (64, 20.0, 0.0, 0.0)
        assert (infrared.rate, infrared.latency, infrared.offset, infrared.drift) == (5.0, 0.3, -1.0, 0.001)
    node.destroy_node()


@pytest.mark.parametrize(("name", "value"), [("view", "boat"), ("infrared_jitter", 0.6), ("infrared_clock_drift", 0.1)])
def test_timing_out_of_range_is_refused_by_name(ros_context, name, value):
    with pytest.raises(RigError, match=name):
        CaptureNode(context=ros_context, parameter_overrides=[Parameter(name, value=value)])
