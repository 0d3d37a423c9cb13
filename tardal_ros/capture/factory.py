"""Sources by the name of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tardal_ros.capture.folder import FolderSource
from tardal_ros.capture.rendered import Cadence, RenderedSource
from tardal_ros.capture.source import Limited, Source
from tardal_ros.capture.video import VideoSource
from tardal_ros.errors import RigError

KINDS = ("simulation", "folder", "video")


def create_source(
    kind: str,
    *,
    visible: str | Path = "",
    infrared: str | Path = "",
    registered: bool = True,
    frame_rate: float = 10.0,
    duration: float = 0.0,
    seed: int = 0,
    condition: str = "day",
    split: str = "test",
    cadences: Mapping[str, Cadence] | None = None,
) -> Source:
    """Makes a source; nothing is read before it is opened.

    Args:
        kind: `simulation`, `folder` or `video`.
        visible: Folder or video file of the visible camera.
        infrared: Folder or video file of the infrared camera.
        registered: Whether the files hold pairs that lie on each other already.
        frame_rate: Pairs per second of a folder or the simulation; a video has its own.
        duration: Seconds after which the source ends; 0 for no limit.
        seed: What the simulation shows.
        condition: Condition of the simulation.
        split: Set of things from which the simulation is made.
        cadences: Timing of the simulated streams, by name, instead of `frame_rate`.

    Raises:
        RigError: An unknown kind, a missing path or a number out of range.
    """
    if kind not in KINDS:
        raise RigError(f"There is no source '{kind}': choose one of {', '.join(KINDS)}.")
    source: Source
    if kind == "simulation":
        source = RenderedSource(seed, condition, split, cadences or default_cadences(frame_rate))
    elif not str(visible) or not str(infrared):
        raise RigError(f"The source '{kind}' needs two paths: set visible and infrared.")
    elif kind == "folder":
        source = FolderSource(visible, infrared, frame_rate, registered)
    else:
        source = VideoSource(visible, infrared, registered)
    return Limited(source, duration) if duration else source


def default_cadences(frame_rate: float) -> dict[str, Cadence]:
    """Two cameras of one rate that no wire triggers together: infrared is a little late and uneven."""
    jitter = min(0.002, 0.1 / frame_rate) if frame_rate > 0.0 else 0.0
    return {"visible/left": Cadence(frame_rate), "infrared/left": Cadence(frame_rate, 2.0 * jitter, jitter)}
