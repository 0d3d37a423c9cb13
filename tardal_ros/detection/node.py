"""The detection node: fused images in, boxes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from tardal_ros.detection import Detector, create_detector
from tardal_ros.detection.drawing import draw
from tardal_ros.detection.inputs import INPUTS, check_channels, seen
from tardal_ros.detection.laps import Laps
from tardal_ros.detection.stage import Detected, DetectionStage
from tardal_ros.detection.tracking import Tracker
from tardal_ros.errors import MissingDependencyError
from tardal_ros.pipeline import Stage
from tardal_ros.ros.detections import to_detection_array, to_label_info, to_markers
from tardal_ros.ros.frames import FramePublisher, FrameSubscription, wanted
from tardal_ros.ros.messages import make_header
from tardal_ros.ros.pairs import PairSubscription
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Input, Output, Subscription
from tardal_ros.ros.process import run
from tardal_ros.ros.qos import latched, overridable, results
from tardal_ros.ros.resources import resolve
from tardal_ros.ros.stage_node import StageNode
from tardal_ros.types import Frame, Fused, Pair, freeze


@dataclass(frozen=True)
class DetectionParameters:
    """Parameters of the detection node."""

    weights: str = parameter(
        "package://tardal_ros/weights/tardal_ct_detector.onnx",
        "A model file, an exported .onnx or an ultralytics .pt, or `hog`.",
        read_only=True,
    )
    trust_weights: bool = parameter(
        False, "Load a .pt file whose sha256 is not in the list of trusted weights; it can run code.", read_only=True
    )
    device: str = parameter("auto", "Where a network runs: auto, cpu, cuda or cuda:N.", read_only=True)
    image_size: int = parameter(
        0,
        "Longer side in pixels at which the network looks; 0 is the model's own.",
        minimum=0,
        maximum=4096,
        read_only=True,
    )
    input: str = parameter(
        "fused",
        "What to detect on; `stack` is blue, green, red and infrared, for a model of four channels.",
        choices=INPUTS,
        read_only=True,
    )
    tracker: str = parameter(
        "auto",
        "What follows objects from image to image; `auto` is bytetrack where its library is installed.",
        choices=("auto", "bytetrack", "none"),
        read_only=True,
    )
    confidence: float = parameter(0.25, "Lowest score of a box.", minimum=0.0, maximum=1.0)
    iou: float = parameter(0.45, "Overlap above which the weaker of two boxes goes.", minimum=0.0, maximum=1.0)
    max_detections: int = parameter(300, "Most boxes per image.", minimum=1, maximum=10000)
    classes: tuple[str, ...] = parameter(
        ("",), "Names of the classes to report; empty, or an empty name alone, for all."
    )
    transport: str = parameter("raw", "Which image topic to take in.", choices=("raw", "compressed"), read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class ImageSubscription:
    """Takes what the detector looks at from its topics, as `Fused`."""

    def __init__(self, node: DetectionNode) -> None:
        self._node = node
        self._topics: Subscription[Any] = self._of("fused")

    def open(self, deliver: Callable[[Fused], None]) -> None:
        """Subscribes to the topics of the parameter `input`."""
        self._topics = self._of(self._node.parameters.input)
        self._topics.open(lambda item: deliver(to_fused(item)))

    def close(self) -> None:
        """Unsubscribes."""
        self._topics.close()

    def waiting(self) -> str:
        """Why no image comes."""
        return self._topics.waiting()

    def lacking(self) -> str:
        """What is missing although images come."""
        return self._topics.lacking()

    def _of(self, name: str) -> Subscription[Any]:
        node = self._node
        if name == "stack":
            return PairSubscription(node, "registration", lambda: node.parameters.transport)
        base = "fusion" if name == "fused" else f"registration/{name}"
        return FrameSubscription(node, base, "image", lambda: node.parameters.transport)


def to_fused(item: Frame | Pair) -> Fused:
    """What came over topics, as it would come from the fusion node; of a pair, people are shown the visible image."""
    return Fused(item.visible.left, item) if isinstance(item, Pair) else Fused(item)


class DetectionPublisher:
    """Publishes detections, the class names (latched), an annotated image and markers."""

    def __init__(self, node: DetectionNode) -> None:
        self._node = node
        self._publishers: list[Any] = []
        self._image = FramePublisher(node, "detection", camera_info=False)
        self._told = False

    def open(self) -> None:
        """Creates the publishers."""
        create = self._node.create_publisher
        self.detections = create(Detection2DArray, "detection/detections", results(), **overridable())
        self.label_info = create(LabelInfo, "detection/label_info", latched())
        self.markers = create(MarkerArray, "detection/markers", results())
        self._publishers = [self.detections, self.label_info, self.markers]
        self._image.open()

    def close(self) -> None:
        """Destroys the publishers."""
        while self._publishers:
            self._node.destroy_publisher(self._publishers.pop())
        self._image.close()

    def latch_names(self, names: tuple[str, ...], threshold: float) -> None:
        """Publishes the model's class names for everybody who comes."""
        header = make_header(self._node.get_clock().now().nanoseconds, "")
        self.label_info.publish(to_label_info(names, threshold, header))

    def publish(self, detected: Detected) -> None:
        """Publishes one image's detections to whoever subscribes."""
        frame = detected.fused.frame
        header = make_header(frame.stamp, frame.frame_id)
        if wanted(self.detections):
            self.detections.publish(to_detection_array(detected.detections, header))
        if self._image.wanted:
            image = seen(detected.fused, self._node.parameters.input).image
            self._image.publish(replace(frame, image=freeze(draw(image, detected.detections))))
        if wanted(self.markers):
            if frame.camera_info is not None and frame.camera_info.k.any():
                self.markers.publish(to_markers(detected.detections, frame.camera_info, header))
            else:
                self._explain_no_markers()

    def _explain_no_markers(self) -> None:
        """Says it once: people who have no calibration need not hear of it every ten seconds."""
        if not self._told:
            self._node.say(
                "detection/markers stays empty because the fused image's camera is not calibrated: give registration a "
                "rig file (`calibration`), or publish fusion/camera_info with its K"
            )
        self._told = True


class DetectionNode(StageNode[DetectionParameters, Fused, Detected]):
    """Finds objects in fused images, or in what those were made of, and follows them.

    Takes `fusion/image`, or the topics of `registration` that the parameter `input` asks for; publishes
    `detection/detections`, `detection/label_info`, `detection/image` and `detection/markers` with the image's header.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("detection", DetectionParameters, **options)
        self._publisher = DetectionPublisher(self)
        self._detector: Detector | None = None
        self._tracking = False
        self.publishers_of_results = [self._publisher]
        self.detected: Output[Detected] = Output(self, self._publisher.publish)
        self.fused: Input[Fused] = Input("fused images", self.submit, ImageSubscription(self))
        self.inputs = [self.fused]

    def build(self) -> Stage[Fused, Detected]:
        """Loads the detector and the tracker."""
        p = self.parameters
        self.fused.name = f"{p.input} images"
        detector = create_detector(
            p.weights if p.weights == "hog" else str(resolve(p.weights)),
            device=p.device,
            image_size=p.image_size or None,
            trust_weights=p.trust_weights,
        )
        check_channels(p.weights, detector.channels, p.input)
        tracker = self._make_tracker()
        tune(detector, self.parameters)  # loading takes a while, in which they may have changed
        self._detector = detector
        return DetectionStage(detector, tracker, p.input)

    def activate(self) -> None:
        """Latches the class names, then opens the input."""
        assert self._detector is not None
        self._publisher.latch_names(self._detector.names, self.parameters.confidence)
        super().activate()

    def cleanup(self) -> None:
        """Lets go of the detector, too."""
        super().cleanup()
        self._detector = None

    def apply(self, old: DetectionParameters, new: DetectionParameters) -> None:
        """Takes over new thresholds and classes."""
        if self._detector is None:
            return
        tune(self._detector, new)
        if self.active:
            self._publisher.latch_names(self._detector.names, new.confidence)

    def deliver(self, result: Detected) -> None:
        """Hands the boxes on."""
        self.detected.send(result)

    def stamp_of(self, item: Fused | Detected) -> tuple[int, str]:
        """The fused image's stamp and frame."""
        frame = item.fused.frame if isinstance(item, Detected) else item.frame
        return frame.stamp, frame.frame_id

    def values(self) -> dict[str, str]:
        """Figures, and what detects where."""
        detector, tracking = self._detector, self._tracking
        return {
            "weights": self.parameters.weights,
            "device": "none" if detector is None else detector.device,
            "input": self.parameters.input,
            "tracker": "bytetrack" if tracking else "none",
            **super().values(),
            **({} if detector is None else lap_values(detector.laps)),
        }

    def _make_tracker(self) -> Tracker | None:
        """The tracker asked for; where one is only welcome, its library may be missing."""
        tracker = None
        if self.parameters.tracker != "none":
            try:
                tracker = Tracker()
            except MissingDependencyError as error:
                if self.parameters.tracker != "auto":
                    raise
                self.say(f"boxes get no track ids: {error}")
        self._tracking = tracker is not None
        return tracker


def lap_values(laps: Laps) -> dict[str, str]:
    """How long each step of detecting takes, named with the unit."""
    return {
        f"{step} {name} [ms]": f"{seconds * 1e3:.2f}"
        for step, both in laps.read().items()
        for name, seconds in zip(("p50", "p95"), both, strict=True)
    }


def tune(detector: Detector, parameters: DetectionParameters) -> None:
    """Gives a detector what can change at run time.

    Raises:
        RigError: The model has no such class, and nothing has changed.
    """
    # First what may be refused; the ranges of the others have been checked.
    detector.classes = tuple(name for name in parameters.classes if name) or None
    detector.confidence = parameters.confidence
    detector.iou = parameters.iou
    detector.max_detections = parameters.max_detections


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [DetectionNode()], args)
