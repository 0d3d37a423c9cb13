from dataclasses import dataclass

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from tardal_ros.errors import RigError
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.process import Process
from tardal_ros.ros.qos import results


@dataclass(frozen=True)
class Knobs:
    gain: float = parameter(1.0, "Gain.", minimum=0.0, maximum=10.0)
    autostart: bool = parameter(True, "Start at once.", read_only=True)


class Probe(RigNode[Knobs]):
    """Records what happens to it; can be told to fail or to wait."""

    def __init__(self, **options):
        self.calls = []
        self.broken = None
        self.wait = []
        super().__init__("probe", Knobs, **options)

    def configure(self):
        self.calls.append("configure")
        if self.broken:
            raise self.broken

    def activate(self):
        self.calls.append("activate")

    def deactivate(self):
        self.calls.append("deactivate")

    def cleanup(self):
        self.calls.append("cleanup")

    def apply(self, old, new):
        if new.gain > 5:
            raise RigError("the amplifier melts above 5")
        self.calls.append((old.gain, new.gain))

    def waits(self):
        return self.wait


class Listener:
    """Collects /diagnostics in the same context."""

    def __init__(self, context):
        self.node = rclpy.create_node("listener", context=context)
        self.statuses = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._take, results())
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)

    def _take(self, message):
        self.statuses += message.status

    def saw(self, condition):
        self.executor.spin_once(timeout_sec=0.05)
        return any(condition(status) for status in self.statuses)


@pytest.fixture
def probe(ros_context):
    node = Probe(context=ros_context)
    process = Process([node], ros_context)
    yield node, process
    assert process.end() == []


def test_autostart_configures_and_activates(probe, wait_until):
    node, process = probe
    process.start()
    wait_until(lambda: node.active)
    assert node.calls == ["configure", "activate"]
    assert node.state == "active"


def test_a_supervisor_can_drive_it_over_services(ros_context, wait_until):
    node = Probe(context=ros_context, parameter_overrides=[Parameter("autostart", value=False)])
    process = Process([node], ros_context)
    process.start()
    supervisor = rclpy.create_node("supervisor", context=ros_context)
    client = supervisor.create_client(ChangeState, "/probe/change_state")
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(supervisor)
    assert client.wait_for_service(10)
    for transition in ("CONFIGURE", "ACTIVATE", "DEACTIVATE", "CLEANUP"):
        request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{transition}")))
        future = client.call_async(request)
        executor.spin_until_future_complete(future, timeout_sec=10)
        assert future.result().success, transition
    assert node.calls == ["configure", "activate", "deactivate", "cleanup"]
    assert process.end() == []


@pytest.mark.parametrize("error", [RigError("weights.pt is truncated; fetch it again"), ValueError("what a surprise")])
def test_failing_configure_leaves_the_node_alive_and_says_why(ros_context, wait_until, error):
    node = Probe(context=ros_context)
    node.broken = error
    process = Process([node], ros_context)
    listener = Listener(ros_context)
    process.start()
    text = str(error)
    wait_until(lambda: listener.saw(lambda s: s.level == DiagnosticStatus.ERROR and text in s.message))
    assert node.state == "unconfigured"
    node.broken = None
    node.trigger_configure()
    node.trigger_activate()
    assert node.active
    assert process.end() == []


def test_waits_are_diagnosed_by_name(probe, ros_context, wait_until):
    node, process = probe
    node.wait = ["waiting for infrared/left: nobody publishes /infrared/left/image_raw"]
    listener = Listener(ros_context)
    process.start()
    wait_until(lambda: listener.saw(lambda s: s.level == DiagnosticStatus.WARN and "infrared/left" in s.message))
    node.wait = []
    listener.statuses.clear()
    wait_until(lambda: listener.saw(lambda s: s.level == DiagnosticStatus.OK and s.message == "active"))


def test_parameters_change_at_run_time_or_are_refused_with_the_reason(probe):
    node, _ = probe
    accepted = node.set_parameters([Parameter("gain", value=2.5)])[0]
    assert accepted.successful
    assert node.parameters.gain == 2.5
    assert (1.0, 2.5) in node.calls
    refused = node.set_parameters([Parameter("gain", value=7.0)])[0]
    assert not refused.successful
    assert "melts" in refused.reason
    assert node.parameters.gain == 2.5


def test_bad_parameter_at_start_is_one_sentence(ros_context):
    with pytest.raises(RigError, match=r"(?s)/probe.*gain.*99"):
        Probe(context=ros_context, parameter_overrides=[Parameter("gain", value=99.0)])


def test_end_takes_the_node_down_once(ros_context, wait_until):
    node = Probe(context=ros_context)
    process = Process([node], ros_context)
    process.start()
    wait_until(lambda: node.active)
    assert process.end() == []
    assert node.calls == ["configure", "activate", "deactivate", "cleanup"]


def test_a_bug_in_a_callback_does_not_leave_the_node_deaf(probe, wait_until):
    node, process = probe
    calls = []

    def tick():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("a bug in a callback")

    process.start()
    wait_until(lambda: node.active)
    node.create_timer(0.02, tick)
    wait_until(lambda: len(calls) >= 3)
    assert "a bug in a callback" in node.failure


def test_sim_time_without_a_clock_is_diagnosed(ros_context, wait_until):
    node = Probe(context=ros_context, parameter_overrides=[Parameter("use_sim_time", value=True)])
    process = Process([node], ros_context)
    listener = Listener(ros_context)
    process.start()
    wait_until(lambda: listener.saw(lambda s: s.level == DiagnosticStatus.WARN and "/clock" in s.message))
    assert process.end() == []


def test_a_complaint_is_not_repeated_for_other_figures(probe):
    node, _ = probe
    assert node._due("fell 1.2 s behind")
    assert not node._due("fell 3.4 s behind")
    assert node._due("fell over")


def test_a_node_starts_after_those_it_waits_for(ros_context, wait_until):
    class Named(Probe):
        def __init__(self, name, **options):
            self.calls, self.broken, self.wait = [], None, []
            RigNode.__init__(self, name, Knobs, **options)

    first, last = Named("first", context=ros_context), Named("last", context=ros_context)
    last.starts_after = (first,)
    process = Process([last], ros_context)
    process.start()
    wait_until(lambda: "waiting for first" in last._doing)
    assert not last.active
    first.trigger_configure()
    first.trigger_activate()
    wait_until(lambda: last.active)
    assert process.end() == []
    first.destroy_node()


def test_a_supervised_configure_does_not_stop_the_other_nodes(ros_context, wait_until):
    import threading

    class Slow(Probe):
        def __init__(self, **options):
            self.calls, self.broken, self.wait = [], None, []
            self.entered, self.gate = threading.Event(), threading.Event()
            RigNode.__init__(self, "slow", Knobs, **options)

        def configure(self):
            self.entered.set()
            assert self.gate.wait(20)

    slow = Slow(context=ros_context, parameter_overrides=[Parameter("autostart", value=False)])
    other = Probe(context=ros_context)
    ticks = []
    other.create_timer(0.02, lambda: ticks.append(1))
    process = Process([slow, other], ros_context)
    process.start()
    supervisor = rclpy.create_node("supervisor", context=ros_context)
    client = supervisor.create_client(ChangeState, "/slow/change_state")
    assert client.wait_for_service(10)
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    client.call_async(request)
    assert slow.entered.wait(10)
    before = len(ticks)
    wait_until(lambda: len(ticks) > before + 3)
    slow.gate.set()
    wait_until(lambda: slow.state == "inactive")
    assert process.end() == []
