import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

from rclpy.parameter import Parameter

from tardal_ros.fusion.fuser import Fuser
from tardal_ros.fusion.node import FusionNode
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

MS = 1_000_000


class Sizes:
    """A method that keeps the sizes it was asked to fuse."""

    device = "cuda:7"

    def __init__(self):
        self.seen = []

    def fuse_luma(self, visible, infrared):
        self.seen.append(visible.shape)
        return visible


class Bench:
    """A fusion node fed by hand, as a linked registration node would."""

    def __init__(self, context, wait_until, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = FusionNode(context=context, parameter_overrides=overrides)
        self.sender = Output(self.node, lambda _: None)
        self.node.pairs.link(self.sender)
        self.results = []
        self.node.fused.link(self.results.append)
        self.process = Process([self.node], context)
        self._wait_until = wait_until

    def start(self):
        self.process.start()
        self._wait_until(lambda: self.node.active or self.node.failure)

    def fuse(self):
        """Sends a pair and returns what comes of it."""
        count = len(self.results)
        stamp = (1000 + 100 * count) * MS
        visible = Frame(freeze(np.full((48, 64, 3), 90, np.uint8)), stamp, "eye", CameraInfo(64, 48, np.eye(3)))
        infrared = Frame(freeze(np.full((48, 64), 200, np.uint8)), stamp + 7, "eye")
        self.sender.send(Pair(View(visible), View(infrared)))
        self._wait_until(lambda: len(self.results) > count)
        return self.results[-1]


@pytest.fixture
def make_bench(ros_context, wait_until):
    made = []

    def make(**parameters):
        made.append(Bench(ros_context, wait_until, **parameters))
        return made[-1]

    yield make
    for bench in made:
        assert bench.process.end() == []


@pytest.fixture
def method(monkeypatch):
    """What the node's fuser runs on."""
    sizes = Sizes()
    monkeypatch.setattr("tardal_ros.fusion.node.create_fuser", lambda *_, **__: Fuser(sizes))
    return sizes


def test_a_fused_image_has_the_visible_images_stamp_frame_and_geometry(make_bench):
    bench = make_bench()
    bench.start()
    frame = bench.fuse().frame
    assert (frame.stamp, frame.frame_id, frame.image.shape) == (1000 * MS, "eye", (48, 64, 3))
    assert frame.camera_info.width == 64


def test_scale_changes_while_running(make_bench, method):
    bench = make_bench(scale=0.5)
    bench.start()
    bench.fuse()
    assert bench.node.set_parameters([Parameter("scale", value=0.25)])[0].successful
    bench.fuse()
    assert bench.node.set_parameters([Parameter("scale", value=1.0)])[0].successful
    bench.fuse()
    assert method.seen == [(24, 32), (12, 16), (48, 64)]


@pytest.mark.parametrize("scale", [0.0, 1.5, float("nan")])
def test_a_scale_out_of_range_is_refused_and_the_old_one_stays(make_bench, method, scale):
    bench = make_bench(scale=0.5)
    bench.start()
    result = bench.node.set_parameters([Parameter("scale", value=scale)])[0]
    assert not result.successful
    assert "scale" in result.reason
    bench.fuse()
    assert method.seen == [(24, 32)]


def test_a_scale_set_before_the_fuser_is_loaded_counts(make_bench, method):
    bench = make_bench(autostart=False)
    assert bench.node.set_parameters([Parameter("scale", value=0.5)])[0].successful
    bench.node.trigger_configure()
    bench.node.trigger_activate()
    bench.fuse()
    assert method.seen == [(24, 32)]


def test_diagnostics_name_the_device_used(make_bench, method):
    bench = make_bench(device="auto")
    assert bench.node.values()["device"] == "none"
    bench.start()
    assert bench.node.values()["device"] == "cuda:7"
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    assert bench.node.values()["device"] == "none"


def test_weights_for_the_classical_fuser_are_refused_and_the_node_lives(make_bench, wait_until):
    bench = make_bench(weights="tardal.safetensors")
    bench.start()
    assert "takes no weights" in bench.node.failure
    wait_until(lambda: bench.node.state == "unconfigured")
