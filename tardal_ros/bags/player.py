"""Plays a recording in its own time: on a clock that runs at any rate, pauses, and begins again with the recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from tardal_ros.errors import RigError

Message = tuple[str, int, bytes]
"""Topic, time of receipt in nanoseconds, and the message in CDR."""

STEP = 0.01
"""Seconds at most between two ticks of the clock."""

_LATE = 1_000_000_000
_PATIENCE = 0.4  # Seconds that stop() gives the thread.


class Player:
    """Emits messages when they are due, from a thread of its own.

    The clock shows the recording's time. It stands still while the player is paused, and where reading or emitting
    falls a second behind, it waits for them: no message is left out.

    Attributes:
        played: How many messages were emitted.
    """

    def __init__(
        self,
        messages: Callable[[], Iterator[Message]],
        emit: Callable[[str, bytes], None],
        tick: Callable[[int], None],
        on_end: Callable[[str], None],
        rate: float = 1.0,
        loop: bool = False,
        paused: bool = False,
    ) -> None:
        """Prepares a player, which plays once.

        Args:
            messages: Makes an iterator over the recording, in the order of receipt; called again for each pass.
            emit: Takes each topic and message.
            tick: Takes the clock's time in nanoseconds, before each message and at least every `STEP`.
            on_end: Called at the end, unless the player was stopped; with the reason as a sentence where it failed.
            rate: Speed, 1 for real time.
            loop: Whether to begin again at the end.
            paused: Whether to begin paused.

        Raises:
            RigError: The rate is not positive.
        """
        if not 0.0 < rate < float("inf"):
            raise RigError(f"The playing rate is {rate:g}: it must be positive.")
        self._messages, self._emit, self._tick, self._on_end = messages, emit, tick, on_end
        self._rate, self._loop = rate, loop
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bag-player", daemon=True)
        self._looked = 0  # The steady clock at the last look; 0 while the player's own stands still.
        self._shown = 0  # What the player's clock showed then.
        self.paused = paused
        self.played = 0

    def start(self) -> None:
        """Begins to play, in the background."""
        self._thread.start()

    def stop(self) -> bool:
        """Ends playing; returns whether the thread ended, which it does not while `emit` hangs."""
        self._stop.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._play_once() and self._loop:
                self._looked = self._shown = 0
            reason = ""
        except RigError as error:
            reason = str(error)
        except Exception as error:
            reason = f"Playing failed with {type(error).__name__}: {error}"
        if not self._stop.is_set():
            self._on_end(reason)

    def _play_once(self) -> bool:
        """Plays the recording; returns whether it was played to its end and there was something to play."""
        before = self.played
        for topic, due, data in self._messages():
            if not self._wait_for(due):
                return False
            self._emit(topic, data)
            self.played += 1
        return self.played > before

    def _wait_for(self, due: int) -> bool:
        """Waits until the clock shows a time; False when the player stops."""
        while not self._stop.is_set():
            now = time.monotonic_ns()
            if self.paused:
                self._looked = 0
                self._stop.wait(STEP)
                continue
            if not self._looked:
                self._looked, self._shown = now, self._shown or due
            self._shown += round((now - self._looked) * self._rate)
            self._looked = now
            if self._shown - due > _LATE:
                self._shown = due
            self._tick(min(self._shown, due))
            if self._shown >= due:
                return True
            self._stop.wait(min((due - self._shown) / self._rate / 1e9, STEP))
        return False
