"""The fusion node: registered pairs in, fused images out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tardal_ros.fusion import Fuser, create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.pipeline import Stage
from tardal_ros.ros.frames import FramePublisher
from tardal_ros.ros.pairs import PairSubscription
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Input, Output
from tardal_ros.ros.process import run
from tardal_ros.ros.resources import resolve
from tardal_ros.ros.stage_node import StageNode
from tardal_ros.types import Fused, Pair


@dataclass(frozen=True)
class FusionParameters:
    """Parameters of the fusion node."""

    fuser: str = parameter(
        "laplacian", "How the two spectra are fused.", choices=("laplacian", "tardal"), read_only=True
    )
    weights: str = parameter("", "Weights file of the network (safetensors, pth, pt).", read_only=True)
    device: str = parameter("auto", "Where a network runs: auto, cpu, cuda or cuda:N.", read_only=True)
    scale: float = parameter(
        1.0,
        "Fraction of the resolution to fuse at; the full-size luma guides the way back up.",
        minimum=0.1,
        maximum=1.0,
    )
    transport: str = parameter("raw", "Which image topics to take in.", choices=("raw", "compressed"), read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class FusionNode(StageNode[FusionParameters, Pair, Fused]):
    """Fuses registered pairs.

    Takes `registration/{visible,infrared}/image` and `registration/mask`; publishes `fusion/image` and
    `fusion/camera_info` with the visible image's header.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", FusionParameters, **options)
        self._fuser: Fuser | None = None
        publisher = FramePublisher(self, "fusion")
        self.publishers_of_results = [publisher]
        self.fused: Output[Fused] = Output(self, lambda fused: publisher.publish(fused.frame))
        subscription = PairSubscription(self, "registration", lambda: self.parameters.transport)
        self.pairs: Input[Pair] = Input("registered pairs", self.submit, subscription)
        self.inputs = [self.pairs]

    def build(self) -> Stage[Pair, Fused]:
        """Loads the fuser."""
        p = self.parameters
        fuser = create_fuser(p.fuser, str(resolve(p.weights)) if p.weights else None, p.device)
        fuser.scale = self.parameters.scale  # loading takes a while, in which it may have changed
        self._fuser = fuser
        return FusionStage(fuser)

    def cleanup(self) -> None:
        """Lets go of the fuser, too."""
        super().cleanup()
        self._fuser = None

    def apply(self, old: FusionParameters, new: FusionParameters) -> None:
        """Takes over a new scale."""
        if self._fuser is not None:
            self._fuser.scale = new.scale

    def deliver(self, result: Fused) -> None:
        """Hands the fused image on."""
        self.fused.send(result)

    def stamp_of(self, item: Pair | Fused) -> tuple[int, str]:
        """The visible image's stamp and frame."""
        frame = item.frame if isinstance(item, Fused) else item.visible.left
        return frame.stamp, frame.frame_id

    def values(self) -> dict[str, str]:
        """Figures, and what fuses where."""
        fuser = self._fuser
        return {
            "fuser": self.parameters.fuser,
            "device": "none" if fuser is None else fuser.device,
            **super().values(),
        }


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [FusionNode()], args)
