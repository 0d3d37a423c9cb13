"""Our types as serialised messages, made without ROS."""

from __future__ import annotations

import functools
import json
import sys
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from tardal_ros.bags.writer import Types
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.ros.messages import message_definition
from tardal_ros.types import Array, CameraInfo, Frame

Message = tuple[str, bytes]
"""The name of an interface, and a message of it in CDR, as rclpy serialises it."""

IMAGES = ("raw", "jpeg", "png")
"""How images are stored."""

IGNORED = 0.0
"""The score of objects that need not be found; that of the others is 1."""

# What we need of vision_msgs, which is none of ROS 2's common interfaces: names and types of the fields.
_VISION_MSGS = MappingProxyType(
    {
        "vision_msgs/msg/Point2D": "float64 x\nfloat64 y\n",
        "vision_msgs/msg/Pose2D": "Point2D position\nfloat64 theta\n",
        "vision_msgs/msg/BoundingBox2D": "Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
        "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
        "vision_msgs/msg/ObjectHypothesisWithPose": (
            "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
        ),
        "vision_msgs/msg/Detection2D": (
            "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id\n"
        ),
        "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nDetection2D[] detections\n",
        "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name\n",
        "vision_msgs/msg/LabelInfo": "std_msgs/Header header\nVisionClass[] class_map\nfloat32 threshold\n",
    }
)
_ENCODINGS = MappingProxyType({("uint8", 2): "mono8", ("uint16", 2): "mono16", ("uint8", 3): "bgr8"})


def definition(type_name: str) -> str:
    """The .msg text of an interface beyond the common ones: the installed one, or ours where it is not installed.

    Raises:
        RigError: It is neither installed nor known here.
    """
    try:
        return message_definition(type_name)
    except (ImportError, RigError) as error:
        if type_name in _VISION_MSGS:
            return _VISION_MSGS[type_name]
        raise RigError(f"Interface {type_name} is not known here: source the workspace that holds it.") from error


class Messages:
    """Makes messages, each as the live rig would publish it."""

    def __init__(self) -> None:
        """Learns the interfaces.

        Raises:
            MissingDependencyError: rosbags is not installed.
        """
        self._store = _store()

    def image(self, frame: Frame, kind: str = "raw") -> Message:
        """A sensor_msgs/Image, or a CompressedImage that image_transport can read.

        Args:
            frame: (H, W) uint8 or uint16, or (H, W, 3) BGR uint8.
            kind: One of `IMAGES`; 16 bits are stored as PNG in place of JPEG, which cannot hold them.

        Raises:
            RigError: No encoding has the image's layout.
        """
        image, header = frame.image, self._header(frame)
        encoding = _ENCODINGS.get((image.dtype.name, image.ndim))
        if encoding is None:
            raise RigError(f"An image of shape {image.shape} and type {image.dtype} cannot be written to a bag.")
        if kind == "raw":
            return self._raw(header, image, encoding)
        kind = "png" if encoding == "mono16" else kind
        payload = encoding if encoding == "bgr8" else ""
        data = _compressed(image, kind)
        return self._made("sensor_msgs/msg/CompressedImage", header, f"{encoding}; {kind} compressed {payload}", data)

    def depth(self, frame: Frame, depth: Array) -> Message:
        """How far away what an image shows is, (H, W) float32 in metres, as a sensor_msgs/Image (REP-118)."""
        return self._raw(self._header(frame), depth, "32FC1")

    def camera_info(self, frame: Frame, info: CameraInfo) -> Message:
        """The sensor_msgs/CameraInfo beside an image."""
        region = self._new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
        matrices = (np.asarray(matrix, np.float64).reshape(-1) for matrix in (info.d, info.k, info.r, info.p))
        fields = self._header(frame), info.height, info.width, info.distortion_model, *matrices
        return self._made("sensor_msgs/msg/CameraInfo", *fields, 0, 0, region)

    def objects(self, frame: Frame, objects: Objects) -> Message:
        """What is in an image as a vision_msgs/Detection2DArray, boxes as in `ros.detections.to_detection_array`.

        `class_id` is the class name; `score` is 1, and `IGNORED` for objects that need not be found; `id` is the
        object's number, empty where that is not known.
        """
        header = self._header(frame)
        known = objects.object_ids
        ids = [""] * len(objects) if known is None else [str(number) for number in known]
        rows = zip(objects.xyxy.tolist(), objects.class_ids.tolist(), objects.ignored.tolist(), ids, strict=True)
        found = [self._object(header, box, objects.names[number], *rest) for box, number, *rest in rows]
        return self._made("vision_msgs/msg/Detection2DArray", header, found)

    def label_info(self, frame: Frame, names: tuple[str, ...]) -> Message:
        """The class names, in their order, as a vision_msgs/LabelInfo."""
        classes = [self._new("vision_msgs/msg/VisionClass", number, name) for number, name in enumerate(names)]
        return self._made("vision_msgs/msg/LabelInfo", self._header(frame), classes, 0.0)

    def scene(self, frame: Frame, scene: str, condition: str) -> Message:
        """A std_msgs/String of JSON: scene and condition from the image with this stamp on."""
        told = {"scene": scene, "condition": condition, "stamp": frame.stamp}
        return self._made("std_msgs/msg/String", json.dumps(told))

    def _raw(self, header: Any, image: Array, encoding: str) -> Message:
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
        big = int(sys.byteorder == "big")
        fields = header, height, width, encoding, big, image.nbytes // height, pixels
        return self._made("sensor_msgs/msg/Image", *fields)

    def _object(self, header: Any, box: list[float], name: str, ignored: bool, number: str) -> Any:
        left, top, right, bottom = box
        centre = self._new("vision_msgs/msg/Point2D", (left + right) / 2, (top + bottom) / 2)
        pose = self._new("vision_msgs/msg/Pose2D", centre, 0.0)
        bounds = self._new("vision_msgs/msg/BoundingBox2D", pose, right - left, bottom - top)
        guess = self._new("vision_msgs/msg/ObjectHypothesis", name, IGNORED if ignored else 1.0)
        result = self._new("vision_msgs/msg/ObjectHypothesisWithPose", guess, self._no_pose())
        return self._new("vision_msgs/msg/Detection2D", header, [result], bounds, number)

    def _no_pose(self) -> Any:
        point = self._new("geometry_msgs/msg/Point", 0.0, 0.0, 0.0)
        turn = self._new("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
        pose = self._new("geometry_msgs/msg/Pose", point, turn)
        return self._new("geometry_msgs/msg/PoseWithCovariance", pose, np.zeros(36))

    def _header(self, frame: Frame) -> Any:
        time = self._new("builtin_interfaces/msg/Time", *divmod(frame.stamp, 1_000_000_000))
        return self._new("std_msgs/msg/Header", time, frame.frame_id)

    def _new(self, type_name: str, *fields: Any) -> Any:
        return self._store.types[type_name](*fields)

    def _made(self, type_name: str, *fields: Any) -> Message:
        return type_name, bytes(self._store.serialize_cdr(self._new(type_name, *fields), type_name))


def _compressed(image: Array, kind: str) -> Array:
    return np.asarray(cv2.imencode(f".{kind}", image)[1]).reshape(-1)


@functools.cache
def _store() -> Any:
    """The interfaces; one for all, since code that writes them is made with the first message of each."""
    try:
        types = Types(definition)
    except ImportError:
        raise MissingDependencyError("Writing bags needs rosbags: run `pip install rosbags`.") from None
    for name in _VISION_MSGS:
        types.add(name)
    return types.store
