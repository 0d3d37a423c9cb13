"""Messages of cameras as frames, and what is wrong with their stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tardal_ros.bags.topics import info_topic
from tardal_ros.errors import RigError
from tardal_ros.registration.intake import check_depth
from tardal_ros.ros import images
from tardal_ros.ros.messages import from_camera_info, to_stamp_ns
from tardal_ros.types import CameraInfo, Frame

FAR = 1_000_000_000
"""Nanoseconds between stamp and receipt from which on one of two clocks must be wrong."""


class Cameras:
    """Makes frames of messages as the live rig does, each with its camera's newest camera_info.

    Attributes:
        refused: How many images could not be taken.
    """

    def __init__(self, streams: Mapping[str, str]) -> None:
        """Takes note of the topics.

        Args:
            streams: Image topics by stream.
        """
        self._streams = {topic: stream for stream, topic in streams.items()}
        self._of_info = {info_topic(topic): stream for stream, topic in streams.items()}
        self._infos: dict[str, CameraInfo | None] = {}
        self._stamps = {stream: _Stamps() for stream in streams}
        self._bad: dict[str, Counter[str]] = {stream: Counter() for stream in streams}

    @property
    def topics(self) -> set[str]:
        """What to read: images and camera_info."""
        return {*self._streams, *self._of_info}

    @property
    def refused(self) -> int:
        """How many images could not be taken."""
        return sum(self._bad[stream].total() for stream in self._bad)

    def take(self, topic: str, received: int, message: Any) -> tuple[str, Frame] | None:
        """Takes a message of one of the topics.

        Args:
            topic: Its topic.
            received: When it was received, in nanoseconds.
            message: The message.

        Returns:
            Stream and frame; None for a camera_info, and for an image that the rig would refuse.
        """
        if topic in self._of_info:
            self._take_info(self._of_info[topic], message)
            return None
        stream = self._streams[topic]
        header = message.header
        try:
            frame = Frame(images.decode(message), to_stamp_ns(header.stamp), header.frame_id, self._infos.get(stream))
            check_depth(stream, frame)
        except RigError as error:
            self._bad[stream][str(error).rstrip(".")] += 1
            return None
        self._stamps[stream].see(frame.stamp, received)
        return stream, frame

    def problems(self) -> list[str]:
        """What was wrong with the messages so far."""
        bad = [
            f"{count} messages of {stream} are passed over: {reason}."
            for stream, reasons in self._bad.items()
            for reason, count in reasons.items()
        ]
        return bad + [problem for stream, stamps in self._stamps.items() for problem in stamps.problems(stream)]

    def _take_info(self, stream: str, message: Any) -> None:
        try:
            self._infos[stream] = from_camera_info(message)
        except RigError as error:
            self._bad[stream][str(error).rstrip(".")] += 1


class _Stamps:
    """Looks for what is wrong with the stamps of one stream."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._count = self._zero = self._back = self._far = 0
        self._furthest = 0

    def see(self, stamp: int, received: int) -> None:
        self._count += 1
        if not stamp:
            self._zero += 1
            return
        if self._newest is not None and stamp < self._newest:
            self._back += 1
        self._newest = stamp
        if abs(received - stamp) > FAR:
            self._far += 1
            self._furthest = max(self._furthest, abs(received - stamp))

    def problems(self, stream: str) -> list[str]:
        problems = []
        if self._zero:
            problems.append(
                f"{self._zero} of {self._count} images of {stream} have no stamp (zero), so that they cannot be paired:"
                " have the driver stamp them."
            )
        if self._back:
            problems.append(
                f"Stamps of {stream} jump back {self._back} times, as where a bag was looped or a clock was set."
            )
        if self._far:
            problems.append(
                f"{self._far} of {self._count} images of {stream} have a stamp over {FAR / 1e9:g} s away from their"
                f" receipt, up to {self._furthest / 1e9:.1f} s: check the clocks of camera and recorder."
            )
        return problems
