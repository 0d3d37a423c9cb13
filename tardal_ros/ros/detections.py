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

from tardal_ros.types import CameraInfo, Detections

# Boxes have no depth of their own: markers show them on a plane this many metres ahead.
MARKER_DISTANCE = 10.0


def to_detection_array(detections: Detections, header: Header) -> Detection2DArray:
    """Builds the message; an empty result is a message too, so that consumers know.

    Args:
        detections: Boxes in pixels, where pixel (0, 0) covers the square from (0, 0) to (1, 1).
        header: Header of the image the boxes are on.
    """
    message = Detection2DArray(header=header)
    tracks = detections.track_ids
    for index, (box, score, class_id) in enumerate(
        zip(detections.xyxy, detections.scores, detections.class_ids, strict=True)
    ):
        detection = Detection2D(header=header, id="" if tracks is None else str(int(tracks[index])))
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
    """Outlines the boxes as one list of lines, seen from the camera's optical frame (REP-103).

    Args:
        detections: Boxes in pixels of the raw image.
        camera: That image's geometry; it must be calibrated.
        header: Header of the image.
    """
    marker = Marker(header=header, ns="detections", type=Marker.LINE_LIST, action=Marker.ADD)
    marker.scale.x = 0.02
    marker.color = ColorRGBA(r=1.0, g=0.8, b=0.0, a=1.0)
    marker.pose.orientation.w = 1.0
    for box in detections.xyxy:
        left, top, right, bottom = (float(edge) for edge in box)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        points = [_at_distance(x, y, camera.k) for x, y in corners]
        for index, point in enumerate(points):
            marker.points += [point, points[(index + 1) % 4]]
    wipe = Marker(header=header, ns="detections", action=Marker.DELETEALL)
    return MarkerArray(markers=[wipe, marker] if marker.points else [wipe])


def _at_distance(x: float, y: float, k: np.ndarray[Any, np.dtype[np.float64]]) -> Point:
    # Our pixel edges are half a pixel right of and below the pixel centres that k speaks of.
    return Point(
        x=MARKER_DISTANCE * (x - 0.5 - k[0, 2]) / k[0, 0],
        y=MARKER_DISTANCE * (y - 0.5 - k[1, 2]) / k[1, 1],
        z=MARKER_DISTANCE,
    )
