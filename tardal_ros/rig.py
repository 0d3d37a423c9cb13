"""The composed rig: every node in one process, joined by reference."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from tardal_ros.capture.node import CaptureNode
from tardal_ros.detection.node import DetectionNode
from tardal_ros.fusion.node import FusionNode
from tardal_ros.registration.node import RegistrationNode
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.process import run

# For cameras with drivers of their own: registration then takes frames from their topics.
WITHOUT_CAPTURE = "--without-capture"


class Perception:
    """Registration, fusion and detection, linked; frames come from the topics of camera drivers.

    Args:
        options: Keyword arguments for the node of a name (context, namespace, parameter_overrides, ...).
    """

    def __init__(self, options: Callable[[str], dict[str, Any]] = lambda name: {}) -> None:
        self.registration = RegistrationNode(**options("registration"))
        self.fusion = FusionNode(**options("fusion"))
        self.detection = DetectionNode(**options("detection"))
        self.fusion.pairs.link(self.registration.pairs)
        self.detection.fused.link(self.fusion.fused)

    @property
    def nodes(self) -> list[RigNode[Any]]:
        """The nodes, in the order in which a frame meets them."""
        return [self.registration, self.fusion, self.detection]


class ComposedRig(Perception):
    """Perception with the capture node linked before it.

    Args:
        options: Keyword arguments for the node of a name.
    """

    def __init__(self, options: Callable[[str], dict[str, Any]] = lambda name: {}) -> None:
        super().__init__(options)
        self.capture = CaptureNode(**options("capture"))
        for stream, port in self.registration.frames.items():
            port.link(self.capture.frames[stream])
        # A short sequence must not be half over when the last model is loaded.
        self.capture.starts_after = tuple(super().nodes)

    @property
    def nodes(self) -> list[RigNode[Any]]:
        """The nodes, in the order in which a frame meets them."""
        return [self.capture, *super().nodes]


def main(args: Sequence[str] | None = None) -> int:
    """Runs the composed rig; takes ROS arguments, and `--without-capture`."""
    arguments = sys.argv[1:] if args is None else args
    rig = Perception if WITHOUT_CAPTURE in arguments else ComposedRig
    return run(lambda: rig().nodes, [argument for argument in arguments if argument != WITHOUT_CAPTURE])
