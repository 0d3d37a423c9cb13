"""The rendered scene as a source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.simulation import Scene, default_rig
from tardal_ros.types import Frame


@dataclass(frozen=True)
class Cadence:
    """When a simulated camera takes its images.

    Attributes:
        rate: Images per second.
        phase: Seconds by which it starts late.
        jitter: Largest deviation of a capture time, in seconds; below half a period, so that order holds.
        latency: Seconds from capture to arrival.
        offset: Seconds by which its clock is ahead of the scene's: its stamps say so much more.
        drift: By how many seconds a second its clock gains on the scene's, such as 2e-5.

    Raises:
        RigError: A number is out of range.
    """

    rate: float = 10.0
    phase: float = 0.0
    jitter: float = 0.0
    latency: float = 0.0
    offset: float = 0.0
    drift: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise RigError(f"A simulated camera's rate is {self.rate} Hz: it must be positive.")
        if not 0.0 <= self.phase < math.inf or not 0.0 <= self.latency < math.inf:
            raise RigError(
                f"phase {self.phase} s and latency {self.latency} s of a simulated camera must be 0 or more."
            )
        if not 0.0 <= self.jitter < 0.5 / self.rate:
            raise RigError(f"A simulated camera's jitter is {self.jitter} s: it must be below half its period.")
        if not 0.0 <= self.offset < math.inf or not abs(self.drift) < 0.1:
            raise RigError(
                f"A simulated camera's clock has offset {self.offset} s and drift {self.drift}:"
                " the offset must be 0 or more, the drift below 0.1 either way."
            )

    def stamp(self, time: float) -> int:
        """What the camera's clock says at a time of the scene, in nanoseconds."""
        return round((time * (1.0 + self.drift) + self.offset) * 1e9)


class RenderedSource:
    """The simulated cameras; endless."""

    def __init__(self, seed: int, condition: str, split: str, cadences: Mapping[str, Cadence]) -> None:
        """Takes note of what to render; the scene is built when the source is opened.

        Args:
            seed: See `Scene`.
            condition: See `Scene`.
            split: See `Scene`.
            cadences: Timing by stream name; streams without one are not rendered.

        Raises:
            RigError: There is a cadence for no camera of the rig.
        """
        cameras = default_rig().cameras
        unknown = set(cadences) - set(cameras)
        if unknown or not cadences:
            raise RigError(
                f"The simulated cameras are {', '.join(cameras)}, not {', '.join(sorted(unknown)) or 'none'}."
            )
        self._of = seed, condition, split
        self._scene: Scene | None = None
        self._clocks: dict[str, _Clock] = {}
        self._cadences = dict(cadences)
        self._streams = {
            name: StreamInfo(
                name, camera.frame_id, camera.info.width, camera.info.height, cadence.rate, camera.info, cadence.latency
            )
            for name, cadence in cadences.items()
            for camera in [cameras[name]]
        }

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The simulated cameras."""
        return tuple(self._streams.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """None ever."""
        return ()

    def open(self) -> None:
        """Goes to the beginning; the first time, this builds the scene (some seconds).

        Raises:
            RigError: There is no such scene.
        """
        self._scene = self._scene or Scene(*self._of)
        self._clocks = {name: _Clock(cadence, self._of[0], name) for name, cadence in self._cadences.items()}

    def read(self) -> tuple[str, Frame]:
        """Renders the next frame."""
        assert self._scene is not None, "read() before open()"
        name = min(self._clocks, key=lambda stream: self._clocks[stream].stamp)
        time, stamp = self._clocks[name].tick()
        info = self._streams[name]
        return name, Frame(self._scene.view(name, time), stamp, info.frame_id, info.camera_info)

    def close(self) -> None:
        """Keeps the scene, for the next time."""


class _Clock:
    """The capture times of one stream: in seconds of the scene, and as its own clock stamps them."""

    def __init__(self, cadence: Cadence, seed: int, name: str) -> None:
        self._cadence = cadence
        self._rng = np.random.default_rng([seed, *name.encode()])
        self._count = 0
        self._draw()

    def tick(self) -> tuple[float, int]:
        now = self.time, self.stamp
        self._count += 1
        self._draw()
        return now

    def _draw(self) -> None:
        cadence = self._cadence
        jitter = float(self._rng.uniform(-1.0, 1.0)) * cadence.jitter
        nanoseconds = max(0, round((cadence.phase + self._count / cadence.rate + jitter) * 1e9))
        self.time = nanoseconds / 1e9
        self.stamp = cadence.stamp(self.time)
