"""The registration node: frames of every camera in, pairs on the visible camera's pixels out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tardal_ros.calibration import load_rig
from tardal_ros.errors import RigError
from tardal_ros.msg import DropCount, SyncStatus
from tardal_ros.pipeline import Stage
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.registration.sync import Match, Synchronizer
from tardal_ros.registration.sync import SyncStatus as Status
from tardal_ros.ros.diagnostics import Heartbeat
from tardal_ros.ros.frames import FramePublisher, FrameSubscription, wanted
from tardal_ros.ros.messages import make_header
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Input, Output
from tardal_ros.ros.process import run
from tardal_ros.ros.qos import results
from tardal_ros.ros.resources import resolve
from tardal_ros.ros.stage_node import StageNode
from tardal_ros.types import Frame, Pair, View

REFERENCE = "visible/left"
REQUIRED = ("infrared/left",)
OPTIONAL = ("visible/right", "infrared/right")
POLL_PERIOD = 0.01


@dataclass(frozen=True)
class RegistrationParameters:
    """Parameters of the registration node."""

    calibration: str = parameter(
        "package://tardal_ros/config/calibration/rig.yaml",
        "Rig file; it is not used where infrared frames already carry the visible camera's frame_id.",
        read_only=True,
    )
    rectify: bool = parameter(
        False, "Deliver both images rectified, instead of the visible one as it is.", read_only=True
    )
    stereo: bool = parameter(
        False, "Take in the right eyes too; a missing one never holds up the left.", read_only=True
    )
    slop: float = parameter(0.02, "Largest skew within a pair [s].", minimum=0.0, maximum=1.0)
    wait: float = parameter(0.1, "Longest wait for a frame that may still come [s].", minimum=0.0, maximum=5.0)
    infrared_offset: float = parameter(
        0.0,
        "Added to infrared stamps before pairing, for a clock that runs behind [s].",
        minimum=-10.0,
        maximum=10.0,
        read_only=True,
    )
    agc_low: float = parameter(
        1.0, "Percentile of 16-bit infrared counts that becomes black.", minimum=0.0, maximum=50.0, read_only=True
    )
    agc_high: float = parameter(
        99.5, "Percentile of 16-bit infrared counts that becomes white.", minimum=50.0, maximum=100.0, read_only=True
    )
    agc_smoothing: float = parameter(
        0.9, "How much of the last frame's range the next one keeps.", minimum=0.0, maximum=0.999, read_only=True
    )
    transport: str = parameter("raw", "Which image topics to take in.", choices=("raw", "compressed"), read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class PairPublisher:
    """Publishes registered pairs: both images, their camera_info and the mask, with one stamp and one frame."""

    def __init__(self, node: RegistrationNode) -> None:
        self._visible = FramePublisher(node, "registration/visible")
        self._infrared = FramePublisher(node, "registration/infrared")
        self._mask = FramePublisher(node, "registration", "mask", camera_info=False, lossless=True)

    def open(self) -> None:
        """Creates the publishers."""
        for publisher in (self._visible, self._infrared, self._mask):
            publisher.open()

    def close(self) -> None:
        """Destroys the publishers."""
        for publisher in (self._visible, self._infrared, self._mask):
            publisher.close()

    def publish(self, pair: Pair) -> None:
        """Publishes one pair to whoever subscribes."""
        visible, infrared = pair.visible.left, pair.infrared.left
        self._visible.publish(visible)
        self._infrared.publish(replace(infrared, stamp=visible.stamp, frame_id=visible.frame_id))
        if pair.mask is not None:
            self._mask.publish(replace(visible, image=pair.mask, camera_info=None))


class RegistrationNode(StageNode[RegistrationParameters, Pair, Pair]):
    """Pairs frames in time and brings infrared onto the visible camera's pixels.

    Takes `{visible,infrared}/{left,right}/image_raw` and their camera_info; publishes
    `registration/{visible,infrared}/image`, `registration/mask` and `registration/status`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("registration", RegistrationParameters, **options)
        publisher = PairPublisher(self)
        self.publishers_of_results = [publisher]
        self.pairs: Output[Pair] = Output(self, publisher.publish)
        streams = (REFERENCE, *REQUIRED, *(OPTIONAL if self.parameters.stereo else ()))
        self.frames = {stream: self._input(stream) for stream in streams}
        self.inputs = list(self.frames.values())
        # Held while a match is made and handed in, so that pairs reach the mailbox in their order.
        self._pairing = threading.Lock()
        self._agcs: dict[str, Agc] = {}
        self._synchronizer: Synchronizer[Frame] | None = None
        self._status: Any = None
        self._poll: Heartbeat | None = None

    def build(self) -> Stage[Pair, Pair]:
        """Reads the rig file and builds the maps."""
        p = self.parameters
        infrared = [stream for stream in self.frames if stream.startswith("infrared")]
        stage = RegistrationStage(load_rig(resolve(p.calibration)) if p.calibration else None, rectify=p.rectify)
        stage.prepare()
        self._agcs = {stream: Agc(p.agc_low, p.agc_high, p.agc_smoothing) for stream in infrared}
        self._synchronizer = Synchronizer(
            REFERENCE,
            REQUIRED,
            OPTIONAL if p.stereo else (),
            slop=nanoseconds(p.slop),
            wait=nanoseconds(p.wait),
            offsets=dict.fromkeys(infrared, nanoseconds(p.infrared_offset)),
        )
        return stage

    def configure(self) -> None:
        """Loads the stage, creates the publishers and begins to end waits."""
        super().configure()
        self._status = self.create_publisher(SyncStatus, "registration/status", results())
        # No timer of the node: each of its calls costs the executor milliseconds, as it looks at every entity again.
        self._poll = Heartbeat(self._settle, POLL_PERIOD)
        self._poll.start()

    def cleanup(self) -> None:
        """Ends the worker and the polling."""
        super().cleanup()
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.stop()
            if not self.halted:
                self.destroy_publisher(self._status)

    def apply(self, old: RegistrationParameters, new: RegistrationParameters) -> None:
        """Takes over slop and wait."""
        if self._synchronizer is not None:
            self._synchronizer.configure(slop=nanoseconds(new.slop), wait=nanoseconds(new.wait))

    def deliver(self, result: Pair) -> None:
        """Hands the registered pair on."""
        self.pairs.send(result)

    def stamp_of(self, item: Pair) -> tuple[int, str]:
        """The visible left eye's stamp and frame."""
        return item.stamp, item.visible.left.frame_id

    def waits(self) -> list[str]:
        """What the left eyes' inputs wait for, and pairs that never come about although both streams are there."""
        waits = [sentence for name in (REFERENCE, *REQUIRED) if (sentence := self.frames[name].waiting())]
        status = self._synchronizer.status if self._synchronizer else None
        if not waits and status and not status.pairs and all(status.received[s] > 10 for s in (REFERENCE, *REQUIRED)):
            waits.append(
                f"waiting for a pair: stamps of {REFERENCE} and {REQUIRED[0]} are never within slop; check clocks, "
                "infrared_offset and slop"
            )
        return waits

    def values(self) -> dict[str, str]:
        """Figures of the stage and of the pairing."""
        values = super().values()
        if self._synchronizer:
            status = self._synchronizer.status
            values.update({"pairs": str(status.pairs), "skew mean [ms]": f"{status.skew_mean / 1e6:.2f}"})
            values.update({f"unpaired: {reason}": str(n) for reason, n in sorted(status.drops_by_reason.items())})
        return values

    def drops(self) -> dict[str, int]:
        """What was dropped so far, by reason: frames that made no pair, and pairs that a newer one replaced."""
        return {**(self._synchronizer.status.drops_by_reason if self._synchronizer else {}), **super().drops()}

    def beat(self) -> None:
        """Publishes diagnostics and the pairing's status."""
        super().beat()
        if self._synchronizer and wanted(self._status):
            self._status.publish(to_sync_status(self._synchronizer.status, self.get_clock().now().nanoseconds))

    def _input(self, stream: str) -> Input[Frame]:
        subscription = FrameSubscription(self, stream, "image_raw", lambda: self.parameters.transport)
        return Input(stream, partial(self._receive, stream), subscription)

    def _receive(self, stream: str, frame: Frame) -> None:
        check_depth(stream, frame)
        agc = self._agcs.get(stream)
        if agc is not None:
            frame = replace(frame, tone=agc.update(frame.image))
        synchronizer = self._synchronizer
        if synchronizer is None:
            return
        with self._pairing:
            jumps = synchronizer.jumps
            for match in synchronizer.add(stream, frame.stamp, frame, time.monotonic_ns()):
                self.submit(to_pair(match))
            if synchronizer.jumps != jumps and agc is not None:
                agc.reset()

    def _settle(self) -> None:
        if self._synchronizer is None:
            return
        with self._pairing:
            for match in self._synchronizer.poll(time.monotonic_ns()):
                self.submit(to_pair(match))


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * 1e9)


def check_depth(stream: str, frame: Frame) -> None:
    """Refuses images whose numbers mean something else than brightness or counts.

    Raises:
        RigError: The pixel type is not one that the stream may have.
    """
    allowed = ("uint8", "uint16") if stream.startswith("infrared") else ("uint8",)
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


def to_sync_status(status: Status, now: int) -> SyncStatus:
    """The message for what became of all frames so far; `now` in nanoseconds of the ROS clock."""
    return SyncStatus(
        header=make_header(now, ""),
        pairs=status.pairs,
        drops=[DropCount(reason=reason, count=count) for reason, count in sorted(status.drops_by_reason.items())],
        skew_now=status.skew_now / 1e9,
        skew_mean=status.skew_mean / 1e9,
        skew_max=status.skew_max / 1e9,
    )


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [RegistrationNode()], args)
