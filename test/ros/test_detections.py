import numpy as np
import pytest

pytest.importorskip("vision_msgs.msg", reason="needs the built interfaces: `make test` builds them")

from rclpy.serialization import deserialize_message, serialize_message
from vision_msgs.msg import Detection2DArray, LabelInfo
from visualization_msgs.msg import Marker, MarkerArray

from tardal_ros.detection.drawing import PALETTE
from tardal_ros.ros.detections import MARKER_DISTANCE, to_detection_array, to_label_info, to_markers
from tardal_ros.ros.messages import make_header
from tardal_ros.types import UNTRACKED, CameraInfo, Detections

NAMES = ("People", "Car")
HEADER = make_header(1_700_000_000_123_456_789, "visible_left_optical_frame")
K = np.array([[500.0, 0, 320], [0, 400.0, 240], [0, 0, 1]])
CAMERA = CameraInfo(640, 480, K)
ODD = ("", " ", "new\nline", "\"quoted'", "{0}%s", "Fu\u00dfg\u00e4nger", "\U0001f697", "/a//b/", "x" * 5000)


def detections(xyxy, class_ids=None, track_ids=None, names=NAMES):
    count = len(xyxy)
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, count).astype(np.float32),
        np.zeros(count, np.int64) if class_ids is None else np.array(class_ids, np.int64),
        names,
        None if track_ids is None else np.array(track_ids, np.int64),
    )


def wired(message):
    """The message after its way over the wire."""
    return deserialize_message(serialize_message(message), type(message))


def test_every_field_of_a_detection():
    message = wired(to_detection_array(detections([[10, 20, 50, 100], [0, 0, 4, 2]], [1, 0], [7, UNTRACKED]), HEADER))
    assert isinstance(message, Detection2DArray)
    assert message.header == HEADER
    car, person = message.detections
    assert (car.header, car.id, len(car.results)) == (HEADER, "7", 1)
    assert (car.bbox.center.position.x, car.bbox.center.position.y, car.bbox.center.theta) == (30.0, 60.0, 0.0)
    assert (car.bbox.size_x, car.bbox.size_y) == (40.0, 80.0)
    assert car.results[0].hypothesis.class_id == "Car"
    assert car.results[0].hypothesis.score == pytest.approx(0.9)
    assert (person.id, person.results[0].hypothesis.class_id) == ("", "People")


def test_without_tracking_there_are_no_ids():
    assert to_detection_array(detections([[0, 0, 4, 2]]), HEADER).detections[0].id == ""


def test_a_pixel_covers_the_square_right_of_and_below_its_corner():
    """The convention: the centre of pixel (12, 34) is (12.5, 34.5), and the whole image is centred in its middle."""
    pixel, whole = to_detection_array(detections([[12, 34, 13, 35], [0, 0, 640, 480]]), HEADER).detections
    assert (pixel.bbox.center.position.x, pixel.bbox.center.position.y) == (12.5, 34.5)
    assert (pixel.bbox.size_x, pixel.bbox.size_y) == (1.0, 1.0)
    assert (whole.bbox.center.position.x, whole.bbox.center.position.y) == (320.0, 240.0)
    assert (whole.bbox.size_x, whole.bbox.size_y) == (640.0, 480.0)


def test_nothing_found_is_a_message_too():
    message = wired(to_detection_array(Detections.empty(NAMES), HEADER))
    assert message.header == HEADER
    assert len(message.detections) == 0


def test_ten_thousand_boxes_are_a_message_too():
    corner = np.random.default_rng(0).uniform(0, 400, (10_000, 2))
    many = detections(np.hstack([corner, corner + 3]))
    message = to_detection_array(many, HEADER)
    centres = [[box.bbox.center.position.x, box.bbox.center.position.y] for box in message.detections]
    np.testing.assert_allclose(centres, corner + 1.5, atol=1e-4)


def test_odd_class_names_arrive_as_they_are():
    boxes = detections([[0, 0, 4, 2]] * len(ODD), range(len(ODD)), names=ODD)
    message = wired(to_detection_array(boxes, HEADER))
    assert tuple(one.results[0].hypothesis.class_id for one in message.detections) == ODD
    assert tuple(one.class_name for one in wired(to_label_info(ODD, 0.25, HEADER)).class_map) == ODD
    markers = wired(to_markers(boxes, CAMERA, HEADER)).markers
    assert {marker.text for marker in markers} == set(ODD)
    assert {f"boxes/{name}" for name in ODD} <= {marker.ns for marker in markers}


def test_labels_stand_in_the_models_order():
    message = wired(to_label_info(("b", "a"), 0.25, HEADER))
    assert isinstance(message, LabelInfo)
    assert [(one.class_id, one.class_name) for one in message.class_map] == [(0, "b"), (1, "a")]
    assert message.threshold == 0.25


def shapes(message, kind):
    return [marker for marker in message.markers if marker.action == Marker.ADD and marker.type == kind]


def test_markers_outline_the_box_where_the_camera_sees_it():
    message = wired(to_markers(detections([[12, 34, 112, 234]]), CAMERA, HEADER))
    assert isinstance(message, MarkerArray)
    (outline,) = shapes(message, Marker.LINE_STRIP)
    assert outline.header == HEADER
    points = np.array([[point.x, point.y, point.z] for point in outline.points])
    pixels = points @ K.T / MARKER_DISTANCE
    # K speaks of pixel centres: the left edge of pixel 12 is at 11.5.
    np.testing.assert_allclose(pixels[:, 0] + 0.5, [12, 112, 112, 12, 12])
    np.testing.assert_allclose(pixels[:, 1] + 0.5, [34, 34, 234, 234, 34])
    assert (points[:, 2] == MARKER_DISTANCE).all()


def test_markers_are_named_by_class_and_track():
    found = detections([[0, 0, 4, 2]] * 4, [0, 1, 0, 0], [3, 3, UNTRACKED, UNTRACKED])
    message = to_markers(found, CAMERA, HEADER)
    outlines, labels = shapes(message, Marker.LINE_STRIP), shapes(message, Marker.TEXT_VIEW_FACING)
    assert [(one.ns, one.id) for one in outlines[:2]] == [("boxes/People", 3), ("boxes/Car", 3)]
    assert all(one.id < 0 for one in outlines[2:])
    assert [one.text for one in labels] == ["People 3", "Car 3", "People", "People"]
    assert len({(one.ns, one.id) for one in outlines + labels}) == 8
    blue, green, red = PALETTE[1]
    assert [round(255 * value) for value in (outlines[1].color.r, outlines[1].color.g, outlines[1].color.b)] == [
        red, green, blue
    ]  # fmt: skip


def test_markers_of_the_image_before_are_wiped():
    for found in (Detections.empty(NAMES), detections([[0, 0, 4, 2]])):
        first = to_markers(found, CAMERA, HEADER).markers[0]
        assert (first.action, first.header) == (Marker.DELETEALL, HEADER)
    assert len(to_markers(Detections.empty(NAMES), CAMERA, HEADER).markers) == 1
