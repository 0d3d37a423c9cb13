"""The fusion node: registered pairs in, fused images out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult

from tardal_ros.errors import RigError
from tardal_ros.fusion import FUSERS, Fuser, create_fuser
from tardal_ros.fusion.shipped import NETWORKS, shipped_weights
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.fusion.switch import Choice, Switch
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
        "tardal", f"How the two spectra are fused; {' and '.join(NETWORKS)} are networks.", choices=tuple(FUSERS)
    )
    weights: str = parameter(
        "",
        "Weights file of a network (safetensors, pth, pt, onnx); empty for those that ship for it. Other fusers leave "
        "it aside, and so does a network where another one has run with that file.",
    )
    device: str = parameter("auto", "Where a network runs: auto, cpu, cuda or cuda:N.")
    scale: float = parameter(
        0.0,
        "Fraction of the resolution to fuse at; the full-size luma guides the way back up. 0 for the fuser's own: all "
        "of it, but of networks on a CPU what keeps up with cameras.",
        minimum=0.0,
        maximum=1.0,
    )
    transport: str = parameter("raw", "Which image topics to take in.", choices=("raw", "compressed"), read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


# The parameters that choose a fuser.
CHOOSING = ("fuser", "weights", "device")


class FusionNode(StageNode[FusionParameters, Pair, Fused]):
    """Fuses registered pairs.

    Takes `registration/{visible,infrared}/image` and `registration/mask`; publishes `fusion/image` and
    `fusion/camera_info` with the visible image's header. Another fuser is loaded while the one that runs goes on, and
    takes over between two pairs; where it cannot be loaded, nothing changes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", FusionParameters, **options)
        self._fuser: Fuser | None = None
        self._switch: Switch | None = None
        self._networks: dict[Path, str] = {}  # which one has run with a weights file
        self.add_on_set_parameters_callback(self._try_again)
        publisher = FramePublisher(self, "fusion")
        self.publishers_of_results = [publisher]
        self.fused: Output[Fused] = Output(self, lambda fused: publisher.publish(fused.frame))
        subscription = PairSubscription(self, "registration", lambda: self.parameters.transport)
        self.pairs: Input[Pair] = Input("registered pairs", self.submit, subscription)
        self.inputs = [self.pairs]

    def build(self) -> Stage[Pair, Fused]:
        """Loads the fuser."""
        choice = self._chosen(self.parameters)
        if choice.weights is None and self.parameters.weights:
            self.say(f"the fuser '{choice.fuser}' takes no weights: {self.parameters.weights} is left aside")
        fuser = load(choice)
        wanted, fuser.scale = self._chosen(self.parameters), self.parameters.scale  # they may have changed meanwhile
        self._switched(choice)
        self._fuser, self._switch = fuser, Switch(fuser, choice, load, self._switched, self._not_switched)
        self._switch.want(wanted)
        return FusionStage(fuser)

    def cleanup(self) -> None:
        """Lets go of the fuser, too, and of what is being loaded."""
        if self._switch is not None:
            self._switch.close()
        super().cleanup()
        self._fuser = self._switch = None

    def halt(self) -> None:
        """Switches no more, either."""
        super().halt()
        if self._switch is not None:
            self._switch.close()

    def finish(self, timeout: float) -> list[str]:
        """Waits for what is being loaded, too."""
        deadline = time.monotonic() + timeout
        switch = self._switch
        left = super().finish(timeout)
        if switch is not None and not switch.join(deadline - time.monotonic()):
            left.append(f"{self.get_name()} (loading a fuser)")
        return left

    def apply(self, old: FusionParameters, new: FusionParameters) -> None:
        """Takes over a new scale, and begins to load another fuser."""
        fuser, switch = self._fuser, self._switch
        if fuser is None or switch is None:
            return
        if any(getattr(old, name) != getattr(new, name) for name in CHOOSING):
            choice = self._chosen(new)
            if choice.weights is not None and not choice.weights.is_file():
                raise RigError(f"Weights file {choice.weights} does not exist: give the path of one that does.")
            switch.want(choice)
        fuser.scale = new.scale

    def deliver(self, result: Fused) -> None:
        """Hands the fused image on."""
        self.fused.send(result)

    def stamp_of(self, item: Pair | Fused) -> tuple[int, str]:
        """The visible image's stamp and frame."""
        frame = item.frame if isinstance(item, Fused) else item.visible.left
        return frame.stamp, frame.frame_id

    def waits(self) -> list[str]:
        """What the inputs wait for, and a fuser that is not there yet."""
        status = self._switch.status() if self._switch is not None else ""
        return [*super().waits(), *filter(None, [status])]

    def values(self) -> dict[str, str]:
        """Figures, and what really fuses where."""
        fuser, switch = self._fuser, self._switch
        running = None if switch is None else switch.running
        return {
            "fuser": "none" if running is None else running.fuser,
            "weights": "none" if running is None or running.weights is None else str(running.weights),
            "device": "none" if fuser is None else fuser.device,
            **super().values(),
        }

    def _chosen(self, parameters: FusionParameters) -> Choice:
        """What the parameters ask for, which depends on what ran with a weights file before."""
        name, device = parameters.fuser, parameters.device
        if name not in NETWORKS:
            return Choice(name)
        own = resolve(parameters.weights) if parameters.weights else None
        weights = own if own and self._networks.get(own, name) == name else shipped_weights(name, device)
        if weights is None:
            raise RigError(f"No weights ship here for the fuser '{name}': set `weights` to a file of yours with it.")
        return Choice(name, weights, device)

    def _try_again(self, parameters: list[Any]) -> SetParametersResult:
        """Whoever asks again for what could not be loaded may have mended it."""
        switch = self._switch
        if switch is not None and switch.failure and any(each.name in CHOOSING for each in parameters):
            switch.want(switch.wanted)
        return SetParametersResult(successful=True)

    def _switched(self, choice: Choice) -> None:
        if choice.weights is not None:
            self._networks[choice.weights] = choice.fuser
        self.get_logger().info(f"{choice.fuser} fuses" + (f" with {choice.weights}" if choice.weights else ""))

    def _not_switched(self, sentence: str) -> None:
        self.report(RigError(sentence), "loading a fuser")


def load(choice: Choice) -> Fuser:
    """Makes the fuser of a choice, which may take long.

    Raises:
        RigError: Its weights or its device cannot be used.
        MissingDependencyError: A library that it needs is not installed.
    """
    return create_fuser(choice.fuser, choice.weights, choice.device)


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [FusionNode()], args)
