"""What a node says of itself on /diagnostics, once a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from tardal_ros.pipeline import MeterReading

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Diagnosis:
    """A node's condition: the level, one sentence, and figures."""

    level: bytes
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


def diagnose(state: str, waits: Sequence[str], failure: str, values: Mapping[str, str]) -> Diagnosis:
    """Sums up a node's condition: a failure outweighs a wait, and a wait outweighs running.

    Args:
        state: Lifecycle state, or what a transition is doing.
        waits: Sentences naming what the node waits for.
        failure: A fresh failure's sentence, or an empty string.
        values: Figures to show.
    """
    if failure:
        return Diagnosis(ERROR, failure, values)
    if waits:
        return Diagnosis(WARN, "; ".join(waits), values)
    return Diagnosis(OK, state, values)


def meter_values(reading: MeterReading) -> dict[str, str]:
    """The figures of a stage's meter, named with their units."""
    values = {
        "processed": str(reading.processed),
        "rate [Hz]": f"{reading.rate:.2f}",
        "busy p50 [ms]": f"{reading.busy_p50 * 1e3:.2f}",
        "busy p95 [ms]": f"{reading.busy_p95 * 1e3:.2f}",
        "latency p50 [ms]": f"{reading.latency_p50 * 1e3:.2f}",
        "latency p95 [ms]": f"{reading.latency_p95 * 1e3:.2f}",
        "errors": str(reading.errors),
        "last error": reading.last_error,
    }
    values.update({f"dropped: {reason}": str(count) for reason, count in sorted(reading.drops.items())})
    return values


def to_message(name: str, diagnosis: Diagnosis, stamp: Any) -> DiagnosticArray:
    """Builds the message for one node.

    Args:
        name: The node's fully qualified name.
        diagnosis: Its condition.
        stamp: builtin_interfaces/Time.
    """
    status = DiagnosticStatus(
        level=diagnosis.level,
        name=name,
        message=diagnosis.message,
        hardware_id="tardal_ros",
        values=[KeyValue(key=key, value=value) for key, value in diagnosis.values.items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = stamp
    return message


class Heartbeat:
    """Calls a function every `period` seconds in a thread of its own, so that it goes on while an executor is busy."""

    def __init__(self, beat: Callable[[], None], period: float = 1.0) -> None:
        self._beat = beat
        self._period = period
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts beating."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for a beat in progress."""
        self._stop.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            self._beat()
