"""The detection node: fused images in, boxes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import MarkerArray

from tardal_ros.detection import create_detector
from tardal_ros.detection.drawing import draw
from tardal_ros.detection.stage import Detected, DetectionStage
from tardal_ros.pipeline import Stage
from tardal_ros.ros import images
from tardal_ros.ros.detections import to_detection_array, to_label_info, to_markers
from tardal_ros.ros.frames import FrameSubscription, wanted
from tardal_ros.ros.messages import make_header
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.ports import Input, Output
from tardal_ros.ros.process import run
from tardal_ros.ros.qos import latched, overridable, results, sensor_data
from tardal_ros.ros.resources import resolve
from tardal_ros.ros.stage_node import StageNode
from tardal_ros.types import Frame, Fused


@dataclass(frozen=True)
class DetectionParameters:
    """Parameters of the detection node."""

    weights: str = parameter("hog", "`hog`, or a model file: an ultralytics .pt or an exported .onnx.", read_only=True)
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
    confidence: float = parameter(0.25, "Lowest score of a box.", minimum=0.0, maximum=1.0)
    iou: float = parameter(0.45, "Overlap above which the weaker of two boxes goes.", minimum=0.0, maximum=1.0)
    max_detections: int = parameter(300, "Most boxes per image.", minimum=1, maximum=10000)
    transport: str = parameter("raw", "Which image topic to take in.", choices=("raw", "compressed"), read_only=True)
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class FusedSubscription(FrameSubscription):
    """Takes fused images from their topic."""

    def open(self, deliver: Callable[[Any], None]) -> None:
        """Subscribes; `deliver` gets each image as `Fused`."""
        super().open(lambda frame: deliver(Fused(frame)))


class DetectionPublisher:
    """Publishes detections, the class names (latched), an annotated image and markers."""

    def __init__(self, node: DetectionNode) -> None:
        self._node = node
        self._publishers: list[Any] = []

    def open(self) -> None:
        """Creates the publishers and latches the class names."""
        create = self._node.create_publisher
        self.detections = create(Detection2DArray, "detection/detections", results(), **overridable())
        self.label_info = create(LabelInfo, "detection/label_info", latched())
        self.image = create(Image, "detection/image", sensor_data(), **overridable())
        self.markers = create(MarkerArray, "detection/markers", results())
        self._publishers = [self.detections, self.label_info, self.image, self.markers]

    def close(self) -> None:
        """Destroys the publishers."""
        while self._publishers:
            self._node.destroy_publisher(self._publishers.pop())

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
        if wanted(self.image):
            self.image.publish(images.encode(draw(frame.image, detected.detections), header))
        if wanted(self.markers) and calibrated(frame):
            assert frame.camera_info is not None
            self.markers.publish(to_markers(detected.detections, frame.camera_info, header))


class DetectionNode(StageNode[DetectionParameters, Fused, Detected]):
    """Finds objects in fused images.

    Takes `fusion/image`; publishes `detection/detections`, `detection/label_info`, `detection/image` and
    `detection/markers` with the fused image's header.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("detection", DetectionParameters, **options)
        self._publisher = DetectionPublisher(self)
        self._detector: Any = None
        self.publishers_of_results = [self._publisher]
        self.detected: Output[Detected] = Output(self, self._publisher.publish)
        subscription = FusedSubscription(self, "fusion", "image", lambda: self.parameters.transport)
        self.fused: Input[Fused] = Input("fused images", self.submit, subscription)
        self.inputs = [self.fused]

    def build(self) -> Stage[Fused, Detected]:
        """Loads the detector."""
        p = self.parameters
        self._detector = create_detector(
            p.weights if p.weights == "hog" else str(resolve(p.weights)),
            confidence=p.confidence,
            iou=p.iou,
            max_detections=p.max_detections,
            device=p.device,
            image_size=p.image_size or None,
            trust_weights=p.trust_weights,
        )
        return DetectionStage(self._detector)

    def activate(self) -> None:
        """Latches the class names, then opens the input."""
        self._publisher.latch_names(self._detector.names, self.parameters.confidence)
        super().activate()

    def apply(self, old: DetectionParameters, new: DetectionParameters) -> None:
        """Takes over new thresholds."""
        if self._detector is None:
            return
        self._detector.confidence = new.confidence
        self._detector.iou = new.iou
        self._detector.max_detections = new.max_detections
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
        return {"weights": self.parameters.weights, "device": self.parameters.device, **super().values()}


def calibrated(frame: Frame) -> bool:
    """Whether a frame's geometry is known; REP-104 marks an uncalibrated camera by a zero K."""
    return frame.camera_info is not None and bool(frame.camera_info.k.any())


def main(args: list[str] | None = None) -> int:
    """Runs the node alone; takes ROS arguments."""
    return run(lambda: [DetectionNode()], args)
