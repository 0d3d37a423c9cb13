"""A node around one pipeline stage: inputs, mailbox, worker thread, timing and figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from tardal_ros.msg import StageTiming
from tardal_ros.pipeline import Stage, Step, Worker
from tardal_ros.ros.diagnostics import meter_values
from tardal_ros.ros.frames import wanted
from tardal_ros.ros.messages import make_header, to_time
from tardal_ros.ros.node import P, RigNode
from tardal_ros.ros.ports import Input
from tardal_ros.ros.qos import sensor_data

In = TypeVar("In")
Out = TypeVar("Out")


class Opened(Protocol):
    """A publisher of ours that lives from configure to cleanup."""

    def open(self) -> None:
        """Creates its topics."""

    def close(self) -> None:
        """Destroys its topics."""


class StageNode(RigNode[P], Generic[P, In, Out]):
    """Runs a stage live. Subclasses fill in `build`, `deliver` and `stamp_of`.

    Args:
        name: Node name; its timing goes out as `<name>/timing`.
        parameters_type: The dataclass of the node's parameters.
        options: Passed on to rclpy's node.

    Attributes:
        observers: Called in the worker's thread with the step of each result.
    """

    def __init__(self, name: str, parameters_type: type[P], **options: Any) -> None:
        super().__init__(name, parameters_type, **options)
        self.worker: Worker[In, Out] | None = None
        self.inputs: list[Input[Any]] = []
        self.publishers_of_results: list[Opened] = []
        self.observers: list[Callable[[Step], None]] = []
        self._timing: Any = None
        self._newest = 0

    def build(self) -> Stage[In, Out]:
        """Loads the stage; may take long.

        Raises:
            RigError: Its model, device or calibration is unusable.
        """
        raise NotImplementedError

    def deliver(self, result: Out) -> None:
        """Hands on a result, in the worker's thread."""
        raise NotImplementedError

    def stamp_of(self, item: In | Out) -> tuple[int, str]:
        """Capture stamp (nanoseconds) and frame_id of an item or a result."""
        raise NotImplementedError

    def submit(self, item: In) -> None:
        """Leaves an item in the worker's mailbox; a jump back in time makes the stage forget."""
        if self.worker is None:
            return
        stamp = self.stamp_of(item)[0]
        if stamp < self._newest:
            self.worker.reset()
        self._newest = stamp
        self.worker.submit(item)

    def configure(self) -> None:
        """Loads the stage, creates the publishers and starts the worker."""
        stage = self.build()
        for publisher in self.publishers_of_results:
            publisher.open()
        self._timing = self.create_publisher(StageTiming, f"{self.get_name()}/timing", sensor_data())
        self.worker = Worker(stage, self._finished, self._failed, lambda result: self.age(self.stamp_of(result)[0]))
        self.worker.start()

    def activate(self) -> None:
        """Opens the inputs."""
        for port in self.inputs:
            port.open()

    def deactivate(self) -> None:
        """Closes the inputs."""
        for port in self.inputs:
            port.close()

    def cleanup(self) -> None:
        """Ends the worker after the item in progress, and destroys the publishers."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()
            worker.join(0.0 if self.halted else 10.0)
        if self.halted:
            return
        for publisher in self.publishers_of_results:
            publisher.close()
        timing, self._timing = self._timing, None
        self.destroy_publisher(timing)

    def halt(self) -> None:
        """Takes no more work."""
        super().halt()
        if self.worker is not None:
            self.worker.close()

    def finish(self, timeout: float) -> list[str]:
        """Waits for the item in progress."""
        deadline = time.monotonic() + timeout
        worker = self.worker
        left = [] if worker is None or worker.join(timeout) else [f"{self.get_name()} (an item in work)"]
        return left + super().finish(deadline - time.monotonic())

    def waits(self) -> list[str]:
        """What the inputs wait for."""
        return [sentence for port in self.inputs if (sentence := port.waiting())]

    def values(self) -> dict[str, str]:
        """The worker's figures."""
        return meter_values(self.worker.meter.read()) if self.worker else {}

    def drops(self) -> dict[str, int]:
        """Items dropped so far, by reason."""
        return dict(self.worker.meter.read().drops) if self.worker else {}

    def _finished(self, result: Out, step: Step) -> None:
        for observe in self.observers:
            observe(step)
        self.deliver(result)
        if wanted(self._timing):
            self._timing.publish(self._timing_message(result, step))

    def _failed(self, item: In, error: Exception) -> None:
        self.report(error, f"running {self.get_name()}")

    def _timing_message(self, result: Out, step: Step) -> StageTiming:
        assert self.worker is not None
        stamp, frame_id = self.stamp_of(result)
        return StageTiming(
            header=make_header(stamp, frame_id),
            stage=self.get_name(),
            started=to_time(step.started),
            finished=to_time(step.finished),
            waited=step.waited,
            processed=self.worker.meter.processed,
            dropped=self.worker.meter.dropped,
        )
