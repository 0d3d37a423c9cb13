"""The live driver: a stage in a thread of its own, fed by a one-slot mailbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tardal_ros.pipeline.mailbox import Mailbox
from tardal_ros.pipeline.meter import Meter
from tardal_ros.pipeline.stage import Stage

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Step:
    """When one item went through a stage.

    Attributes:
        started: Start of the work, in nanoseconds of the system clock.
        finished: End of the work, in nanoseconds of the system clock.
        waited: Seconds that the item waited in the mailbox.
    """

    started: int
    finished: int
    waited: float

    @property
    def busy(self) -> float:
        """Seconds of work."""
        return (self.finished - self.started) / 1e9


class Worker(Generic[In, Out]):
    """Runs one stage live. Chained by `deliver=next_worker.submit`, workers are the live pipeline.

    A failing item is reported and lost; the worker goes on with the next one.

    Args:
        stage: The stage to run; only this worker's thread ever calls it.
        deliver: Called in the worker's thread with each result and its step.
        on_error: Called in the worker's thread with the item and the exception of a stage or of `deliver`.
        age: Seconds since the capture of a result, for the meter.
    """

    def __init__(
        self,
        stage: Stage[In, Out],
        deliver: Callable[[Out, Step], None],
        on_error: Callable[[In, Exception], None],
        age: Callable[[Out], float] | None = None,
    ) -> None:
        self.stage = stage
        self.meter = Meter()
        self._deliver = deliver
        self._on_error = on_error
        self._age = age
        self._mailbox: Mailbox[tuple[In, int]] = Mailbox()
        self._reset = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker:{stage.name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, item: In) -> None:
        """Hands in an item; it replaces one that still waits, which is counted as `replaced`."""
        if self._mailbox.put((item, time.monotonic_ns())):
            self.meter.drop("replaced")

    def reset(self) -> None:
        """Lets the stage forget, before it takes the next item."""
        self._reset.set()

    def close(self) -> None:
        """Lets the thread end after the item that it is working on; does not wait."""
        self._mailbox.close()

    def join(self, timeout: float) -> bool:
        """Waits for the thread to end; returns whether it did within `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._mailbox.closed:
            taken = self._mailbox.take()
            if taken is not None:
                self._process(*taken)

    def _process(self, item: In, submitted: int) -> None:
        waited = (time.monotonic_ns() - submitted) / 1e9
        try:
            if self._reset.is_set():
                self._reset.clear()
                self.stage.reset()
            started = time.time_ns()
            result = self.stage.process(item)
            step = Step(started, time.time_ns(), waited)
            if result is None or self._mailbox.closed:
                return
            self.meter.add(step.busy, self._age(result) if self._age else None)
            self._deliver(result, step)
        except Exception as error:  # whatever a stage throws costs one item, never the worker
            self.meter.error(f"{error}")
            self.meter.drop("failed")
            self._on_error(item, error)
