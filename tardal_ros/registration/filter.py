"""The synchroniser as a message filter: fed by `message_filters.Subscriber`s, it outputs the messages of one moment."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import message_filters

from tardal_ros.errors import RigError
from tardal_ros.registration.sync import Match, Synchronizer

# Matches that wait while a callback is busy; the oldest gives way to a newer one.
_READY = 16


class SyncFilter(message_filters.SimpleFilter):  # type: ignore[misc]
    """Calls its callbacks with matched messages, in the order reference, required, optional (None where missing).

    Where callbacks of several threads bring messages, matches still go out one at a time and in order, and no lock is
    held meanwhile. An exception in a callback is reported; the other callbacks and the next matches are not affected.

    Waits end only when somebody looks: call `poll` from a timer, every 10 ms or so.

        sync = Synchronizer("visible/left", ["infrared/left"], slop=20 * MILLISECOND)
        filter = SyncFilter(sync, {name: Subscriber(node, Image, f"{name}/image_raw") for name in sync.streams})
        filter.registerCallback(on_pair)  # on_pair(visible, infrared)

    Args:
        synchronizer: Pairs the messages.
        inputs: By stream of the synchronizer, the filter that outputs its messages, which have a header.
        now: The clock by which waits run, in nanoseconds; must be steady.
        on_error: Called with each exception that a callback raises; logs it by default.

    Attributes:
        lost: Matches that no callback saw, because a callback was busy for long.

    Raises:
        RigError: A stream has no input, or an input no stream.
    """

    def __init__(
        self,
        synchronizer: Synchronizer[Any],
        inputs: Mapping[str, Any],
        now: Callable[[], int] = time.monotonic_ns,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        super().__init__()
        self.synchronizer = synchronizer
        self.lost = 0
        self._now = now
        self._on_error = on_error or _log
        self._lock = threading.Lock()
        self._ready: deque[Match[Any]] = deque()
        self._is_busy = False
        self.connectInput(inputs)

    def connectInput(self, inputs: Mapping[str, Any]) -> None:  # noqa: N802, message_filters' own name
        """Takes the messages of these filters, one for each stream."""
        if wrong := sorted(set(inputs) ^ set(self.synchronizer.streams)):
            streams = ", ".join(self.synchronizer.streams)
            raise RigError(f"Each of the streams {streams} needs one input, but '{wrong[0]}' has not just that.")
        for stream, source in inputs.items():
            source.registerCallback(self.add, stream)

    def add(self, message: Any, stream: str) -> None:
        """Takes a message of a stream, by the time in its header."""
        stamp = message.header.stamp
        nanoseconds = stamp.sec * 1_000_000_000 + stamp.nanosec
        with self._lock:
            self._keep(self.synchronizer.add(stream, nanoseconds, message, self._now()))
        self._deliver()

    def poll(self) -> None:
        """Outputs the matches whose wait is over."""
        with self._lock:
            self._keep(self.synchronizer.poll(self._now()))
        self._deliver()

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802, message_filters' own name
        """Calls all callbacks, whatever one of them raises."""
        for callback, arguments in list(self.callbacks.values()):
            try:
                callback(*msg, *arguments)
            except Exception as error:
                self._on_error(error)

    def _keep(self, matches: list[Match[Any]]) -> None:
        self._ready.extend(matches)
        while len(self._ready) > _READY:
            self._ready.popleft()
            self.lost += 1

    def _deliver(self) -> None:
        """Hands out what is ready, unless a thread (or a callback that led here) is at it already."""
        while True:
            with self._lock:
                if self._is_busy or not self._ready:
                    return
                match = self._ready.popleft()
                self._is_busy = True
            try:
                self.signalMessage(*match.items.values())
            finally:
                with self._lock:
                    self._is_busy = False


def _log(error: Exception) -> None:
    logging.getLogger(__name__).error("A callback of the synchroniser failed.", exc_info=error)
