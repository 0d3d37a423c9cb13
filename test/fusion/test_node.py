import threading
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
pytest.importorskip("tardal_ros.msg", reason="needs the built interfaces: `make test` builds them")

from rclpy.parameter import Parameter

from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import Fuser, create_fuser
from tardal_ros.fusion.node import FusionNode
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import Process
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

MS = 1_000_000


class Sizes:
    """A method that keeps the sizes it was asked to fuse."""

    device = "cuda:7"
    live_scale = 1.0

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
        made.append(Bench(ros_context, wait_until, **{"fuser": "laplacian", "scale": 1.0} | parameters))
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
    assert bench.node.set_parameters([Parameter("scale", value=0.0)])[0].successful
    method.live_scale = 0.75  # the fuser's own
    bench.fuse()
    assert method.seen == [(24, 32), (12, 16), (48, 64), (36, 48)]


@pytest.mark.parametrize("scale", [-0.1, 1.5, float("nan")])
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


def test_a_fuser_without_weights_leaves_them_aside(make_bench):
    bench = make_bench(weights="tardal.safetensors")
    bench.start()
    assert bench.node.failure == ""
    assert (bench.node.values()["fuser"], bench.node.values()["weights"]) == ("laplacian", "none")


# Another fuser while it runs.


def set_parameters(node, **values):
    """Sets them in one request."""
    return node.set_parameters_atomically([Parameter(name, value=value) for name, value in values.items()])


def running(bench):
    return bench.node.values()["fuser"]


@pytest.fixture
def weights(formula_state, save_weights):
    return save_weights(formula_state())


class Flow:
    """Sends a pair as soon as the one before is fused; what comes out is told apart by what fused it."""

    def __init__(self, bench):
        self.bench, self.stamps, self.levels, self.more = bench, [], [], True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while self.more:
            frame = self.bench.fuse().frame
            self.stamps.append(frame.stamp)
            self.levels.append(int(frame.image[24, 32].sum()))

    def end(self):
        self.more = False
        self.thread.join(20.0)
        assert not self.thread.is_alive()


def test_frames_flow_on_over_switches(make_bench, wait_until, weights):
    visible, infrared = (np.full((48, 64, *more), level, np.uint8) for more, level in (((3,), 90), ((), 200)))
    fusers = {"laplacian": (), "average": (), "tardal": (weights, "cpu")}
    expected = {
        name: int(create_fuser(name, *how).fuse(visible, infrared)[24, 32].sum()) for name, how in fusers.items()
    }
    assert len(set(expected.values())) == 3
    bench = make_bench()
    bench.start()
    flow = Flow(bench)
    for name in fusers:
        assert set_parameters(bench.node, fuser=name, weights=str(weights), device="cpu").successful
        wait_until(lambda name=name: flow.levels and flow.levels[-1] == expected[name], what=name)
        assert (running(bench), bench.node.failure) == (name, "")
    assert bench.node.values()["weights"] == str(weights)
    flow.end()
    order = [level for level, before in zip(flow.levels, [None, *flow.levels[:-1]], strict=True) if level != before]
    assert order == list(expected.values())
    assert flow.stamps == [(1000 + 100 * count) * MS for count in range(len(flow.stamps))]
    assert bench.node.drops() == {}


@pytest.fixture
def slow(monkeypatch):
    """Loading waits for a sign, and fuses to a level; `fusers` says which, and what fails."""

    class Loading:
        go, begun = threading.Semaphore(0), threading.Semaphore(0)
        asked: ClassVar = []

        def __call__(self, name, weights=None, device="auto"):
            self.asked.append((name, weights and weights.name, device))
            if len(self.asked) > 1:  # the first one is loaded at configure
                self.begun.release()
                assert self.go.acquire(timeout=20.0)
            if weights is not None and weights.name.startswith("bad"):
                raise RigError(f"Weights file {weights.name} is bad.")
            return Fuser(Sizes())

    loading = Loading()
    loading.asked = []
    monkeypatch.setattr("tardal_ros.fusion.node.create_fuser", loading)
    yield loading
    loading.go.release(9)


def test_loading_holds_up_no_frame_and_is_told(make_bench, slow, wait_until):
    bench = make_bench()
    bench.start()
    assert set_parameters(bench.node, fuser="average").successful
    assert slow.begun.acquire(timeout=20.0)
    bench.fuse()
    assert running(bench) == "laplacian"
    assert "average is being loaded, laplacian goes on fusing meanwhile" in bench.node.waits()
    slow.go.release()
    wait_until(lambda: running(bench) == "average")
    assert not any("loaded" in sentence for sentence in bench.node.waits())
    bench.fuse()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fuser": "median"}, "out of 'visible', 'infrared'"),
        ({"fuser": "tardal", "weights": "missing.pth"}, "Weights file missing.pth does not exist"),
        ({"fuser": "tardal", "weights": "package://nobody/x.pth"}, "no package nobody is installed"),
        ({"fuser": "dgfusion"}, "No weights ship here for the fuser 'dgfusion'"),
        ({"fuser": "average", "scale": 7.0}, "scale"),
    ],
)
def test_what_can_be_seen_at_once_is_refused(make_bench, monkeypatch, values, words):
    monkeypatch.setattr("tardal_ros.fusion.node.shipped_weights", lambda *_: None)
    bench = make_bench()
    bench.start()
    before = bench.node.parameters
    result = set_parameters(bench.node, **values)
    assert not result.successful and words in result.reason and "\n" not in result.reason
    assert bench.node.parameters == before
    bench.fuse()
    assert (running(bench), bench.node.failure) == ("laplacian", "")


@pytest.mark.parametrize(
    ("content", "values", "words"),
    [
        ("rubbish", {}, "cannot be read"),
        ("other", {}, "is not for TarDAL's generator"),
        ("good", {"device": "cuda:99"}, "cuda:99"),
        ("good", {"device": "toaster"}, "no device 'toaster'"),
    ],
)
def test_what_only_loading_shows_is_reported_and_nothing_changes(
    make_bench, wait_until, weights, save_weights, tmp_path, content, values, words
):
    import torch

    path = weights
    if content == "other":
        path = save_weights({"encoder.weight": torch.zeros(3)})
    elif content == "rubbish":
        path = tmp_path / "rubbish.pth"
        path.write_bytes(b"rubbish")
    bench = make_bench()
    bench.start()
    before = bench.fuse().frame.image
    assert set_parameters(bench.node, fuser="tardal", weights=str(path), **values).successful
    wait_until(lambda: bench.node.failure)
    assert bench.node.failure.startswith("laplacian goes on fusing, since tardal cannot be loaded: ")
    assert words in bench.node.failure and "\n" not in bench.node.failure
    assert bench.node.failure in bench.node.waits()  # which stays in /diagnostics
    np.testing.assert_array_equal(bench.fuse().frame.image, before)
    assert (running(bench), bench.node.state) == ("laplacian", "active")


def test_a_network_takes_what_ships_for_it_unless_told(make_bench, slow, wait_until, monkeypatch, tmp_path):
    for name in ("tardal", "dgfusion", "mine"):
        (tmp_path / f"{name}.onnx").touch()
    shipped = {name: tmp_path / f"{name}.onnx" for name in ("tardal", "dgfusion")}
    monkeypatch.setattr("tardal_ros.fusion.node.shipped_weights", lambda name, device: shipped.get(name))
    slow.go.release(99)
    bench = make_bench()
    bench.start()
    mine = str(tmp_path / "mine.onnx")
    wishes = [
        ({"fuser": "tardal"}, ("tardal", "tardal.onnx")),
        ({"weights": mine}, ("tardal", "mine.onnx")),
        ({"fuser": "average"}, ("average", None)),
        ({"fuser": "tardal"}, ("tardal", "mine.onnx")),
        ({"fuser": "dgfusion"}, ("dgfusion", "dgfusion.onnx")),  # what TarDAL has run with is none of its
        ({"weights": ""}, None),
        ({"fuser": "tardal"}, ("tardal", "tardal.onnx")),
    ]
    for values, loaded in wishes:
        count = len(slow.asked) + (loaded is not None)
        assert set_parameters(bench.node, **values).successful
        wait_until(lambda count=count: len(slow.asked) == count and not bench.node._switch.status())
        if loaded is not None:
            assert slow.asked[-1][:2] == loaded
        assert running(bench) == bench.node.parameters.fuser


@pytest.mark.parametrize("names", [("fuser", "weights"), ("weights", "fuser")])
def test_parameters_that_arrive_one_by_one_end_where_one_request_does(
    make_bench, slow, wait_until, monkeypatch, tmp_path, names
):
    monkeypatch.setattr("tardal_ros.fusion.node.shipped_weights", lambda *_: tmp_path / "bad.onnx")
    for name in ("bad", "mine"):
        (tmp_path / f"{name}.onnx").touch()
    slow.go.release(99)
    bench = make_bench()
    bench.start()
    values = {"fuser": "tardal", "weights": str(tmp_path / "mine.onnx")}
    for name in names:  # as `ros2 param load` sets them
        assert set_parameters(bench.node, **{name: values[name]}).successful
    wait_until(lambda: running(bench) == "tardal")
    assert bench.node.values()["weights"] == values["weights"]


def test_whoever_mended_the_weights_asks_again(make_bench, slow, wait_until, tmp_path):
    path = tmp_path / "bad.onnx"
    path.touch()
    slow.go.release(99)
    bench = make_bench()
    bench.start()
    for count in (2, 3):
        assert set_parameters(bench.node, fuser="tardal", weights=str(path)).successful
        wait_until(lambda count=count: len(slow.asked) == count and bench.node._switch.failure)
    assert set_parameters(bench.node, scale=0.5).successful
    assert set_parameters(bench.node, fuser="laplacian").successful
    wait_until(lambda: not bench.node._switch.status())
    assert len(slow.asked) == 3


def test_cleaning_up_while_loading(make_bench, slow, wait_until):
    bench = make_bench()
    bench.start()
    assert set_parameters(bench.node, fuser="average").successful
    assert slow.begun.acquire(timeout=20.0)
    bench.node.trigger_deactivate()
    bench.node.trigger_cleanup()
    assert running(bench) == "none" and bench.node.state == "unconfigured"
    slow.go.release(2)
    bench.node.trigger_configure()
    bench.node.trigger_activate()
    bench.fuse()
    assert running(bench) == "average" and bench.node.failure == ""


def test_what_changes_while_the_first_one_is_loaded_counts(make_bench, monkeypatch, wait_until):
    begun, go = threading.Semaphore(0), threading.Semaphore(0)

    def create(name, *_):
        begun.release()
        assert go.acquire(timeout=20.0)
        return Fuser(Sizes())

    monkeypatch.setattr("tardal_ros.fusion.node.create_fuser", create)
    bench = make_bench()
    bench.process.start()
    assert begun.acquire(timeout=20.0)
    assert set_parameters(bench.node, fuser="average", scale=0.5).successful
    go.release(2)
    wait_until(lambda: running(bench) == "average")
    assert bench.node.active or bench.node.starting


def test_an_end_while_loading_says_what_it_leaves(ros_context, wait_until, slow):
    bench = Bench(ros_context, wait_until)
    bench.start()
    assert set_parameters(bench.node, fuser="average").successful
    assert slow.begun.acquire(timeout=20.0)
    assert bench.process.end(0.2) == ["fusion (loading a fuser)"]
    slow.go.release()
    assert bench.process.end() == []
