"""The rendered scene as a source."""

from __future__ import annotations

from collections.abc import Mapping

from tardal_ros.capture.cadence import Cadence, Trigger
from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.simulation import Camera, RigGeometry, Scene, default_rig
from tardal_ros.types import Frame


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
        self._clocks: dict[str, Trigger] = {}
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
        self._clocks = {name: Trigger(cadence, self._of[0], name) for name, cadence in self._cadences.items()}

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
