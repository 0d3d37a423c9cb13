"""Bags as recordings to evaluate: what a live rig would have made of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tardal_ros.bags.cameras import Cameras
from tardal_ros.bags.files import find_files
from tardal_ros.bags.reader import BagReader
from tardal_ros.bags.topics import TRUTH, find_topics
from tardal_ros.bags.truth import Scene, Truth
from tardal_ros.calibration.rig import REFERENCE, STREAMS
from tardal_ros.evaluation.recording import UNKNOWN, Moment, fingerprint
from tardal_ros.registration.intake import OPTIONAL, Intake, pair_in_order
from tardal_ros.types import Frame, Pair

HELD = 16
"""Pairs that wait for their ground truth, which may come after them."""

_DETECTIONS, _LABEL_INFO, _SCENE, _DEPTH = TRUTH


class BagRecording:
    """The pairs of a bag, as the registration node makes them of its messages in the order of their receipt.

    Ground truth is that of `truth/detections` (vision_msgs/Detection2DArray) with the stamp of the visible left image;
    `truth/label_info` (vision_msgs/LabelInfo) names the classes, where the hypotheses do not do so themselves.
    `truth/depth` (sensor_msgs/Image, 32FC1 in metres) with that stamp is how far away things are.

    Attributes:
        name: See `Recording`.
        dataset: See `Recording`.
        calibration: See `Recording`.
        problems: See `Recording`.
    """

    def __init__(
        self,
        path: Path,
        topics: Mapping[str, str] = MappingProxyType({}),
        calibration: Path | None = None,
        dataset: str = "",
    ) -> None:
        """Takes note of where it is.

        Args:
            path: The bag's folder, or one of its files; the recording is called as it.
            topics: See `find_topics`.
            calibration: A rig file; None for bags of registered pairs, whose frames share a frame_id.
            dataset: See `Recording`; the recording's name by default.
        """
        self.path, self.calibration = path, calibration
        self.name = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
        self.dataset = dataset or self.name
        self.problems: list[str] = []
        self._topics = dict(topics)
        self._drops: dict[str, int] = {}

    def fingerprint(self) -> str:
        """See `Recording`."""
        files = (*find_files(self.path).paths, *([self.calibration] if self.calibration else []))
        return fingerprint(files, repr(sorted(self._topics.items())))

    def moments(self) -> Iterator[Moment]:
        """See `Recording`."""
        bag = BagReader(self.path)
        playback = _Playback(bag, find_topics(bag, self.path, self._topics), self.name)
        try:
            yield from playback.moments()
        finally:
            self.problems = bag.problems + playback.problems()
            self._drops = playback.drops()

    def pairing(self) -> dict[str, int]:
        """See `Recording`."""
        return self._drops


class _Playback:
    """One way through a bag."""

    def __init__(self, bag: BagReader, topics: Mapping[str, str], name: str) -> None:
        streams = {stream: topics[stream] for stream in STREAMS if stream in topics}
        self._bag = bag
        self._cameras = Cameras(streams)
        self._intake = Intake(stereo=any(stream in streams for stream in OPTIONAL))
        self._truth = Truth(Scene(0, name, UNKNOWN), _DETECTIONS in topics, _DEPTH in topics)
        adders = {
            _DETECTIONS: self._truth.add_detections,
            _LABEL_INFO: self._truth.add_label_info,
            _SCENE: self._truth.add_scene,
            _DEPTH: self._truth.add_depth,
        }
        self._told = {topics[part]: add for part, add in adders.items() if part in topics}
        self._stamp, self._lap = -1, 0

    def moments(self) -> Iterator[Moment]:
        """The pairs with what is known about them."""
        waiting: deque[Pair] = deque()
        for pair in pair_in_order(self._intake, self._frames()):
            waiting.append(pair)
            while waiting and (len(waiting) > HELD or not self._truth.may_come(waiting[0].stamp)):
                yield self._moment(waiting.popleft())
        yield from map(self._moment, waiting)

    def problems(self) -> list[str]:
        """What was passed over."""
        problems = self._cameras.problems() + self._truth.problems()
        if not self._intake.status.pairs:
            problems.append("The bag makes no pair: stamps of the left eyes are never within 20 ms of each other.")
        return problems

    def drops(self) -> dict[str, int]:
        """Frames that made no pair, by reason."""
        refused = self._cameras.refused
        return self._intake.drops | ({"refused": refused} if refused else {})

    def _frames(self) -> Iterator[tuple[str, Frame]]:
        """Streams and frames in the order of receipt; the truth is put aside."""
        topics = (self._cameras.topics | set(self._told)) & set(self._bag.topics)
        for topic, received, message in self._bag.messages(topics):
            if topic in self._told:
                self._told[topic](message)
            elif item := self._cameras.take(topic, received, message):
                if item[0] == REFERENCE:
                    self._truth.see(item[1].stamp)
                yield item

    def _moment(self, pair: Pair) -> Moment:
        # Stamps come again where they jump back.
        self._lap += pair.stamp <= self._stamp
        self._stamp = pair.stamp
        scene = self._truth.scene(pair.stamp)
        name = f"{pair.stamp}_{self._lap}" if self._lap else f"{pair.stamp}"
        depth = self._truth.take_depth(pair.stamp, pair.visible.left.size)
        return Moment(name, scene.name, scene.condition, pair, self._truth.take(pair.stamp), depth)
