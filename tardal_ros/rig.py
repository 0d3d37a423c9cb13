"""The composed rig: every node in one process, joined by reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tardal_ros.capture.node import CaptureNode
from tardal_ros.detection.node import DetectionNode
from tardal_ros.fusion.node import FusionNode
from tardal_ros.registration.node import RegistrationNode
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.process import run


class ComposedRig:
    """The four nodes of the rig, linked.

    Args:
        options: Keyword arguments for the node of a name (context, namespace, parameter_overrides, ...).
    """

    def __init__(self, options: Callable[[str], dict[str, Any]] = lambda name: {}) -> None:
        self.capture = CaptureNode(**options("capture"))
        self.registration = RegistrationNode(**options("registration"))
        self.fusion = FusionNode(**options("fusion"))
        self.detection = DetectionNode(**options("detection"))
        for stream, port in self.registration.frames.items():
            port.link(self.capture.frames[stream])
        self.fusion.pairs.link(self.registration.pairs)
        self.detection.fused.link(self.fusion.fused)
        # A short sequence must not be half over when the last model is loaded.
        self.capture.starts_after = (self.registration, self.fusion, self.detection)

    @property
    def nodes(self) -> list[RigNode[Any]]:
        """The nodes, in the order in which a frame meets them."""
        return [self.capture, self.registration, self.fusion, self.detection]


def main(args: list[str] | None = None) -> int:
    """Runs the composed rig; takes ROS arguments."""
    return run(lambda: ComposedRig().nodes, args)
