"""Ground truth in a bag: what is in the visible images, and what scene they are of."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from tardal_ros.bags.messages import IGNORED
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.ros.images import decode
from tardal_ros.ros.messages import to_stamp_ns
from tardal_ros.types import Array

MEMORY = 4096
"""Messages and stamps that are remembered until their counterparts come."""

_DEPTHS = 32  # Likewise, of images of depth, which are large.


@dataclass(frozen=True)
class Scene:
    """Where images belong, from one stamp on."""

    stamp: int
    name: str
    condition: str


class Truth:
    """Keeps what is said about images until they come, or their pairs do."""

    def __init__(self, scene: Scene, has_objects: bool, has_depth: bool = False) -> None:
        """Begins.

        Args:
            scene: Where images belong until somebody says otherwise.
            has_objects: Whether there will be ground truth.
            has_depth: Whether there will be images of depth.
        """
        self.has_objects, self._has_depth = has_objects, has_depth
        self._scenes = deque([scene])
        self._objects: dict[int, Objects] = {}
        self._names: tuple[str, ...] = ()
        self._by_number: dict[str, str] = {}
        self._depths: dict[int, Array] = {}
        self._newest = self._newest_depth = 0
        # Stamps of images that came lately, and of truth that has no image so far.
        self._images: dict[int, None] = {}
        self._strange: dict[int, None] = {}
        self._total = self._boxes = self._ignored = 0
        self._identities: dict[str, int] = {}
        self._unknown: Counter[str] = Counter()
        self._bad_depths: Counter[str] = Counter()

    def add_label_info(self, message: Any) -> None:
        """Takes the class names (vision_msgs/LabelInfo), in the order of their numbers."""
        classes = sorted(message.class_map, key=lambda each: int(each.class_id))
        self._names = tuple(each.class_name for each in classes)
        self._by_number = {str(each.class_id): each.class_name for each in classes}

    def add_scene(self, message: Any) -> None:
        """Takes scene and condition (std_msgs/String): JSON as `dataset_to_bag` writes it, or just the scene's name."""
        now = self._scenes[-1]
        try:
            told = json.loads(message.data)
            scene = Scene(int(told["stamp"]), str(told["scene"]), str(told["condition"]))
        except (KeyError, TypeError, ValueError):
            scene = Scene(self._newest, message.data, now.condition)
        self._scenes.append(scene)

    def add_detections(self, message: Any) -> None:
        """Takes what is in one image (vision_msgs/Detection2DArray); `score` as `messages.Messages.objects` sets it."""
        stamp = to_stamp_ns(message.header.stamp)
        self._total += 1
        self._newest = stamp
        self._objects[stamp] = self._to_objects(message)
        _bound(self._objects)
        if stamp not in self._images:
            self._strange[stamp] = None

    def add_depth(self, message: Any) -> None:
        """Takes how far away things are in one image (sensor_msgs/Image, 32FC1 in metres, REP-118)."""
        self._newest_depth = stamp = to_stamp_ns(message.header.stamp)
        encoding = getattr(message, "encoding", "no raw image")
        try:
            if encoding != "32FC1":
                raise RigError(f"encoding {encoding}")
            self._depths[stamp] = decode(message)
        except RigError as error:
            self._bad_depths[str(error)] += 1
        _bound(self._depths, _DEPTHS)

    def see(self, stamp: int) -> None:
        """Takes note of an image of the reference camera."""
        self._strange.pop(stamp, None)
        self._images[stamp] = None
        _bound(self._images)

    def may_come(self, stamp: int) -> bool:
        """Whether the objects of an image, or its depth, may still be on their way."""
        objects = self.has_objects and stamp not in self._objects and self._newest <= stamp
        return objects or (self._has_depth and stamp not in self._depths and self._newest_depth < stamp)

    def take(self, stamp: int) -> Objects | None:
        """What is in an image; None where nobody said."""
        return self._objects.pop(stamp, None)

    def take_depth(self, stamp: int, size: tuple[int, int]) -> Array | None:
        """How far away things are in an image of this width and height; None where nobody said."""
        depth = None
        while stamp in self._depths:  # What came before it is of images that made no pair.
            depth = self._depths.pop(next(iter(self._depths)))
        if depth is not None and depth.shape[::-1] != size:
            self._bad_depths["{}x{} pixels, not {}x{}".format(*depth.shape[::-1], *size)] += 1
            return None
        return depth

    def scene(self, stamp: int) -> Scene:
        """Where an image belongs."""
        while len(self._scenes) > 1 and self._scenes[1].stamp <= stamp:
            self._scenes.popleft()
        return self._scenes[0]

    def problems(self) -> list[str]:
        """What fits no image or no class; once the bag has ended."""
        problems = []
        if self._strange:
            problems.append(
                f"{len(self._strange)} of {self._total} messages of ground truth are for no image of the bag: their"
                " stamps must be those of the visible left images."
            )
        if self._unknown:
            names = ", ".join(f"'{name}' ({count})" for name, count in self._unknown.most_common(3))
            problems.append(
                f"{self._unknown.total()} of {self._boxes} true boxes are of a class that truth/label_info does not"
                f" name and are passed over: {names}."
            )
        if self._boxes and self._ignored == self._boxes:
            problems.append(
                f"All {self._boxes} true boxes have the score {IGNORED:g}, which marks those to be ignored."
            )
        if self._bad_depths:
            kinds = ", ".join(f"{kind} ({count})" for kind, count in self._bad_depths.most_common(3))
            problems.append(
                f"{self._bad_depths.total()} images of truth/depth are passed over: they must be 32FC1 in metres, as"
                f" large as the visible left images, but are of {kinds}."
            )
        return problems

    def _to_objects(self, message: Any) -> Objects:
        boxes, ids, ignored, numbers = [], [], [], []
        for detection in message.detections:
            self._boxes += 1
            best = max((each.hypothesis for each in detection.results), key=lambda each: each.score, default=None)
            number = self._number("" if best is None else best.class_id)
            if best is None or number is None:
                continue
            centre, size = _centre(detection.bbox), (detection.bbox.size_x, detection.bbox.size_y)
            boxes.append(
                [centre[0] - size[0] / 2, centre[1] - size[1] / 2, centre[0] + size[0] / 2, centre[1] + size[1] / 2]
            )
            ids.append(number)
            ignored.append(best.score == IGNORED)
            # Identities are any words; equal ones get equal numbers.
            numbers.append(self._identities.setdefault(detection.id, len(self._identities)) if detection.id else -1)
        self._ignored += sum(ignored)
        xyxy = np.array(boxes, np.float64).reshape(-1, 4)
        known = np.array(numbers, np.int64) if min(numbers, default=0) >= 0 else None
        return Objects(xyxy, np.array(ids, np.int64), np.array(ignored, np.bool_), self._names, known)

    def _number(self, class_id: str) -> int | None:
        """The class's place among the names; without a table of names, each new one is added to them."""
        name = self._by_number.get(class_id, class_id)
        if name in self._names:
            return self._names.index(name)
        if self._by_number or not name:
            self._unknown[class_id] += 1
            return None
        self._names += (name,)
        return len(self._names) - 1


def _bound(memory: dict[int, Any], most: int = MEMORY) -> None:
    """Forgets the oldest entry of a memory that is full."""
    if len(memory) > most:
        del memory[next(iter(memory))]


def _centre(bbox: Any) -> tuple[float, float]:
    # vision_msgs before release 4 has x and y right in the centre.
    position = getattr(bbox.center, "position", bbox.center)
    return float(position.x), float(position.y)
