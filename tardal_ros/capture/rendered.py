"""The rendered scene as a source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.simulation import Camera, RigGeometry, Scene, default_rig
from tardal_ros.types import Frame


@dataclass(frozen=True)
class Cadence:
    """When a simulated camera takes its images.

    Attributes:
        rate: Images per second.
        phase: Seconds by which it starts late.
        jitter: Largest deviation of a capture time, in seconds; below half a period, so that order holds.
        latency: Seconds from capture to arrival.
        offset: Seconds by which its clock is ahead of the scene's: played, its stamps say so much more.
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
            raise RigError(
                f"A simulated camera's jitter is {self.jitter} s: at {self.rate:g} Hz it must be 0 or more and below"
                f" {0.5 / self.rate:.4g} s, half its period."
            )
        if not abs(self.offset) < math.inf or not abs(self.drift) < 0.1:
            raise RigError(
                f"A simulated camera's clock has offset {self.offset} s and drift {self.drift}:"
                " the offset must be finite, the drift below 0.1 either way."
            )


class RenderedSource:
    """The simulated cameras; endless."""

    def __init__(
        self,
        seed: int,
        condition: str,
        split: str,
        cadences: Mapping[str, Cadence],
        *,
        view: str = "vehicle",
        rig: RigGeometry | None = None,
    ) -> None:
        """Takes note of what to render; the scene is built when the source is opened.

        Args:
            seed: See `Scene`.
            condition: See `Scene`.
            split: See `Scene`.
            cadences: Timing by stream name; streams without one are not rendered. The right eye of a spectrum that has
                the left one's timing is triggered together with it.
            view: See `Scene`.
            rig: The cameras; those of `default_rig` by default.

        Raises:
            RigError: There is a cadence for no camera of the rig.
        """
        self._rig = rig or default_rig()
        cameras = self._rig.cameras
        unknown = set(cadences) - set(cameras)
        if unknown or not cadences:
            raise RigError(
                f"The simulated cameras are {', '.join(cameras)}, not {', '.join(sorted(unknown)) or 'none'}."
            )
        self._of, self._view = (seed, condition, split), view
        self._scene: Scene | None = None
        self._clocks: dict[str, _Clock] = {}
        self._cadences = dict(cadences)
        self._streams = {name: _describe(name, cameras[name], cadence) for name, cadence in cadences.items()}

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
        if self._scene is None:
            self._scene = Scene(*self._of, view=self._view, rig=self._rig)
            for name in self._cadences:
                self._scene.view(name, 0.0)  # what a first view prepares would make the first frames late
        self._clocks = {name: _Clock(cadence, self._of[0], name) for name, cadence in self._cadences.items()}

    def read(self) -> tuple[str, Frame]:
        """Renders the next frame."""
        assert self._scene is not None, "read() before open()"
        name = min(self._clocks, key=lambda stream: self._clocks[stream].next)
        time = self._clocks[name].tick()
        info = self._streams[name]
        return name, Frame(self._scene.view(name, time / 1e9), time, info.frame_id, info.camera_info)

    def close(self) -> None:
        """Keeps the scene, for the next time."""


def _describe(name: str, camera: Camera, cadence: Cadence) -> StreamInfo:
    info = camera.info
    clock = cadence.latency, cadence.offset, cadence.drift
    return StreamInfo(name, camera.frame_id, info.width, info.height, cadence.rate, info, *clock)


class _Clock:
    """The capture times of one stream, in nanoseconds of the scene."""

    def __init__(self, cadence: Cadence, seed: int, name: str) -> None:
        self._cadence = cadence
        # Both eyes of a spectrum hang on one trigger.
        self._rng = np.random.default_rng([seed, *name.replace("right", "left").encode()])
        self._count = 0
        self.next = self._draw()

    def tick(self) -> int:
        now = self.next
        self._count += 1
        self.next = self._draw()
        return now

    def _draw(self) -> int:
        cadence = self._cadence
        jitter = float(self._rng.uniform(-1.0, 1.0)) * cadence.jitter
        return max(0, round((cadence.phase + self._count / cadence.rate + jitter) * 1e9))
