"""The intake: every received frame of every camera in, pairs of one moment out; live and in order alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tardal_ros.calibration.rig import REFERENCE
from tardal_ros.errors import RigError
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.sync import JUMP, MILLISECOND, Match, Synchronizer, SyncStatus
from tardal_ros.types import Frame, Pair, ToneRange, View

REQUIRED = ("infrared/left",)
OPTIONAL = ("visible/right", "infrared/right")


class Intake:
    """What must see every received frame: the check of its pixels, the AGC of infrared, and the pairing in time.

    It stands before the first mailbox, so that what it remembers does not depend on what later stages keep up with: the
    tone that the AGC finds travels in the frame. All times are nanoseconds. For one thread at a time.

    Args:
        stereo: Whether to take the right eyes too; a missing one never holds up the left.
        slop: Largest skew of a pair.
        wait: How late frames may come.
        infrared_offset: What to add to infrared stamps before they are compared.
        make_agc: Makes the AGC of one infrared stream.

    Attributes:
        streams: The streams that it takes, by topic prefix.

    Raises:
        RigError: An argument makes no sense.
    """

    def __init__(
        self,
        stereo: bool = False,
        *,
        slop: int = 20 * MILLISECOND,
        wait: int = 100 * MILLISECOND,
        infrared_offset: int = 0,
        make_agc: Callable[[], Agc] = Agc,
    ) -> None:
        self.streams = (REFERENCE, *REQUIRED, *(OPTIONAL if stereo else ()))
        self._tones = {stream: _Tone(make_agc()) for stream in self.streams if is_infrared(stream)}
        self._synchronizer: Synchronizer[Frame] = Synchronizer(
            REFERENCE,
            REQUIRED,
            OPTIONAL if stereo else (),
            slop=slop,
            wait=wait,
            offsets=dict.fromkeys(self._tones, infrared_offset),
        )
        self._refused = 0

    def add(self, stream: str, frame: Frame, now: int) -> list[Pair]:
        """Takes a frame.

        Args:
            stream: Its stream.
            frame: The frame as it was received.
            now: The time of its arrival, by any steady clock.

        Returns:
            The pairs that are ready now, oldest first; 16-bit infrared with its tone.

        Raises:
            RigError: The stream cannot have such an image, which then counts as `refused`, or there is no such stream.
        """
        try:
            check_depth(stream, frame)
            if stream in self._tones:
                frame = replace(frame, tone=self._tones[stream].update(frame))
        except RigError:
            self._refused += 1
            raise
        return [to_pair(match) for match in self._synchronizer.add(stream, frame.stamp, frame, now)]

    def poll(self, now: int) -> list[Pair]:
        """The pairs that became ready since, because a wait is over."""
        return [to_pair(match) for match in self._synchronizer.poll(now)]

    def flush(self) -> list[Pair]:
        """Ends all waits: the pairs that the frames at hand still make."""
        return [to_pair(match) for match in self._synchronizer.flush()]

    def configure(self, *, slop: int, wait: int) -> None:
        """Changes slop and wait, from any thread.

        Raises:
            RigError: A value is out of range; then none is changed.
        """
        self._synchronizer.configure(slop=slop, wait=wait)

    @property
    def status(self) -> SyncStatus:
        """What became of all frames that were not refused; from any thread."""
        return self._synchronizer.status

    @property
    def drops(self) -> dict[str, int]:
        """Frames that made no pair, by reason: those of `SyncStatus`, and `refused`; from any thread."""
        return self.status.drops_by_reason | ({"refused": self._refused} if self._refused else {})


def pair_in_order(intake: Intake, frames: Iterable[tuple[str, Frame]]) -> Iterator[Pair]:
    """Takes in recorded frames as a node takes in live ones; the reference stream's stamps are the clock of the waits.

    Args:
        intake: A fresh one.
        frames: Stream and frame in order of arrival, such as `iter(source.read, None)`; other streams are passed over.

    Yields:
        The pairs, for `run_in_order`.

    Raises:
        RigError: A frame is refused.
    """
    now, newest = 0, None
    for stream, frame in frames:
        if stream == REFERENCE:
            # After a jump back the clock goes on from where it is.
            now += max(frame.stamp - newest, 0) if newest is not None else 0
            newest = frame.stamp
        if stream in intake.streams:
            yield from intake.add(stream, frame, now)
    yield from intake.flush()


def is_infrared(stream: str) -> bool:
    """Whether a stream is of an infrared camera."""
    return stream.startswith("infrared")


def check_depth(stream: str, frame: Frame) -> None:
    """Refuses images whose numbers mean something else than brightness or counts.

    Raises:
        RigError: The pixel type is not one that the stream may have.
    """
    allowed = ("uint8", "uint16") if is_infrared(stream) else ("uint8",)
    if frame.image.dtype not in allowed:
        raise RigError(
            f"{stream} has {frame.image.dtype} pixels: have its driver publish {' or '.join(allowed)} images"
        )


def to_pair(match: Match[Frame]) -> Pair:
    """The pair in a match; right eyes are None where they are missing."""
    frame = match.items.get
    visible, infrared = frame(REFERENCE), frame(REQUIRED[0])
    assert visible is not None and infrared is not None
    return Pair(View(visible, frame(OPTIONAL[0])), View(infrared, frame(OPTIONAL[1])))


class _Tone:
    """The AGC of one stream, which forgets when the stream's stamps jump back."""

    def __init__(self, agc: Agc) -> None:
        self._agc = agc
        self._newest: int | None = None

    def update(self, frame: Frame) -> ToneRange:
        if self._newest is not None and frame.stamp < self._newest - JUMP:
            self._agc.reset()
            self._newest = None
        self._newest = frame.stamp if self._newest is None else max(self._newest, frame.stamp)
        return self._agc.update(frame.image)
