"""Playing a source in real time, from threads of its own."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tardal_ros.capture.cadence import arrivals
from tardal_ros.capture.source import Source, StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.types import Frame

_AHEAD = 4  # Frames read before they are due.
_STEP = 0.05  # Seconds at most between two looks at a clock that may run at any speed.
_PATIENCE = 0.4  # Seconds that stop() gives the threads.

_Item = tuple[str, Frame]
_LOG = logging.getLogger(__name__)


class Player:
    """Emits the frames of a source when they are due, stamped with the time of the clock.

    One thread reads the source a few frames ahead, another waits and emits. Events are told by kind and sentence:

    - `started`: the source is open.
    - `problem`: something that the source left out.
    - `looped`: the source begins again; stamps go on growing.
    - `stalled`: the source gave no frame for a while.
    - `late`: reading or emitting does not keep up; frames from now on are stamped anew, none is lost.
    - `emit_failed`: `emit` raised; the frames after it are played.
    - `failed`: the source raised; playing is over.
    - `ended`: the source has no more frames; playing is over.
    - `abandoned`: a thread did not stop in time and was left behind.
    """

    def __init__(
        self,
        source: Source,
        emit: Callable[[str, Frame], None],
        on_event: Callable[[str, str], None],
        rate: float = 1.0,
        loop: bool = False,
        now_ns: Callable[[], int] = time.time_ns,
        stall_after: float = 2.0,
        late_after: float = 1.0,
    ) -> None:
        """Prepares a player, which plays once.

        Args:
            source: What to play; only the player's thread touches it until the player has stopped.
            emit: Called with each stream name and frame, from the player's thread.
            on_event: Called with the kind of an event and a sentence, from any of the player's threads.
            rate: Speed, 1 for real time.
            loop: Whether to begin again at the end.
            now_ns: The clock of the stamps and the pace, in nanoseconds.
            stall_after: Seconds without a frame after which the source counts as stalled.
            late_after: Seconds behind the clock from which frames are stamped anew.

        Raises:
            RigError: The rate is not positive.
        """
        if not 0.0 < rate < float("inf"):
            raise RigError(f"The playing rate is {rate}: it must be positive.")
        self._source, self._emit, self._on_event = source, emit, on_event
        self._rate, self._loop, self._now_ns = rate, loop, now_ns
        self._stall_after, self._late_after = stall_after, late_after
        self._frames: queue.Queue[_Item | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._opened = False
        self._problems_told = 0
        self._ending = ("ended", "The source has no more frames.")
        self._streams: dict[str, StreamInfo] = {}
        self._origin = 0  # When the source's time 0 is on the clock.
        self._seen = 0  # The clock at the last look.
        self._reader = threading.Thread(target=self._read, name="capture-reader", daemon=True)
        self._pacer = threading.Thread(target=self._pace, name="capture-player", daemon=True)

    def start(self) -> None:
        """Opens the source and begins to play, in the background."""
        self._reader.start()
        self._pacer.start()

    def stop(self) -> bool:
        """Ends playing.

        Returns:
            Whether all threads ended; False after 0.4 s if `read` or `emit` hangs (see `abandoned`).
        """
        self._stop.set()
        deadline = time.monotonic() + _PATIENCE
        for thread in (self._pacer, self._reader):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        hanging = [thread for thread in (self._pacer, self._reader) if thread.is_alive()]
        left = [thread.name for thread in hanging if thread is not threading.current_thread()]
        if left:
            self._tell("abandoned", f"The source or its consumer hangs: {' and '.join(left)} is left behind.")
        return not left

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end of playing; returns whether it has come."""
        self._pacer.join(timeout)
        return not self._pacer.is_alive()

    def _read(self) -> None:
        """The reading thread."""
        try:
            self._play_passes()
        except RigError as error:
            self._ending = "failed", str(error)
        except Exception as error:
            self._ending = "failed", f"The source failed with {type(error).__name__}: {error}"
        try:
            self._source.close()
        except Exception as error:
            self._tell("problem", f"Closing the source failed with {type(error).__name__}: {error}")
        self._put(None)

    def _play_passes(self) -> None:
        """Reads the source once, or again and again, with stamps that go on growing."""
        offset = 0
        while True:
            self._source.open()
            streams = self._source.streams
            periods = {stream.name: round(1e9 / stream.rate) for stream in streams}
            self._streams = {stream.name: stream for stream in streams}
            if not self._opened:
                self._opened = True
                cameras = (f"{info.name} {info.width}x{info.height} at {info.rate:g} Hz" for info in streams)
                self._tell("started", f"Playing {', '.join(cameras)}.")
            length = 0
            while (item := self._source.read()) is not None:
                self._tell_problems()
                name, frame = item
                length = max(length, frame.stamp + periods[name])
                if not self._put((name, replace(frame, stamp=frame.stamp + offset))):
                    return
            self._tell_problems()
            self._source.close()
            if not self._loop:
                return
            if not length:
                raise RigError("The source has no frames to loop over.")
            offset += length
            self._tell("looped", f"The source begins again after {length / 1e9:g} s.")

    def _put(self, item: _Item | None) -> bool:
        """Queues a frame; False when the player stops."""
        while not self._stop.is_set():
            try:
                self._frames.put(item, timeout=_STEP)
            except queue.Full:
                continue
            return True
        return False

    def _pace(self) -> None:
        """The emitting thread."""
        try:
            self._emit_frames()
        except Exception as error:
            self._ending = "failed", f"Playing failed with {type(error).__name__}: {error}"
        if not self._stop.is_set():
            self._tell(*self._ending)
        self._stop.set()

    def _emit_frames(self) -> None:
        first = True
        for due, (name, frame) in arrivals(self._taken()):
            if first:
                self._seen = self._now_ns()
                self._origin = self._seen - self._scaled(due)
                first = False
            if not self._wait_for(due):
                return
            self._catch_up(due)
            stamp = self._streams[name].stamp(frame.stamp)
            try:
                self._emit(name, replace(frame, stamp=self._origin + self._scaled(stamp)))
            except Exception as error:
                self._tell("emit_failed", f"A frame of {name} was lost: {type(error).__name__}: {error}")

    def _taken(self) -> Iterator[tuple[int, int, _Item]]:
        for name, frame in iter(self._take, None):
            yield frame.stamp, round(self._streams[name].latency * 1e9), (name, frame)

    def _take(self) -> _Item | None:
        """The next frame read; None at the end or when the player stops."""
        since, told = time.monotonic(), False
        while not self._stop.is_set():
            try:
                return self._frames.get(timeout=_STEP)
            except queue.Empty:
                if not told and time.monotonic() - since > self._stall_after:
                    told = True
                    state = "gave no frame" if self._opened else "has been opening"
                    self._tell("stalled", f"The source {state} for {self._stall_after:g} s.")
        return None

    def _wait_for(self, due: int) -> bool:
        """Waits until the clock reaches a time of the source; False when the player stops."""
        while not self._stop.is_set():
            now = self._now_ns()
            # A clock that was set back must not make the source wait for the difference.
            self._origin -= max(0, self._seen - now)
            self._seen = now
            left = self._origin + self._scaled(due) - now
            if left <= 0:
                return True
            self._stop.wait(min(left / 1e9, _STEP))
        return False

    def _catch_up(self, due: int) -> None:
        """Moves the stamps to come where they lag too far behind the clock."""
        lag = self._seen - self._origin - self._scaled(due)
        if lag > self._late_after * 1e9:
            self._origin += lag
            self._tell(
                "late", f"Playing fell {lag / 1e9:.1f} s behind the clock: the source or its consumer is too slow."
            )

    def _scaled(self, stamp: int) -> int:
        return round(stamp / self._rate)

    def _tell_problems(self) -> None:
        problems = self._source.problems
        for problem in problems[self._problems_told :]:
            self._tell("problem", problem)
        self._problems_told = len(problems)

    def _tell(self, kind: str, text: str) -> None:
        try:
            self._on_event(kind, text)
        except Exception:
            _LOG.exception("The listener failed at the event '%s' (%s)", kind, text)
