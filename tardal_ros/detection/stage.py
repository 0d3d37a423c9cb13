"""Detection as a stage of the rig."""

from __future__ import annotations

from dataclasses import dataclass

from tardal_ros.detection.detector import Detector
from tardal_ros.types import Detections, Fused


@dataclass(frozen=True, eq=False)
class Detected:
    """A fused image and what was found in it."""

    fused: Fused
    detections: Detections


class DetectionStage:
    """Finds the objects in each fused image."""

    name = "detection"

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def process(self, item: Fused) -> Detected:
        """Detects on one fused image.

        Raises:
            RigError: The image is empty or of a wrong type.
        """
        return Detected(item, self._detector.detect(item.frame.image))

    def reset(self) -> None:
        """Forgets nothing: each image is looked at by itself."""
