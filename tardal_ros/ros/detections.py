"""Detections on the wire: vision_msgs for consumers, markers for people."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)
from visualization_msgs.msg import Marker, MarkerArray

from tardal_ros.detection.drawing import PALETTE
from tardal_ros.types import CameraInfo, Detections

# Boxes have no depth of their own: markers show them on a plane this many metres ahead.
MARKER_DISTANCE = 10.0
LINE_WIDTH, TEXT_HEIGHT = 0.02, 0.3


def to_detection_array(detections: Detections, header: Header) -> Detection2DArray:
    """Builds the message; an empty result is a message too, so that consumers know.

    Positions are in pixels as in `Detections`: pixel (0, 0) covers the square from (0, 0) to (1, 1), so its centre is
    (0.5, 0.5), and a box over the whole image has its centre at (width / 2, height / 2) and the image's size. Less half
    a pixel, a position is one that K of the camera_info speaks of.

    Args:
        detections: The boxes.
        header: Header of the image the boxes are on.

    Returns:
        A detection a box, best first, with one hypothesis each: `class_id` is the class name, `score` is in [0, 1].
        `id` is the track, or an empty string where there is none. All poses are zero.
    """
    message = Detection2DArray(header=header)
    for index, (box, score, class_id) in enumerate(
        zip(detections.xyxy, detections.scores, detections.class_ids, strict=True)
    ):
        track = detections.track(index)
        detection = Detection2D(header=header, id="" if track is None else str(track))
        left, top, right, bottom = (float(edge) for edge in box)
        detection.bbox.center.position.x = (left + right) / 2
        detection.bbox.center.position.y = (top + bottom) / 2
        detection.bbox.size_x = right - left
        detection.bbox.size_y = bottom - top
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = detections.names[int(class_id)]
        result.hypothesis.score = float(score)
        detection.results.append(result)
        message.detections.append(detection)
    return message


def to_label_info(names: tuple[str, ...], threshold: float, header: Header) -> LabelInfo:
    """Builds the table of a model's class names, in the model's order."""
    classes = [VisionClass(class_id=index, class_name=name) for index, name in enumerate(names)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def to_markers(detections: Detections, camera: CameraInfo, header: Header) -> MarkerArray:
    """Outlines and labels the boxes, seen from the camera's optical frame (REP-103).

    Markers of a class share the namespaces `boxes/<class>` and `labels/<class>`, in the class's colour; their ids are
    the tracks, and below zero for boxes without one. The first marker wipes those of earlier images.

    Args:
        detections: Boxes in pixels of the raw image.
        camera: That image's geometry; it must be calibrated.
        header: Header of the image.
    """
    message = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    for index, box in enumerate(detections.xyxy):
        left, top, right, bottom = (float(edge) for edge in box)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        name, track = detections.names[int(detections.class_ids[index])], detections.track(index)
        blue, green, red = (value / 255 for value in PALETTE[int(detections.class_ids[index]) % len(PALETTE)])
        marker = {"header": header, "id": -1 - index if track is None else track, "action": Marker.ADD}
        marker["color"] = ColorRGBA(r=red, g=green, b=blue, a=1.0)
        outline = Marker(ns=f"boxes/{name}", type=Marker.LINE_STRIP, **marker)
        outline.points = [_at_distance(x, y, camera.k) for x, y in corners]
        outline.scale.x = LINE_WIDTH
        label = Marker(ns=f"labels/{name}", type=Marker.TEXT_VIEW_FACING, **marker)
        label.text = name if track is None else f"{name} {track}"
        label.pose.position = _at_distance((left + right) / 2, top, camera.k)
        label.scale.z = TEXT_HEIGHT
        for shape in (outline, label):
            shape.pose.orientation.w = 1.0
            message.markers.append(shape)
    return message


def _at_distance(x: float, y: float, k: np.ndarray[Any, np.dtype[np.float64]]) -> Point:
    # Our pixel edges are half a pixel right of and below the pixel centres that k speaks of.
    return Point(
        x=MARKER_DISTANCE * (x - 0.5 - k[0, 2]) / k[0, 0],
        y=MARKER_DISTANCE * (y - 0.5 - k[1, 2]) / k[1, 1],
        z=MARKER_DISTANCE,
    )
