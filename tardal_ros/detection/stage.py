"""Detection as a stage of the rig."""

from __future__ import annotations

from dataclasses import dataclass

from tardal_ros.detection.detector import Detector
from tardal_ros.detection.inputs import look
from tardal_ros.detection.tracking import LOWEST, Tracker
from tardal_ros.types import Detections, Fused


@dataclass(frozen=True, eq=False)
class Detected:
    """A fused image and what was found in it."""

    fused: Fused
    detections: Detections


class DetectionStage:
    """Finds the objects in each fused image, and follows them from one to the next.

    Args:
        detector: What finds them.
        tracker: What follows them; None for boxes without track ids.
        source: What the detector looks at, one of `inputs.INPUTS`.
    """

    name = "detection"

    def __init__(self, detector: Detector, tracker: Tracker | None = None, source: str = "fused") -> None:
        self._detector = detector
        self._tracker = tracker
        self._source = source

    def process(self, item: Fused) -> Detected:
        """Detects on one image; tracking adds ids to the boxes, and changes nothing else of them.

        Raises:
            RigError: The image is empty or of a wrong type.
        """
        image = look(item, self._source)
        if self._tracker is None:
            return Detected(item, self._detector.detect(image))
        confidence = self._detector.confidence
        found = self._detector.detect(image, LOWEST)
        with self._detector.laps.time("tracking"):
            return Detected(item, self._tracker.track(found, item.frame.stamp, confidence))

    def reset(self) -> None:
        """Forgets the objects of earlier images."""
        if self._tracker is not None:
            self._tracker.reset()
