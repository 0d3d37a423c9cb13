"""The registration node: frames of every camera in, pairs on the visible camera's pixels out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tardal_ros.calibration import load_rig
from tardal_ros.calibration.rig import REFERENCE, STREAMS
from tardal_ros.msg import DropCount, SyncStatus
from tardal_ros.pipeline import Stage
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.intake import REQUIRED, Intake
from tardal_ros.registration.stage import RegistrationStage
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
from tardal_ros.types import Frame, Pair

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


def why_none(status: Status) -> str:
    """Names why frames of both left eyes arrive and yet make no pair."""
    infrared = REQUIRED[0]
    if status.drops[infrared].get("late", 0) > 0.5 * status.received[infrared]:
        return f"{infrared} is later than wait allows; raise wait, or check its delay, its clock and infrared_offset"
    return f"stamps of {REFERENCE} and {infrared} are never within slop; check clocks, infrared_offset and slop"


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
        streams = STREAMS if self.parameters.stereo else (REFERENCE, *REQUIRED)
        self.frames = {stream: self._input(stream) for stream in streams}
        self.inputs = list(self.frames.values())
        # Held while pairs are made and handed in, so that they reach the mailbox in their order.
        self._pairing = threading.Lock()
        self._intake: Intake | None = None
        self._stage = RegistrationStage()
        self._rig_file = self._rig_file_used = ""
        self._status: Any = None
        self._poll: Heartbeat | None = None

    def build(self) -> Stage[Pair, Pair]:
        """Reads the rig file and builds the maps."""
        p = self.parameters
        self._rig_file = str(resolve(p.calibration)) if p.calibration else ""
        self._stage = RegistrationStage(load_rig(self._rig_file) if self._rig_file else None, rectify=p.rectify)
        self._stage.prepare()
        self._rig_file_used = ""
        self._intake = Intake(
            p.stereo,
            slop=nanoseconds(p.slop),
            wait=nanoseconds(p.wait),
            infrared_offset=nanoseconds(p.infrared_offset),
            make_agc=lambda: Agc(p.agc_low, p.agc_high, p.agc_smoothing),
        )
        return self._stage

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
            # Diagnostics go on, and must not meet a publisher that is gone.
            status, self._status = self._status, None
            if not self.halted:
                self.destroy_publisher(status)

    def apply(self, old: RegistrationParameters, new: RegistrationParameters) -> None:
        """Takes over slop and wait."""
        if self._intake is not None:
            self._intake.configure(slop=nanoseconds(new.slop), wait=nanoseconds(new.wait))

    def deliver(self, result: Pair) -> None:
        """Hands the registered pair on."""
        used = self._rig_file if self._stage.uses_rig else "none needed"
        if used != self._rig_file_used:
            self._rig_file_used = used
            self.get_logger().info(f"rig file: {used}")
        self.pairs.send(result)

    def stamp_of(self, item: Pair) -> tuple[int, str]:
        """The visible left eye's stamp and frame."""
        return item.stamp, item.visible.left.frame_id

    def waits(self) -> list[str]:
        """What the left eyes' inputs wait for, and pairs that never come about although both streams are there."""
        waits = [sentence for name in (REFERENCE, *REQUIRED) if (sentence := self.frames[name].waiting())]
        status = self._intake.status if self._intake else None
        if not waits and status and not status.pairs and all(status.received[s] > 10 for s in (REFERENCE, *REQUIRED)):
            waits.append(f"waiting for a pair: {why_none(status)}")
        return waits

    def values(self) -> dict[str, str]:
        """Figures of the stage and of the pairing."""
        values = super().values()
        if self._intake:
            status = self._intake.status
            values.update({"pairs": str(status.pairs), "skew mean [ms]": f"{status.skew_mean / 1e6:.2f}"})
            values.update({f"unpaired: {reason}": str(n) for reason, n in sorted(self._intake.drops.items())})
            values["rig file"] = self._rig_file_used or "not known before the first pair"
        return values

    def drops(self) -> dict[str, int]:
        """What was dropped so far, by reason: frames that made no pair, and pairs that a newer one replaced."""
        return {**(self._intake.drops if self._intake else {}), **super().drops()}

    def beat(self) -> None:
        """Publishes diagnostics and the pairing's status."""
        super().beat()
        if self._intake and wanted(self._status):
            now = self.get_clock().now().nanoseconds
            self._status.publish(to_sync_status(self._intake.status, self._intake.drops, now))

    def _input(self, stream: str) -> Input[Frame]:
        subscription = FrameSubscription(self, stream, "image_raw", lambda: self.parameters.transport)
        return Input(stream, partial(self._receive, stream), subscription)

    def _receive(self, stream: str, frame: Frame) -> None:
        self._pair(f"taking in {stream}", lambda intake: intake.add(stream, frame, time.monotonic_ns()))

    def _settle(self) -> None:
        self._pair("pairing", lambda intake: intake.poll(time.monotonic_ns()))

    def _pair(self, doing: str, make: Callable[[Intake], list[Pair]]) -> None:
        """Hands the pairs that the intake makes to the worker."""
        if self._intake is None:
            return
        try:
            with self._pairing:
                for pair in make(self._intake):
                    self.submit(pair)
        except Exception as error:  # it is no failure of the sender's, and must not end the thread that polls
            self.report(error, doing)


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * 1e9)


def to_sync_status(status: Status, drops: Mapping[str, int], now: int) -> SyncStatus:
    """The message for what became of all frames so far; `drops` as in `Intake`, `now` in nanoseconds."""
    return SyncStatus(
        header=make_header(now, ""),
        pairs=status.pairs,
        drops=[DropCount(reason=reason, count=count) for reason, count in sorted(drops.items())],
        skew_now=status.skew_now / 1e9,
        skew_mean=status.skew_mean / 1e9,
        skew_max=status.skew_max / 1e9,
    )


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [RegistrationNode()], args)
