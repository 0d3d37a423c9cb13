"""The pairing behind `sync`: which reference frame goes with which partner frame, decided as frames come in.

The goal is the assignment that hindsight would find: one-to-one and monotone, first as many pairs within the slop as
possible, then the least total skew. A `Stage` keeps the frames of two streams that are still open, and solves the
assignment on them exactly, by dynamic programming. Of the best assignment it settles

- a pair as soon as both are each other's nearest and nothing nearer can still come, with everything before it, which no
  later frame can change any more;
- otherwise its oldest reference frame, once all that can pair with it or compete for its partners has come, or once its
  wait is over.

Stamps rise within a stream, so nothing comes before its newest stamp; the smallest recent gap between its frames tells
how much later the next one comes at the earliest, which saves waiting for it.

Several partner streams are served by one stage after another. Times are integers in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

NEVER = -(1 << 62)
# What a pair is worth to the dynamic programming, less its skew: more than all skews that open frames can add up to.
_PAIR = 1 << 52


@dataclass
class Settings:
    """What may change while frames are open: see `Synchronizer`."""

    slop: int
    wait: int
    queue: int

    @property
    def patience(self) -> int:
        """How long a reference frame waits: a partner stamped `slop` later may come `wait` late."""
        return self.wait + self.slop


class OpenFrame(Generic[Item]):
    """A frame under way; a reference frame gathers its partners as it passes the stages."""

    __slots__ = ("arrival", "item", "partners", "stamp", "stream")

    def __init__(self, stream: str, stamp: int, item: Item, arrival: int) -> None:
        self.stream = stream
        self.stamp = stamp
        self.item = item
        self.arrival = arrival
        self.partners: list[OpenFrame[Item] | None] = []


class Track:
    """What the stamps of a stream so far tell about its next ones.

    Attributes:
        last: The newest stamp.
        next: The earliest stamp to expect of the next frame.
        period: Mean time between frames.
    """

    __slots__ = ("_gap", "last", "next", "period")

    def __init__(self) -> None:
        self.last = self.next = NEVER
        self.period = 0
        self._gap = 0

    def see(self, stamp: int) -> None:
        """Takes a new stamp; the smallest gap falls at once, and rises slowly where gaps grow."""
        if stamp <= self.last:
            return
        if self.last != NEVER:
            gap = stamp - self.last
            self.period = self.period + (gap - self.period) // 16 if self.period else gap
            self._gap = self._gap + (gap - self._gap) // 16 if 0 < self._gap < gap else gap
        self.last = stamp
        self.next = stamp + self._gap


class Stage(Generic[Item]):
    """Pairs the reference frames that come in with those of one partner stream.

    Args:
        required: Whether reference frames that find no partner are dropped; otherwise they go on without.
        settings: Shared by all stages.
        drop: Called for each frame dropped, with the reason.
    """

    def __init__(self, required: bool, settings: Settings, drop: Callable[[OpenFrame[Item], str], None]) -> None:
        self.references: list[OpenFrame[Item]] = []
        self.partners: list[OpenFrame[Item]] = []
        self.inflow = Track()
        self.track = Track()
        self._required = required
        self._settings = settings
        self._drop = drop
        # Stamps of the newest reference frame decided, and of the newest partner frame given to one.
        self._decided = NEVER
        self._taken = NEVER

    def add_reference(self, frame: OpenFrame[Item]) -> None:
        """Takes a reference frame."""
        if frame.stamp == self.inflow.last:
            self._drop(frame, "duplicate")
        elif frame.stamp <= self._decided:
            self._drop(frame, "late")
        elif not _insert(self.references, frame):
            self._drop(frame, "duplicate")
        self.inflow.see(frame.stamp)

    def add_partner(self, frame: OpenFrame[Item], seen: int) -> None:
        """Takes a partner frame; `seen` as in `settle`."""
        if frame.stamp == self.track.last:
            self._drop(frame, "duplicate")
        elif frame.stamp <= self._taken or frame.stamp < self._floor(seen):
            self._drop(frame, "late")
        elif not _insert(self.partners, frame):
            self._drop(frame, "duplicate")
        elif len(self.partners) > self._settings.queue:
            self._drop(self.partners.pop(0), "overflow")
        self.track.see(frame.stamp)

    def settle(self, seen: int, expected: int, due: int) -> list[OpenFrame[Item]]:
        """Decides what can be decided.

        Args:
            seen: Stamp that every reference frame still to come exceeds.
            expected: The earliest stamp to expect of the next reference frame.
            due: Reference frames that arrived until then wait no longer.

        Returns:
            The reference frames that go on, oldest first, each with its partner or, if that is optional, None.
        """
        done: list[OpenFrame[Item]] = []
        slop = self._settings.slop
        self._trim(seen)
        while self.references:
            first = self.references[0]
            is_full = len(self.references) > self._settings.queue
            is_due = is_full or first.arrival <= due
            if not self.partners or self.partners[0].stamp > first.stamp + slop:
                if not is_due and self.track.last <= first.stamp + slop:
                    break
                self._skip(done, "overflow" if is_full else None)
            else:
                path = self._best_path(expected, is_due)
                settled = self._settled(path, expected)
                if settled:
                    self._commit(path[:settled], done)
                elif not is_due and not self._is_known(first, seen):
                    break
                elif path and path[0][0] == 0:
                    self._commit(path[:1], done)
                else:
                    self._skip(done)
            self._trim(seen)
        return done

    def flush(self) -> list[OpenFrame[Item]]:
        """Decides everything with what is there, and leaves nothing open."""
        done: list[OpenFrame[Item]] = []
        self._commit(self._assign(len(self.references), len(self.partners)), done)
        while self.references:
            self._trim(NEVER)
            self._skip(done)
        self._drop_partners(len(self.partners))
        return done

    def _floor(self, seen: int) -> int:
        """Partner stamps below this are out of reach of every reference frame, open or still to come."""
        return (self.references[0].stamp if self.references else seen) - self._settings.slop

    def _trim(self, seen: int) -> None:
        if self.partners:
            self._drop_partners(_count_until(self.partners, self._floor(seen) - 1))

    def _best_path(self, expected: int, is_due: bool) -> list[tuple[int, int]]:
        """The best assignment of what is open, as rising (reference, partner) indices.

        Frames nearer to the other stream's next frame than to its newest one stay out: better partners for them are
        still to come, and in their hunger they would push the others off their nearest ones. A frame that is due takes
        what there is.
        """
        reach = (self.track.last + self.track.next) // 2
        partner_reach = (self.references[-1].stamp + expected) // 2
        if is_due:
            first = self.references[0].stamp
            reach, partner_reach = max(reach, first), max(partner_reach, first + self._settings.slop)
        if self.references[0].stamp > reach or self.partners[0].stamp > partner_reach:
            return []
        return self._assign(_count_until(self.references, reach), _count_until(self.partners, partner_reach))

    def _assign(self, rows: int, columns: int) -> list[tuple[int, int]]:
        """The best assignment of the first `rows` references to the first `columns` partners.

        Dynamic programming: `table[i][j]` is the value of the best one among i references and j partners.
        """
        slop = self._settings.slop
        stamps = [partner.stamp for partner in self.partners[:columns]]
        above = [0] * (columns + 1)
        table = [above]
        for reference in self.references[:rows]:
            stamp = reference.stamp
            best = 0
            row = [0]
            for j, other in enumerate(stamps):
                skew = abs(other - stamp)
                if skew <= slop and above[j] + _PAIR - skew > best:
                    best = above[j] + _PAIR - skew
                if above[j + 1] > best:
                    best = above[j + 1]
                row.append(best)
            table.append(row)
            above = row
        path = []
        i, j = rows, columns
        while i and j:
            if table[i][j] == table[i - 1][j]:
                i -= 1
            elif table[i][j] == table[i][j - 1]:
                j -= 1
            else:
                i, j = i - 1, j - 1
                path.append((i, j))
        return path[::-1]

    def _settled(self, path: list[tuple[int, int]], expected: int) -> int:
        """How many pairs of the path no frame still to come can improve: those up to the first that is nearest."""
        for count, (i, j) in enumerate(path, 1):
            if self._is_nearest(i, j, expected):
                return 0 if self._passes_over(path[:count]) else count
        return 0

    def _is_nearest(self, i: int, j: int, expected: int) -> bool:
        """Whether both frames are each other's nearest, among all that are there and all that can still come."""
        reference, partner = self.references[i].stamp, self.partners[j].stamp
        skew = abs(partner - reference)
        next_partner = self.partners[j + 1].stamp if j + 1 < len(self.partners) else self.track.next
        next_reference = self.references[i + 1].stamp if i + 1 < len(self.references) else expected
        return (
            (partner >= reference or next_partner - reference >= skew)
            and (reference >= partner or next_reference - partner >= skew)
            and (j == 0 or reference - self.partners[j - 1].stamp >= skew)
            and (i == 0 or partner - self.references[i - 1].stamp >= skew)
        )

    def _passes_over(self, path: list[tuple[int, int]]) -> bool:
        """Whether the path leaves out a frame that could have a partner, of a stream that is not clearly the faster.

        Frames of the faster stream are left out all the time. One of the slower stream lost is a pair lost: that is not
        final before all is known that could make room for it.
        """
        i, j = path[-1]
        references, partners = self.references[: i + 1], self.partners[: j + 1]
        scarce: list[OpenFrame[Item]] = []
        if len(path) <= i and 10 * self.inflow.period >= 9 * self.track.period:
            paired = {i for i, _ in path}
            scarce += [
                frame for n, frame in enumerate(references) if n not in paired and self._is_near(frame, partners)
            ]
        if len(path) <= j and 10 * self.track.period >= 9 * self.inflow.period:
            paired = {j for _, j in path}
            scarce += [
                frame for n, frame in enumerate(partners) if n not in paired and self._is_near(frame, references)
            ]
        return bool(scarce)

    def _is_known(self, reference: OpenFrame[Item], seen: int) -> bool:
        """Whether all that can pair with the reference frame, or compete for its partners, has come."""
        slop = self._settings.slop
        return self.track.last >= reference.stamp + slop and seen >= reference.stamp + 2 * slop

    def _commit(self, path: list[tuple[int, int]], done: list[OpenFrame[Item]]) -> None:
        """Makes these pairs final, and with them everything before the last of them."""
        gone_references = gone_partners = 0
        for i, j in path:
            for _ in range(gone_references, i):
                self._skip(done)
            self._drop_partners(j - gone_partners)
            reference, partner = self.references.pop(0), self.partners.pop(0)
            self._decided, self._taken = reference.stamp, partner.stamp
            reference.partners.append(partner)
            done.append(reference)
            gone_references, gone_partners = i + 1, j + 1

    def _skip(self, done: list[OpenFrame[Item]], reason: str | None = None) -> None:
        """Sends the first reference frame on without a partner, or drops it where the partner is required."""
        reference = self.references.pop(0)
        self._decided = reference.stamp
        if self._required:
            had_one = self._is_near(reference, self.partners, self._taken)
            self._drop(reference, reason or ("unused" if had_one else "no_partner"))
        else:
            reference.partners.append(None)
            done.append(reference)

    def _drop_partners(self, count: int) -> None:
        """Drops the first partner frames."""
        for partner in self.partners[:count]:
            had_one = self._is_near(partner, self.references, self._decided)
            self._drop(partner, "unused" if had_one else "no_partner")
        del self.partners[:count]

    def _is_near(self, frame: OpenFrame[Item], others: Iterable[OpenFrame[Item]], gone: int = NEVER) -> bool:
        """Whether one of the others is within the slop of the frame, or the stamp `gone` is."""
        slop, stamp = self._settings.slop, frame.stamp
        return abs(stamp - gone) <= slop or any(abs(stamp - other.stamp) <= slop for other in others)


class Chain(Generic[Item]):
    """The stages of all partner streams, the required before the optional ones.

    Args:
        stages: By partner stream, in the order in which a reference frame passes them.
        settings: As the stages have them.
    """

    def __init__(self, stages: dict[str, Stage[Item]], settings: Settings) -> None:
        self.stages = stages
        self._entry = next(iter(stages.values()))
        self._settings = settings

    @property
    def newest(self) -> int:
        """The newest stamp of all streams."""
        return max(self._entry.inflow.last, *(stage.track.last for stage in self.stages.values()))

    def last(self, stream: str) -> int:
        """The newest stamp of a stream."""
        return self.stages[stream].track.last if stream in self.stages else self._entry.inflow.last

    def add(self, frame: OpenFrame[Item]) -> None:
        """Takes a frame of any stream."""
        if frame.stream not in self.stages:
            self._entry.add_reference(frame)
            return
        seen = self._entry.inflow.last
        for stream, stage in self.stages.items():
            if stream == frame.stream:
                stage.add_partner(frame, seen)
                return
            if stage.references:
                seen = stage.references[0].stamp - 1

    def settle(self, now: int, silent: Sequence[str]) -> list[OpenFrame[Item]]:
        """The reference frames whose partners are decided; none waits for a silent stream."""
        done: list[OpenFrame[Item]] = []
        seen, expected = self._entry.inflow.last, self._entry.inflow.next
        due = now - self._settings.patience
        for stream, stage in self.stages.items():
            for frame in done:
                stage.add_reference(frame)
            done = stage.settle(seen, expected, now if stream in silent else due)
            if stage.references:
                expected = stage.references[0].stamp
                seen = expected - 1
        return done

    def flush(self) -> list[OpenFrame[Item]]:
        """Decides everything with what is there, and leaves nothing open."""
        done: list[OpenFrame[Item]] = []
        for stage in self.stages.values():
            for frame in done:
                stage.add_reference(frame)
            done = stage.flush()
        return done

    def open_frames(self) -> list[OpenFrame[Item]]:
        """All frames not yet decided, without those that they have gathered."""
        return [frame for stage in self.stages.values() for frame in (*stage.references, *stage.partners)]

    def oldest_arrival(self) -> int | None:
        """When the reference frame arrived that waits longest; None where none waits."""
        return min((stage.references[0].arrival for stage in self.stages.values() if stage.references), default=None)


def _insert(frames: list[OpenFrame[Item]], frame: OpenFrame[Item]) -> bool:
    """Inserts a frame in stamp order, from behind since most come in order; False if its stamp is there already."""
    at = len(frames)
    while at and frames[at - 1].stamp > frame.stamp:
        at -= 1
    if at and frames[at - 1].stamp == frame.stamp:
        return False
    frames.insert(at, frame)
    return True


def _count_until(frames: Iterable[OpenFrame[Item]], stamp: int) -> int:
    """How many of the frames, in stamp order, are stamped so or earlier."""
    count = 0
    for frame in frames:
        if frame.stamp > stamp:
            break
        count += 1
    return count
