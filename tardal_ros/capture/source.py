"""What a source of frames is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tardal_ros.errors import RigError
from tardal_ros.types import CameraInfo, Frame


@dataclass(frozen=True, eq=False)
class StreamInfo:
    """One camera of a source.

    Attributes:
        name: The stream's topic prefix, such as `infrared/left`.
        frame_id: The camera's optical frame (REP-103).
        width: Image width in pixels; 0 while it is not known yet. Single frames may differ.
        height: Image height in pixels; 0 while it is not known yet.
        rate: Nominal images per second.
        camera_info: The camera's geometry; all-zero `k` where it is not calibrated (REP-104).
        latency: Seconds from capture to arrival, for a source that imitates a slow camera.
        offset: Seconds by which the camera's own clock is ahead, for a source that imitates a camera with such a clock.
        drift: By how many seconds a second that clock gains.
    """

    name: str
    frame_id: str
    width: int
    height: int
    rate: float
    camera_info: CameraInfo | None
    latency: float = 0.0
    offset: float = 0.0
    drift: float = 0.0

    def stamp(self, time: int) -> int:
        """What the camera's own clock says at a time, both in nanoseconds since the beginning of the source."""
        return time + round(self.offset * 1e9 + self.drift * time)


class Source(Protocol):
    """Where frames come from. A source is used by one thread at a time."""

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """Its cameras; names and frame ids are known from the start, the rest at the latest after `open`."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong so far without ending it, one sentence each, in order."""
        ...

    def open(self) -> None:
        """Goes to the beginning; may be called again after `close`.

        Raises:
            RigError: There is nothing to read.
        """
        ...

    def read(self) -> tuple[str, Frame] | None:
        """The next frame and the name of its stream, in the order of stamps; None at the end.

        Stamps are true times of capture in nanoseconds since the beginning of the source: a player puts the error of a
        camera's own clock (`StreamInfo.stamp`) on top. Images are read-only.
        """
        ...

    def close(self) -> None:
        """Lets go of files and devices; harmless where nothing is open."""
        ...


class Limited:
    """Ends another source early."""

    def __init__(self, source: Source, duration: float) -> None:
        """Wraps a source; frames from `duration` seconds on are left out.

        Raises:
            RigError: The duration is not positive.
        """
        if not duration > 0.0:
            raise RigError(f"duration is {duration} s: it must be positive, or 0 for no limit.")
        self._source = source
        self._end = duration * 1e9

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The cameras of the source."""
        return self._source.streams

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems of the source."""
        return self._source.problems

    def open(self) -> None:
        """Opens the source."""
        self._source.open()

    def read(self) -> tuple[str, Frame] | None:
        """The next frame of the source; None from the limit on."""
        item = self._source.read()
        return item if item is not None and item[1].stamp < self._end else None

    def close(self) -> None:
        """Closes the source."""
        self._source.close()
