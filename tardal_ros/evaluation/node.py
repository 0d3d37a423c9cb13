"""The evaluation node: what a running rig makes of its frames in, how good that is out."""

from __future__ import annotations

import json
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import information, quality
from tardal_ros.evaluation.live import Assembler, Box, Ledger, LiveMoment, Losses, as_text
from tardal_ros.evaluation.recording import UNKNOWN
from tardal_ros.msg import FusionQuality, StageTiming, SyncStatus
from tardal_ros.ros.frames import Subscriptions, to_frame
from tardal_ros.ros.messages import to_stamp_ns
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.process import run
from tardal_ros.ros.qos import latched, results
from tardal_ros.types import Fused, Pair, View

MEASURES = {"all": quality, "information": information}
TOPICS = {
    "visible": "registration/visible/image",
    "infrared": "registration/infrared/image",
    "mask": "registration/mask",
    "fused": "fusion/image",
}
STAGES = ("registration", "fusion", "detection")
SILENCE = 2.0
# Moments that may wait to be judged, and seconds given to them at the end.
BACKLOG = 64
LAST_MOMENTS = 1.0
# Scenes that are remembered, for moments that come out of the rig late.
SCENES = 256
# Seconds without a message after the end of /clock until all is taken to have arrived.
QUIET = 3.0

Parts = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class EvaluationParameters:
    """Parameters of the evaluation node."""

    fuser: str = parameter("live", "Name of what fuses, under which figures go.", read_only=True)
    metrics: str = parameter(
        "all",
        "What is measured; information is EN, SD and MI, a few milliseconds an image.",
        choices=tuple(MEASURES),
        read_only=True,
    )
    report: str = parameter(
        "", "Folder in which pairs.jsonl and summary.json are written at the end; empty for none.", read_only=True
    )
    recording: str = parameter("", "What plays, for the report.", read_only=True)
    end_with_clock: bool = parameter(
        False, "End the process when nobody publishes /clock any more and all is judged.", read_only=True
    )
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class EvaluationNode(RigNode[EvaluationParameters]):
    """Judges what a rig publishes.

    Takes the images of `registration` and `fusion`, `detection/detections`, what the stages say of their timing and
    drops, and `truth/detections` and `truth/scene` where a bag has them, joined by their stamps. Publishes
    `evaluation/quality`, and in the end tells and writes a summary.

    Args:
        on_end: Called when `end_with_clock` is set and the end has come.
        options: Passed on to rclpy's node.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__("evaluation", EvaluationParameters, **options)
        self._end = on_end
        self._inputs = Subscriptions(self)
        self._assembling = threading.Lock()
        self._assembler = Assembler()
        self._waiting: queue.Queue[Parts | None] = queue.Queue(BACKLOG)
        self._judge: threading.Thread | None = None
        self._ledger: Ledger | None = None
        self._publisher: Any = None
        self._losses = Losses()
        self._problems: list[str] = []
        self._scenes: deque[tuple[int, str, str]] = deque(maxlen=SCENES)
        self._heard = 0.0
        self._opened = 0.0
        self._clock_seen = False
        self._overrun = 0
        self._give_up_at = float("inf")

    def configure(self) -> None:
        """Opens the report, and starts to judge in a thread of its own, since measuring takes its time."""
        p = self.parameters
        folder = Path(p.report).expanduser() if p.report else None
        about = {"recording": p.recording or "live", "dataset": "live", "fingerprint": "", "settings": ""}
        self._ledger = Ledger(p.fuser, MEASURES[p.metrics], folder, about)
        self._assembler, self._losses, self._problems = Assembler(), Losses(), []
        self._scenes.clear()
        self._overrun, self._clock_seen = 0, False
        self._publisher = self.create_publisher(FusionQuality, "evaluation/quality", results())
        self._waiting = queue.Queue(BACKLOG)
        self._judge = threading.Thread(target=self._judge_all, args=(self._waiting,), name="judge", daemon=True)
        self._judge.start()

    def activate(self) -> None:
        """Subscribes."""
        self._opened = self._heard = time.monotonic()
        add = self._inputs.add
        for part, topic in TOPICS.items():
            add(Image, topic, partial(self._take, part))
        add(Detection2DArray, "detection/detections", partial(self._take, "detections"))
        add(Detection2DArray, "truth/detections", partial(self._take, "truth"))
        for stage in STAGES:
            add(StageTiming, f"{stage}/timing", self._take_timing)
        self._subscribe(SyncStatus, "registration/status", self._take_status, results())
        self._subscribe(String, "truth/scene", self._take_scene, latched())

    def deactivate(self) -> None:
        """Unsubscribes."""
        self._inputs.close()

    def cleanup(self) -> None:
        """Judges what is left, and tells and writes the summary."""
        judge, self._judge = self._judge, None
        if judge is None:
            return
        self._flush()
        if self.halted:
            self._give_up_at = time.monotonic() + LAST_MOMENTS
        self._waiting.put(None)
        judge.join(LAST_MOMENTS + 0.5 if self.halted else None)
        ledger, self._ledger = self._ledger, None
        assert ledger is not None
        self._losses.stages["evaluation"] = self._overrun
        if self._assembler.lost:
            self._losses.stages["the way here"] = self._assembler.lost
        summary = ledger.close(self._losses, self._problems)
        self.get_logger().info(f"evaluation of {self.parameters.recording or 'the running rig'}\n{as_text(summary)}")
        publisher, self._publisher = self._publisher, None
        if not self.halted:
            self.destroy_publisher(publisher)

    def waits(self) -> list[str]:
        """What the node waits for."""
        if incompatible := self._inputs.incompatible():
            return [incompatible]
        if self._clock_seen and not self._is_ticking():
            left = self._waiting.unfinished_tasks
            return [f"the bag is over, {left} fused images are still to be judged"] if left else []
        if time.monotonic() - max(self._heard, self._opened) < SILENCE:
            return []
        missing = [self.resolve_topic_name(topic) for topic in TOPICS.values()]
        missing = [topic for topic in missing if not self.count_publishers(topic)]
        why = f"nobody publishes {', '.join(missing)}" if missing else "no image arrives"
        return [f"waiting for the rig: {why}"]

    def values(self) -> dict[str, str]:
        """How much was judged."""
        ledger = self._ledger
        return {
            "judged": str(ledger.count if ledger else 0),
            "waiting": str(self._waiting.qsize()),
            "dropped: evaluation busy": str(self._overrun),
            "dropped: lost on the way": str(self._assembler.lost),
        }

    def beat(self) -> None:
        """Publishes diagnostics, and looks whether the end has come."""
        super().beat()
        if not self.active or not self.parameters.end_with_clock:
            return
        self._clock_seen = self._clock_seen or self._is_ticking()
        if self._clock_seen and not self._is_ticking() and time.monotonic() - self._heard > QUIET:
            self._flush()
            if not self._waiting.unfinished_tasks:
                self._end()

    def _is_ticking(self) -> bool:
        return bool(self.count_publishers("/clock"))

    def _subscribe(self, message_type: type, topic: str, take: Callable[[Any], None], qos: QoSProfile) -> None:
        guarded = self._inputs.guarded(topic, take)
        self._inputs.adopt(self.create_subscription(message_type, topic, guarded, qos))

    def _take(self, part: str, message: Any) -> None:
        self._heard = time.monotonic()
        self._put(part, to_stamp_ns(message.header.stamp), message)

    def _take_timing(self, message: Any) -> None:
        self._losses.stages[message.stage] = int(message.dropped)
        part = {"fusion": "fuse_ms", "detection": "detect_ms"}.get(message.stage)
        if part is not None:
            taken = to_stamp_ns(message.finished) - to_stamp_ns(message.started)
            self._put(part, to_stamp_ns(message.header.stamp), round(taken / 1e6, 3))

    def _take_status(self, message: Any) -> None:
        self._losses = replace(
            self._losses,
            unpaired={drop.reason: int(drop.count) for drop in message.drops},
            pairs=int(message.pairs),
            skew_mean_ms=message.skew_mean * 1e3,
            skew_max_ms=message.skew_max * 1e3,
        )

    def _take_scene(self, message: Any) -> None:
        try:
            told = json.loads(message.data)
            self._scenes.append((int(told["stamp"]), str(told["scene"]), str(told["condition"])))
        except (KeyError, TypeError, ValueError):
            raise RigError("it does not tell scene, condition and stamp in JSON, as dataset_to_bag writes it") from None

    def _put(self, part: str, stamp: int, content: Any) -> None:
        with self._assembling:
            self._queue(self._assembler.add(part, stamp, content))

    def _flush(self) -> None:
        with self._assembling:
            self._queue(self._assembler.flush())

    def _queue(self, moments: list[Parts]) -> None:
        for parts in moments:
            try:
                self._waiting.put_nowait(parts)
            except queue.Full:
                self._overrun += 1

    def _judge_all(self, waiting: queue.Queue[Parts | None]) -> None:
        while (parts := waiting.get()) is not None:
            if time.monotonic() > self._give_up_at:
                self._overrun += 1
            else:
                self._judge_one(*parts)
            waiting.task_done()
        waiting.task_done()

    def _judge_one(self, stamp: int, parts: dict[str, Any]) -> None:
        ledger = self._ledger
        assert ledger is not None
        try:
            values = ledger.add(self._moment(stamp, parts))
        except Exception as error:  # one broken moment must not end the evaluation
            self._problems.append(f"{stamp}: {error}")
            self.report(error, "judging a fused image")
            return
        message = FusionQuality(header=parts["fused"].header, fuser=self.parameters.fuser)
        message.metrics, message.values = list(values), list(values.values())
        if self._publisher is not None and self.context.ok():
            self._publisher.publish(message)

    def _moment(self, stamp: int, parts: dict[str, Any]) -> LiveMoment:
        visible, infrared, fused = (to_frame(parts[part]) for part in ("visible", "infrared", "fused"))
        pair = Pair(View(visible), View(infrared), to_frame(parts["mask"]).image)
        found, truth = parts.get("detections"), parts.get("truth")
        scene, condition = next(
            (told[1:] for told in reversed(self._scenes) if told[0] <= stamp), (self.parameters.recording, UNKNOWN)
        )
        return LiveMoment(
            fused=Fused(fused, pair),
            boxes=None if found is None else [to_box(each) for each in found.detections],
            tracks=[] if found is None else [each.id for each in found.detections],
            objects=None
            if truth is None
            else [(name, box, score <= 0.0) for name, score, box in map(to_box, truth.detections)],
            fuse_ms=parts.get("fuse_ms"),
            detect_ms=parts.get("detect_ms"),
            scene=scene,
            condition=condition,
        )


def to_box(detection: Any) -> Box:
    """Class, score and box of a vision_msgs/Detection2D with one hypothesis, as `to_detection_array` makes it.

    Raises:
        RigError: It has no hypothesis.
    """
    if not detection.results:
        raise RigError("a detection has no hypothesis, so that it is of no class")
    hypothesis, centre = detection.results[0].hypothesis, detection.bbox.center.position
    width, height = detection.bbox.size_x, detection.bbox.size_y
    box = (centre.x - width / 2, centre.y - height / 2, width, height)
    return str(hypothesis.class_id), float(hypothesis.score), box


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [EvaluationNode(lambda: signal.raise_signal(signal.SIGTERM))], args)
