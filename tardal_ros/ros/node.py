"""The base of every node: lifecycle, autostart, typed parameters, diagnostics, reports to the user."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import State
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from tardal_ros.errors import RigError
from tardal_ros.ros.diagnostics import Heartbeat, diagnose, to_message
from tardal_ros.ros.parameters import declare
from tardal_ros.ros.qos import results

P = TypeVar("P")

# How long a failure stays in /diagnostics as the node's condition, and how often one sentence is repeated in the log.
FAILURE_SHOWN = 5.0
REPEAT_AFTER = 10.0
MAX_SENTENCES = 256
NUMBERS = re.compile(r"\d+")


class RigNode(LifecycleNode, Generic[P]):
    """A lifecycle node of the rig.

    Subclasses fill in `configure`, `activate`, `deactivate`, `cleanup`, `apply`, `waits` and `values`. A failing
    transition is reported in one sentence and leaves the node alive.

    Args:
        name: Node name.
        parameters_type: The dataclass of the node's parameters; it has a field `autostart`.
        options: Passed on to rclpy's node (context, namespace, parameter_overrides, ...).

    Attributes:
        halted: Whether the process is ending.
        qos_problems: By topic, a sentence on a peer whose QoS does not match; shown in /diagnostics.
        starts_after: Nodes of this process that must run, or have failed, before this one activates by itself.
    """

    def __init__(self, name: str, parameters_type: type[P], **options: Any) -> None:
        super().__init__(name, **options)
        self._said: dict[str, float] = {}
        self._doing = ""
        self._failure = ""
        self._failed_at = 0.0
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", results())
        self._parameter_set = declare(self, parameters_type, self.apply)
        self._heartbeat = Heartbeat(self._pulse)
        self._starter = threading.Thread(target=self._autostart, name=f"starter:{name}", daemon=True)
        self.halted = False
        self.qos_problems: dict[str, str] = {}
        self.starts_after: Sequence[RigNode[Any]] = ()

    # What subclasses fill in.

    def configure(self) -> None:
        """Loads and checks what the node needs; may take long.

        Raises:
            RigError: It cannot run like this.
        """

    def activate(self) -> None:
        """Begins to run."""

    def deactivate(self) -> None:
        """Stops running; what was loaded stays."""

    def cleanup(self) -> None:
        """Lets go of what `configure` made."""

    def apply(self, old: P, new: P) -> None:
        """Takes over parameters that changed while running.

        Raises:
            RigError: The change is refused, and nothing has changed.
        """

    def waits(self) -> list[str]:
        """Sentences naming what the active node waits for."""
        return []

    def values(self) -> dict[str, str]:
        """Figures for /diagnostics."""
        return {}

    # What everybody uses.

    @property
    def parameters(self) -> P:
        """The current parameter values; a frozen dataclass that is replaced as a whole."""
        return self._parameter_set.values

    @property
    def active(self) -> bool:
        """Whether the node runs."""
        return bool(self._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE)

    @property
    def state(self) -> str:
        """The lifecycle state's label, such as `inactive`."""
        return str(self._state_machine.current_state[1])

    @property
    def starting(self) -> bool:
        """Whether the node is about to run by itself, and has neither arrived there nor failed."""
        return bool(getattr(self.parameters, "autostart", True)) and not self.active and not self._failure

    @property
    def failure(self) -> str:
        """The failure that keeps the node from running, or a fresh one; else an empty string."""
        return self._failure if not self.active or time.monotonic() - self._failed_at < FAILURE_SHOWN else ""

    def start(self) -> None:
        """Begins diagnostics, and configures and activates in a thread of its own if `autostart` says so."""
        self._heartbeat.start()
        if getattr(self.parameters, "autostart", True):
            self._starter.start()

    def halt(self) -> None:
        """First step of the end: takes no more work. Does not wait."""
        self.halted = True
        self._guarded(self.deactivate)

    def finish(self, timeout: float) -> list[str]:
        """Second step of the end: waits for work in progress.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            What could not be ended in that time.
        """
        self._guarded(self.cleanup)
        if self._starter.ident is not None:
            self._starter.join(max(timeout, 0.0))
        self._heartbeat.stop()
        self._pulse()
        return [f"{self.get_name()} ({self._doing})"] if self._starter.is_alive() else []

    def age(self, stamp: int) -> float:
        """Seconds since a capture stamp (nanoseconds of the ROS clock)."""
        return float(self.get_clock().now().nanoseconds - stamp) / 1e9

    def tell_qos_problem(self, topic: str, sentence: str) -> None:
        """Logs that a peer's QoS does not match, and keeps it for /diagnostics."""
        self.qos_problems[topic] = sentence
        self.say(sentence)

    def say(self, sentence: str, *, warn: bool = True) -> None:
        """Logs a sentence, at most once in ten seconds."""
        if not self._due(sentence):
            return
        if warn:
            self.get_logger().warning(sentence)
        else:
            self.get_logger().info(sentence)

    def report(self, error: Exception, doing: str) -> None:
        """Tells the user of a failure: in the log (throttled) and in /diagnostics.

        Args:
            error: What happened; a RigError is shown by its sentence alone.
            doing: What the node was doing, such as `fusing`.
        """
        sentence = str(error) if isinstance(error, RigError) else f"{type(error).__name__} while {doing}: {error}"
        self._failure, self._failed_at = sentence, time.monotonic()
        if self._due(sentence):
            self.get_logger().error(sentence)
            if not isinstance(error, RigError):
                self.get_logger().debug("".join(traceback.format_exception(error)))

    def beat(self) -> None:
        """Publishes the node's condition; called once a second."""
        waits = [*self._clock_waits(), *self.waits()] if self.active else ([self._doing] if self._doing else [])
        for sentence in waits:
            self.say(sentence, warn=self.active)
        qos = {f"QoS of {topic}": sentence for topic, sentence in self.qos_problems.items()}
        diagnosis = diagnose(self.state, waits, self.failure, {**self.values(), **qos})
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(to_message(name, diagnosis, self.get_clock().now().to_msg()))

    def _pulse(self) -> None:
        try:
            if self.context.ok():
                self.beat()
        except Exception as error:  # diagnostics must go on, except where ROS itself has ended meanwhile
            if self.context.ok():
                self.report(error, "publishing diagnostics")

    # rclpy's transitions.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs `configure`."""
        return self._transition("configuring", self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs `activate`."""
        return self._transition("activating", self.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs `deactivate`."""
        return self._transition("deactivating", self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs `cleanup`."""
        return self._transition("cleaning up", self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Runs `deactivate` and `cleanup`."""
        self._guarded(self.deactivate)
        return self._transition("shutting down", self.cleanup)

    def _transition(self, doing: str, hook: Callable[[], None]) -> TransitionCallbackReturn:
        self._doing = doing
        try:
            hook()
        except Exception as error:  # a transition that fails leaves a node that still answers
            self.report(error, doing)
            return TransitionCallbackReturn.FAILURE
        finally:
            self._doing = ""
        self._failure = ""
        return TransitionCallbackReturn.SUCCESS

    def _autostart(self) -> None:
        if self.halted or self.trigger_configure() != TransitionCallbackReturn.SUCCESS:
            return
        while not self.halted and (pending := [node.get_name() for node in self.starts_after if node.starting]):
            self._doing = f"waiting for {', '.join(pending)} to be ready"
            time.sleep(0.02)
        self._doing = ""
        if not self.halted:
            self.trigger_activate()

    def _guarded(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except Exception as error:  # the end of one node must not keep the others from ending
            self.report(error, "ending")

    def _clock_waits(self) -> list[str]:
        if self.get_parameter("use_sim_time").value and not self.get_clock().now().nanoseconds:
            return ["use_sim_time is true, but no time comes on /clock: play a bag with --clock, or set it to false"]
        return []

    def _due(self, sentence: str) -> bool:
        now = time.monotonic()
        kind = NUMBERS.sub("", sentence)  # the same complaint with other figures is the same complaint
        if now - self._said.get(kind, -REPEAT_AFTER) < REPEAT_AFTER:
            return False
        if len(self._said) >= MAX_SENTENCES:
            self._said.clear()
        self._said[kind] = now
        return True
