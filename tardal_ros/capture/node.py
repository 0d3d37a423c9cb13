"""The capture node: frames out of a source, onto the topics of its cameras."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tardal_ros.capture.cadence import Cadence
from tardal_ros.capture.factory import KINDS, create_source
from tardal_ros.capture.player import Player
from tardal_ros.errors import RigError
from tardal_ros.pipeline import Meter
from tardal_ros.ros.diagnostics import meter_values
from tardal_ros.ros.frames import FramePublisher
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Output
from tardal_ros.ros.process import run
from tardal_ros.ros.resources import resolve
from tardal_ros.simulation import CONDITIONS, VIEWS
from tardal_ros.types import Frame

STREAMS = ("visible/left", "visible/right", "infrared/left", "infrared/right")
# Events of the player that a user need not act on.
CALM = ("started", "looped", "ended")


@dataclass(frozen=True)
class CaptureParameters:
    """Parameters of the capture node."""

    source: str = parameter("simulation", "Where frames come from.", choices=KINDS, read_only=True)
    visible: str = parameter("", "Folder or video of the visible camera.", read_only=True)
    infrared: str = parameter("", "Folder or video of the infrared camera.", read_only=True)
    registered: bool = parameter(True, "Whether the files hold pairs that lie on each other already.", read_only=True)
    frame_rate: float = parameter(
        10.0, "Pairs per second of a folder or the simulation.", minimum=0.1, maximum=240.0, read_only=True
    )
    rate: float = parameter(1.0, "Playing speed; 1 is real time.", minimum=0.01, maximum=100.0, read_only=True)
    loop: bool = parameter(False, "Begin again at the end.", read_only=True)
    duration: float = parameter(
        0.0, "Seconds of the source to play; 0 plays all of it.", minimum=0.0, maximum=1e6, read_only=True
    )
    seed: int = parameter(0, "What the simulation shows.", minimum=0, maximum=2**31 - 1, read_only=True)
    condition: str = parameter("day", "Condition of the simulation.", choices=CONDITIONS, read_only=True)
    view: str = parameter("vehicle", "From where the simulation looks.", choices=VIEWS, read_only=True)
    rig: str = parameter("", "Rig file of the cameras to simulate; empty for the rig of the paper.", read_only=True)
    stereo: bool = parameter(False, "Simulate the right eyes of the rig too.", read_only=True)
    infrared_rate: float = parameter(
        0.0, "Images per second of simulated infrared; 0 is frame_rate.", minimum=0.0, maximum=240.0, read_only=True
    )
    infrared_phase: float = parameter(
        0.004, "By how much simulated infrared is later than visible [s].", minimum=0.0, maximum=10.0, read_only=True
    )
    infrared_jitter: float = parameter(
        0.002,
        "Largest deviation of simulated infrared capture times [s]; below half its period.",
        minimum=0.0,
        maximum=0.5,
        read_only=True,
    )
    infrared_latency: float = parameter(
        0.0, "How late simulated infrared arrives after its capture [s].", minimum=0.0, maximum=5.0, read_only=True
    )
    infrared_clock_offset: float = parameter(
        0.0, "How far simulated infrared stamps are ahead [s].", minimum=-10.0, maximum=10.0, read_only=True
    )
    infrared_clock_drift: float = parameter(
        0.0,
        "How much the clock of simulated infrared gains [s/s].",
        minimum=-0.01,
        maximum=0.01,
        read_only=True,
    )
    stall_after: float = parameter(
        2.0,
        "Seconds without a frame after which the source counts as stalled.",
        minimum=0.1,
        maximum=60.0,
        read_only=True,
    )
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class CaptureNode(RigNode[CaptureParameters]):
    """Plays a source in real time.

    Publishes `<camera>/image_raw` and `<camera>/camera_info` for each camera that the source has, stamped with the
    capture time. Says when the source ends, stalls or fails.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("capture", CaptureParameters, **options)
        self.meter = Meter()
        self.ended_at: float | None = None
        self._publishers_of_frames = {stream: FramePublisher(self, stream, "image_raw") for stream in STREAMS}
        self.frames = {
            stream: Output[Frame](self, publisher.publish) for stream, publisher in self._publishers_of_frames.items()
        }
        self._player: Player | None = None
        self._wait = ""
        self._left_behind = False

    def configure(self) -> None:
        """Opens the source and the publishers of its cameras."""
        self._player = self._make_player()
        self._source.open()  # what cannot be opened is told now; the player opens it again, at its beginning
        for stream in self._source.streams:
            self._publishers_of_frames[stream.name].open()

    def activate(self) -> None:
        """Begins to play."""
        player = self._player = self._player or self._make_player()  # a player plays once
        self.ended_at = None
        self._wait = "waiting for the source to open"
        player.start()

    def deactivate(self) -> None:
        """Ends playing; activating again begins at the source's beginning."""
        player, self._player = self._player, None
        if player is None:
            return
        if player.stop():
            self._source.close()
        else:
            self._left_behind = True

    def cleanup(self) -> None:
        """Destroys the publishers."""
        self.deactivate()
        if not self.halted:
            for publisher in self._publishers_of_frames.values():
                publisher.close()

    def finish(self, timeout: float) -> list[str]:
        """Ends; tells of a source that hangs."""
        left = super().finish(timeout)
        return [*left, "capture (its source hangs)"] if self._left_behind else left

    def waits(self) -> list[str]:
        """What the source waits for."""
        return [self._wait] if self._wait else []

    def values(self) -> dict[str, str]:
        """Figures, and what plays."""
        return {"source": self.parameters.source, **meter_values(self.meter.read())}

    def _make_player(self) -> Player:
        p = self.parameters
        self._source = create_source(
            p.source,
            visible=p.visible,
            infrared=p.infrared,
            registered=p.registered,
            frame_rate=p.frame_rate,
            duration=p.duration,
            seed=p.seed,
            condition=p.condition,
            view=p.view,
            rig=resolve(p.rig) if p.rig else "",
            stereo=p.stereo,
            infrared_cadence=self._infrared_cadence() if p.source == "simulation" else None,
        )
        return Player(self._source, self._emit, self._hear, p.rate, p.loop, self._now, stall_after=p.stall_after)

    def _infrared_cadence(self) -> Cadence:
        p = self.parameters
        rate, clock = p.infrared_rate or p.frame_rate, (p.infrared_clock_offset, p.infrared_clock_drift)
        return Cadence(rate, p.infrared_phase, p.infrared_jitter, p.infrared_latency, *clock)

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _emit(self, stream: str, frame: Frame) -> None:
        self._wait = ""
        self.meter.add(0.0, self.age(frame.stamp))
        self.frames[stream].send(frame)

    def _hear(self, event: str, sentence: str) -> None:
        if event in ("stalled", "ended", "failed"):
            self._wait = sentence
        if event in ("ended", "failed"):
            self.ended_at = time.monotonic()
        if event == "failed":
            self.report(RigError(sentence), "playing")
        else:
            self.say(sentence, warn=event not in CALM)


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [CaptureNode()], args)
