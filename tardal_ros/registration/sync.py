"""Pairing in time: which frames of several cameras show the same moment.

One stream is the reference; each other stream is a partner, required or optional. A match is a reference frame with at
most one frame of each partner, within the slop. How the frames are paired, `pairing` tells; how near that comes to the
best that hindsight could do, `benchmarks/pairing.py` measures.

All times are integers in nanoseconds. Nothing here knows ROS, images or the wall clock.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tardal_ros.errors import RigError
from tardal_ros.registration.pairing import NEVER, Chain, OpenFrame, Settings, Stage

Item = TypeVar("Item")

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

# A stamp this much below its stream's newest is no frame out of order: a bag began again, or a clock was set back.
JUMP = 100 * MILLISECOND
_MAX_SLOP = 60 * SECOND
_MAX_WAIT = 3600 * SECOND
_MAX_QUEUE = 10_000


@dataclass(frozen=True)
class Match(Generic[Item]):
    """Frames of one moment.

    Attributes:
        stamp: The reference frame's own stamp; strictly rising from match to match until a jump back.
        items: What was added, by stream: the reference, the required, then the optional ones (None where missing).
        skews: Partner minus reference time by stream, after the clock offsets; only partners that are there.
    """

    stamp: int
    items: Mapping[str, Item | None]
    skews: Mapping[str, int]

    @property
    def skew(self) -> int:
        """The largest of the skews; negative where that partner's frame is the earlier one."""
        return max(self.skews.values(), key=abs, default=0)


@dataclass(frozen=True)
class SyncStatus:
    """What became of all frames since the start. For each stream: received = matched + dropped + pending.

    Why a frame is dropped:
        `no_partner`: nothing within the slop came to pair it with.
        `unused`: something came within the slop, but went to a better match, or its match stayed incomplete.
        `late`: it came when its moment was already decided.
        `duplicate`: its stream had that stamp before.
        `overflow`: the queue was full.
        `reset`: `reset()` was called.

    Attributes:
        pairs: Matches so far.
        received: Frames added, by stream.
        pending: Frames still undecided, by stream.
        drops: Frames dropped, by stream and reason.
        jumps: How often a stream's stamps jumped back and pairing began again.
        skew_now: The last match's skew.
        skew_mean: Mean over all matches of the skew without its sign.
        skew_max: The largest of these.
    """

    pairs: int
    received: Mapping[str, int]
    pending: Mapping[str, int]
    drops: Mapping[str, Mapping[str, int]]
    jumps: int
    skew_now: int
    skew_mean: float
    skew_max: int

    @property
    def drops_by_reason(self) -> dict[str, int]:
        """Frames dropped by reason, over all streams."""
        total: Counter[str] = Counter()
        for reasons in self.drops.values():
            total.update(reasons)
        return dict(total)


class Synchronizer(Generic[Item]):
    """Pairs the frames of one reference stream with those of any number of partner streams.

    Each frame is used at most once. Matches come with strictly rising reference stamps. A missing required partner
    costs the match; a missing optional one never does: the match then comes with None after the wait, or at once while
    that stream is silent, since waiting for a camera that is not there would only delay every frame by the whole wait.

    When a stream's stamps jump back (a bag that loops, a clock that is reset), pairing begins again: the frames from
    before the jump are paired among themselves, until all streams have jumped or the first match from after it is
    there. A clock step of less than `JUMP` only makes that stream's frames late until its stamps have caught up.

    Safe to call from several threads. `now` is the clock by which the wait runs, and must not jump back.

    Args:
        reference: Name of the reference stream.
        required: Names of the partners without which there is no match, the one with the lowest rate first.
        optional: Names of the partners that may be missing.
        slop: Largest skew of a pair, in nanoseconds.
        wait: How late, measured by the reference stream, a partner's frames may come, in nanoseconds. A reference frame
            waits `wait + slop` at most, because its partner may be stamped `slop` later.
        offsets: By stream, what to add to its stamps before they are compared, in nanoseconds.
        queue: Most frames kept of a stream. What exceeds it is decided, or dropped, before its wait is over.
        silence: A stream of which nothing came for so long is silent, in nanoseconds.

    Raises:
        RigError: An argument makes no sense.
    """

    def __init__(
        self,
        reference: str,
        required: Sequence[str],
        optional: Sequence[str] = (),
        *,
        slop: int = 25 * MILLISECOND,
        wait: int = 100 * MILLISECOND,
        offsets: Mapping[str, int] | None = None,
        queue: int = 64,
        silence: int = SECOND,
    ) -> None:
        if isinstance(required, str) or isinstance(optional, str):
            raise RigError("The partners of a synchronizer must be a list of stream names, not one string.")
        self.reference = reference
        self.required = tuple(required)
        self.optional = tuple(optional)
        self.streams = (reference, *self.required, *self.optional)
        if len(set(self.streams)) != len(self.streams) or len(self.streams) < 2:
            raise RigError(f"The streams to pair must be at least two, each named once: got {', '.join(self.streams)}.")
        self._offsets = dict.fromkeys(self.streams, 0) | dict(offsets or {})
        if unknown := sorted(set(self._offsets) - set(self.streams)):
            raise RigError(f"There is a clock offset for '{unknown[0]}', which is none of {', '.join(self.streams)}.")
        self._settings = Settings(
            slop=_checked("slop", slop, 0, _MAX_SLOP),
            wait=_checked("wait", wait, 0, _MAX_WAIT),
            queue=_checked("queue", queue, 1, _MAX_QUEUE),
        )
        self._silence = _checked("silence", silence, 0, _MAX_WAIT)
        self._lock = threading.Lock()
        self._chain = self._new_chain()
        self._previous: Chain[Item] | None = None
        self._before_jump = NEVER
        self._states = {name: _State(self._chain) for name in self.streams}
        self._started: int | None = None
        self._pairs = self._jumps = 0
        self._skew_now = self._skew_sum = self._skew_max = 0

    @property
    def slop(self) -> int:
        """Largest skew of a pair, in nanoseconds."""
        return self._settings.slop

    @property
    def wait(self) -> int:
        """How late a partner's frames may come, in nanoseconds."""
        return self._settings.wait

    def configure(self, *, slop: int | None = None, wait: int | None = None) -> None:
        """Changes slop or wait; frames that are already open are held to the new values.

        Raises:
            RigError: A value is out of range; then none is changed.
        """
        slop = self.slop if slop is None else _checked("slop", slop, 0, _MAX_SLOP)
        wait = self.wait if wait is None else _checked("wait", wait, 0, _MAX_WAIT)
        with self._lock:
            self._settings.slop, self._settings.wait = slop, wait

    def add(self, stream: str, stamp: int, item: Item, now: int) -> list[Match[Item]]:
        """Takes a frame.

        Args:
            stream: Name of its stream.
            stamp: Its capture time in nanoseconds.
            item: What to find in the match, such as the image.
            now: The time of its arrival, in nanoseconds of any steady clock.

        Returns:
            The matches that are ready now, oldest first.

        Raises:
            RigError: The stream is none of those named at the start.
        """
        if stream not in self._states:
            raise RigError(f"There is no stream '{stream}' to pair: the streams are {', '.join(self.streams)}.")
        with self._lock:
            state = self._states[stream]
            state.heard = now
            state.received += 1
            frame = OpenFrame(stream, stamp + self._offsets[stream], item, now)
            matches = self._follow_jump(stream, frame.stamp)
            state.chain.add(frame)
            return matches + self._settle(now)

    def poll(self, now: int) -> list[Match[Item]]:
        """The matches that became ready since, because a wait is over; call it at `next_deadline()`."""
        with self._lock:
            return self._settle(now)

    def next_deadline(self) -> int | None:
        """When `poll` has something to decide, by the clock of `now`; None while no reference frame is open."""
        with self._lock:
            arrivals = [arrival for chain in self._chains() if (arrival := chain.oldest_arrival()) is not None]
            return min(arrivals) + self._settings.patience if arrivals else None

    def flush(self) -> list[Match[Item]]:
        """Ends all waits: the matches that the frames at hand still make; nothing stays open."""
        with self._lock:
            return [self._match(frame) for chain in self._chains() for frame in chain.flush()]

    def reset(self) -> None:
        """Drops all open frames and forgets the stamps seen; the counts go on."""
        with self._lock:
            for chain in self._chains():
                for frame in chain.open_frames():
                    self._drop(frame, "reset")
            self._previous, self._chain = None, self._new_chain()
            for state in self._states.values():
                state.chain = self._chain

    def silent(self, now: int) -> tuple[str, ...]:
        """The streams of which nothing came for the `silence`, or nothing at all so far."""
        with self._lock:
            return tuple(name for name in self.streams if self._is_silent(name, now))

    def waiting_for(self, now: int) -> tuple[str, ...]:
        """The silent streams that hold up every match: the reference and required ones."""
        return tuple(name for name in self.silent(now) if name not in self.optional)

    @property
    def status(self) -> SyncStatus:
        """What became of all frames so far."""
        with self._lock:
            pending = dict.fromkeys(self.streams, 0)
            for chain in self._chains():
                for frame in chain.open_frames():
                    for one in (frame, *filter(None, frame.partners)):
                        pending[one.stream] += 1
            return SyncStatus(
                pairs=self._pairs,
                received={name: state.received for name, state in self._states.items()},
                pending=pending,
                drops={name: dict(state.drops) for name, state in self._states.items()},
                jumps=self._jumps,
                skew_now=self._skew_now,
                skew_mean=self._skew_sum / max(self._pairs, 1),
                skew_max=self._skew_max,
            )

    def _new_chain(self) -> Chain[Item]:
        stages = {name: Stage(name in self.required, self._settings, self._drop) for name in self.streams[1:]}
        return Chain(stages, self._settings)

    def _chains(self) -> tuple[Chain[Item], ...]:
        return (self._previous, self._chain) if self._previous else (self._chain,)

    def _follow_jump(self, stream: str, stamp: int) -> list[Match[Item]]:
        """Moves a stream to the chain that its next stamp belongs to; returns the matches that this makes final."""
        state = self._states[stream]
        matches: list[Match[Item]] = []
        last = state.chain.last(stream)
        if stamp < last - JUMP:
            if state.chain is self._chain:
                matches = self._close_previous()
                self._begin_again(last)
            state.chain = self._chain
        elif state.chain is not self._chain and abs(stamp - self._chain.newest) < abs(stamp - self._before_jump):
            state.chain = self._chain
        if self._previous and all(other.chain is self._chain for other in self._states.values()):
            matches += self._close_previous()
        return matches

    def _begin_again(self, before_jump: int) -> None:
        self._jumps += 1
        self._before_jump = before_jump
        self._previous, self._chain = self._chain, self._new_chain()
        for name, state in self._states.items():
            # A stream that has not spoken since the last jump has nothing to finish there.
            state.chain = self._previous if self._previous.last(name) != NEVER else self._chain

    def _close_previous(self) -> list[Match[Item]]:
        if self._previous is None:
            return []
        done, self._previous = self._previous.flush(), None
        return [self._match(frame) for frame in done]

    def _settle(self, now: int) -> list[Match[Item]]:
        if self._started is None:
            self._started = now
        silent = [name for name in self.optional if self._is_silent(name, now)]
        done = self._chain.settle(now, silent)
        if self._previous:
            # Nothing from before the jump may come after the first match from after it.
            done = (self._previous.flush() if done else self._previous.settle(now, silent)) + done
        return [self._match(frame) for frame in done]

    def _is_silent(self, stream: str, now: int) -> bool:
        heard = self._states[stream].heard
        since = self._started if heard is None else heard
        return since is None or now - since > self._silence

    def _match(self, frame: OpenFrame[Item]) -> Match[Item]:
        items: dict[str, Item | None] = {self.reference: frame.item}
        skews: dict[str, int] = {}
        for name, partner in zip(self.streams[1:], frame.partners, strict=True):
            items[name] = partner.item if partner else None
            if partner:
                skews[name] = partner.stamp - frame.stamp
        match = Match(frame.stamp - self._offsets[self.reference], items, skews)
        self._pairs += 1
        self._skew_now = match.skew
        self._skew_sum += abs(self._skew_now)
        self._skew_max = max(self._skew_max, abs(self._skew_now))
        return match

    def _drop(self, frame: OpenFrame[Item], reason: str) -> None:
        """Counts a frame as dropped; the partners that it has gathered go with it."""
        self._states[frame.stream].drops[reason] += 1
        for partner in frame.partners:
            if partner:
                self._drop(partner, "reset" if reason == "reset" else "unused")


class _State(Generic[Item]):
    """What is known of a stream beyond its open frames."""

    def __init__(self, chain: Chain[Item]) -> None:
        self.chain = chain
        self.heard: int | None = None
        self.received = 0
        self.drops: Counter[str] = Counter()


def _checked(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RigError(f"The synchronizer's {name} must be a whole number from {low} to {high}, not {value!r}.")
    return value
