"""Sources by the name of their kind."""

from __future__ import annotations

from pathlib import Path

from tardal_ros.capture.cadence import Cadence
from tardal_ros.capture.folder import FolderSource
from tardal_ros.capture.geometry import load_geometry
from tardal_ros.capture.rendered import RenderedSource
from tardal_ros.capture.source import Limited, Source
from tardal_ros.capture.video import VideoSource
from tardal_ros.errors import RigError
from tardal_ros.simulation import default_rig

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
    view: str = "vehicle",
    rig: str | Path = "",
    stereo: bool = False,
    infrared_cadence: Cadence | None = None,
) -> Source:
    """Makes a source; no frame is read before it is opened.

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
        view: From where the simulation looks, `vehicle` or `uav`.
        rig: Rig file of the cameras to simulate; those of `default_rig` by default.
        stereo: Whether to simulate the right eyes of the rig too.
        infrared_cadence: Timing of the simulated infrared cameras; that of the visible ones by default.

    Raises:
        RigError: An unknown kind, a missing path, an unusable rig file or a number out of range.
    """
    if kind not in KINDS:
        raise RigError(f"There is no source '{kind}': choose one of {', '.join(KINDS)}.")
    source: Source
    if kind == "simulation":
        cameras = load_geometry(rig) if str(rig) else default_rig()
        visible_cadence = Cadence(frame_rate)
        cadences = {
            stream: visible_cadence if stream.startswith("visible") else infrared_cadence or visible_cadence
            for stream in cameras.cameras
            if stereo or stream.endswith("left")
        }
        source = RenderedSource(seed, condition, split, cadences, view=view, rig=cameras)
    elif not str(visible) or not str(infrared):
        raise RigError(f"The source '{kind}' needs two paths: set visible and infrared.")
    elif kind == "folder":
        source = FolderSource(visible, infrared, frame_rate, registered)
    else:
        source = VideoSource(visible, infrared, registered)
    return Limited(source, duration) if duration else source
