import pickle
from dataclasses import replace

import numpy as np
import pytest

from tardal_ros.bags.recording import BagRecording
from tardal_ros.errors import RigError
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.types import Frame, freeze

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

STEREO = ("visible/left", "infrared/left", "visible/right", "infrared/right")


def recording_of(tmp_path, maker, items, **options):
    return BagRecording(maker.write(tmp_path / "bag", items).folder, **options)


def test_moments_are_the_pairs_with_their_truth(tmp_path, maker):
    recording = recording_of(tmp_path, maker, maker.rig(4))

    moments = list(recording.moments())

    assert [moment.stamp for moment in moments] == [maker.start + index * maker.period for index in range(4)]
    assert [moment.name for moment in moments] == [str(moment.stamp) for moment in moments]
    assert {(moment.scene, moment.condition) for moment in moments} == {("bag", "all")}
    for index, moment in enumerate(moments):
        assert (moment.pair.visible.left.image == maker.frame("visible/left", index).image).all()
        assert (moment.pair.infrared.left.image == maker.frame("infrared/left", index).image).all()
        assert moment.pair.visible.right is None
        assert moment.pair.visible.left.camera_info.k[0, 0] == 5
        assert moment.objects.names == maker.names and moment.objects.class_ids.tolist() == [1, 0]
        np.testing.assert_allclose(moment.objects.xyxy, maker.objects().xyxy)
        assert not moment.objects.ignored.any()
    assert recording.problems == [] and recording.pairing() == {}
    assert (recording.name, recording.dataset, recording.calibration) == ("bag", "bag", None)
    # Frames that share a frame_id are registered already.
    assert RegistrationStage().process(moments[0].pair).mask.all()


def test_it_can_be_pickled_and_read_again(tmp_path, maker):
    recording = recording_of(tmp_path, maker, maker.rig(2))
    twin = pickle.loads(pickle.dumps(recording))

    assert [m.name for m in twin.moments()] == [m.name for m in recording.moments()]
    assert twin.fingerprint() == recording.fingerprint()


def test_the_fingerprint_follows_data_and_topics(tmp_path, maker):
    recording = recording_of(tmp_path, maker, maker.rig(2))
    other = BagRecording(recording.path, {"visible/left": "/visible/left/image_raw"})
    before = recording.fingerprint()
    (path,) = recording.path.glob("*.mcap")

    assert other.fingerprint() != before
    path.write_bytes(path.read_bytes() + b" ")
    assert recording.fingerprint() != before


def test_right_eyes_come_along(tmp_path, maker):
    moments = list(recording_of(tmp_path, maker, maker.rig(3, streams=STEREO)).moments())

    assert len(moments) == 3
    assert all(moment.pair.visible.right and moment.pair.infrared.right for moment in moments)


@pytest.mark.parametrize("kind", ["raw", "png"])
@pytest.mark.parametrize("namespace", ["", "/car/front"])
def test_the_rig_is_found_under_any_namespace(tmp_path, maker, kind, namespace):
    moments = list(recording_of(tmp_path, maker, maker.rig(2, namespace, kind=kind)).moments())

    assert [moment.objects.names for moment in moments] == [maker.names] * 2
    assert (moments[1].pair.infrared.left.image == maker.frame("infrared/left", 1).image).all()


def test_topics_can_be_named(tmp_path, maker):
    names = {"/visible/left": "/cam0", "/infrared/left": "/thermal", "/truth/detections": "/labels"}
    items = [
        (next((topic.replace(a, b) for a, b in names.items() if topic.startswith(a)), topic), *rest)
        for topic, *rest in maker.rig(2)
    ]
    topics = {
        "visible/left": "/cam0/image_raw",
        "infrared/left": "/thermal/image_raw",
        "truth/detections": "/labels",
    }
    moments = list(recording_of(tmp_path, maker, items, topics=topics).moments())

    assert [len(moment.objects) for moment in moments] == [2, 2]
    assert moments[0].pair.visible.left.camera_info is not None


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (
            {},
            r"no topics visible/left/image_raw and .*it has .*/cam/image_raw \(sensor_msgs/msg/Image\).* by topics, as",
        ),
        ({"visible/left": "/nope"}, "has no topic /nope for visible/left: it has"),
        ({"visible/left": "/cam/camera_info"}, "is of sensor_msgs/msg/CameraInfo: visible/left needs"),
        ({"left": "/cam/image_raw"}, "There is no 'left' to give the topic"),
        ({"visible/left": "/cam/image_raw"}, "no topics infrared/left/image_raw of images"),
    ],
)
def test_missing_topics_are_named_with_those_that_are_there(tmp_path, maker, topics, words):
    items = [
        (topic.replace("/visible/left", "/cam"), *rest) for topic, *rest in maker.rig(1, streams=("visible/left",))
    ]

    with pytest.raises(RigError, match=words):
        list(recording_of(tmp_path, maker, items, topics=topics).moments())


def test_two_rigs_in_a_bag_must_be_told_apart(tmp_path, maker):
    items = sorted([*maker.rig(2, "/a"), *maker.rig(2, "/b")], key=lambda item: item[1])

    with pytest.raises(RigError, match=r"2 namespaces \(/a, /b\): .* as in visible/left=/a/visible/left/image_raw"):
        list(recording_of(tmp_path, maker, items).moments())


def restamped(maker, stamps, received=None):
    """Both eyes with these header stamps."""
    for index, stamp in enumerate(stamps):
        for stream in ("visible/left", "infrared/left"):
            message = maker.messages.image(maker.frame(stream, index, stamp=stamp))
            yield f"/{stream}/image_raw", maker.start + index * maker.period + (received or 0), *message


def test_frames_without_stamps_are_named(tmp_path, maker):
    recording = recording_of(tmp_path, maker, restamped(maker, [0, 0, 0]))

    list(recording.moments())

    assert "3 of 3 images of visible/left have no stamp (zero)" in recording.problems[0]


def test_stamps_that_jump_back_are_named_and_names_stay_unique(tmp_path, maker):
    lap = [maker.start + index * 1_000_000_000 for index in range(5)]
    recording = recording_of(tmp_path, maker, restamped(maker, lap * 2))

    names = [moment.name for moment in recording.moments()]

    assert len(names) == len(set(names)) == 10
    assert any("Stamps of visible/left jump back 1 times" in problem for problem in recording.problems)


def test_clocks_that_disagree_are_named(tmp_path, maker):
    stamps = [maker.start - 3_000_000_000 + index * maker.period for index in range(4)]
    recording = recording_of(tmp_path, maker, restamped(maker, stamps))

    assert len(list(recording.moments())) == 4
    assert (
        "4 of 4 images of visible/left have a stamp over 1 s away from their receipt, up to 3.0 s"
        in (recording.problems[0])
    )


def test_a_bag_without_pairs_says_so(tmp_path, maker):
    items = [item for item in maker.rig(4, truth=False) if "infrared" in item[0]]
    stamps = [maker.start + 50_000_000 + index * maker.period for index in range(4)]
    visible = [item for item in restamped(maker, stamps) if "visible" in item[0]]
    recording = recording_of(tmp_path, maker, sorted([*items, *visible], key=lambda item: item[1]))

    assert list(recording.moments()) == []
    assert recording.problems[-1].startswith("The bag makes no pair")
    assert sum(recording.pairing().values()) == 8


def test_images_that_the_rig_refuses_are_counted(tmp_path, maker):
    items = list(maker.rig(3, truth=False))
    float_image = Frame(np.zeros((6, 8), np.uint16), maker.start + 3 * maker.period, "camera")
    items.append(("/visible/left/image_raw", items[-1][1] + maker.period, *maker.messages.image(float_image)))
    recording = recording_of(tmp_path, maker, items)

    assert len(list(recording.moments())) == 3
    assert recording.problems == [
        "1 messages of visible/left are passed over: visible/left has uint16 pixels: have its driver publish uint8"
        " images."
    ]
    assert recording.pairing() == {"refused": 1}


def truth(maker, index, received, objects=None, shift=0):
    frame = maker.frame("visible/left", index, stamp=maker.start + index * maker.period + shift)
    return ("/truth/detections", received, *maker.messages.objects(frame, objects or maker.objects()))


def test_truth_for_no_image_is_counted(tmp_path, maker):
    items = list(maker.rig(3, truth=False))
    items += [truth(maker, index, items[-1][1], shift=shift) for index, shift in ((0, 0), (1, 7), (9, 0))]
    recording = recording_of(tmp_path, maker, items)

    known = [moment.objects is not None for moment in recording.moments()]

    assert known == [True, False, False]
    assert recording.problems == [
        "2 of 3 messages of ground truth are for no image of the bag: their stamps must be those of the visible left"
        " images."
    ]


def test_truth_of_images_without_a_pair_is_no_problem(tmp_path, maker):
    items = [
        item for item in maker.rig(4) if not (item[0] == "/infrared/left/image_raw" and item[1] < maker.start + 10**8)
    ]
    recording = recording_of(tmp_path, maker, items)

    assert len(list(recording.moments())) == 3
    assert recording.problems == [] and recording.pairing()


def test_truth_that_comes_late_is_waited_for(tmp_path, maker):
    items = list(maker.rig(12, truth=False))
    late = [truth(maker, index, maker.start + (index + 6) * maker.period) for index in range(12)]
    recording = recording_of(tmp_path, maker, sorted([*items, *late], key=lambda item: item[1]))

    assert all(moment.objects is not None for moment in recording.moments())
    assert recording.problems == []


def test_classes_go_by_their_names_in_any_order(tmp_path, maker):
    swapped = maker.objects((0, 1), ("car", "person"))
    items = [item for item in maker.rig(2) if item[0] != "/truth/detections"]
    items += [truth(maker, index, items[-1][1], swapped) for index in range(2)]
    moments = list(recording_of(tmp_path, maker, items).moments())

    assert [moment.objects.class_ids.tolist() for moment in moments] == [[1, 0], [1, 0]]
    assert moments[0].objects.names == ("person", "car")


def test_numbers_are_looked_up_and_unknown_classes_counted(tmp_path, maker):
    odd = maker.objects((0, 1), ("1", "tram"))
    items = [item for item in maker.rig(2) if item[0] != "/truth/detections"]
    items += [truth(maker, index, items[-1][1], odd) for index in range(2)]
    recording = recording_of(tmp_path, maker, items)

    objects = [moment.objects for moment in recording.moments()]

    assert [each.class_ids.tolist() for each in objects] == [[1], [1]]
    assert recording.problems == [
        "2 of 4 true boxes are of a class that truth/label_info does not name and are passed over: 'tram' (2)."
    ]


def test_depth_comes_along_and_what_is_no_depth_of_the_image_is_counted(tmp_path, maker):
    items = list(maker.rig(4))
    frames = [maker.frame("visible/left", index) for index in range(4)]
    near = np.full((6, 8), 5.0, np.float32)
    grey = (replace(frames[2], image=freeze(np.zeros((6, 8), np.uint16))), "raw")
    made = [
        maker.messages.depth(frames[0], near),
        maker.messages.depth(frames[1], near[:3]),
        maker.messages.image(*grey),
    ]
    items += [("/truth/depth", maker.start + (index + 1) * maker.period, *each) for index, each in enumerate(made)]
    recording = recording_of(tmp_path, maker, sorted(items, key=lambda item: item[1]))

    depths = [moment.depth for moment in recording.moments()]

    assert (depths[0] == near).all() and depths[0].dtype == np.float32
    assert depths[1:] == [None] * 3
    assert recording.problems == [
        "2 images of truth/depth are passed over: they must be 32FC1 in metres, as large as the visible left images,"
        " but are of 8x3 pixels, not 8x6 (1), encoding mono16 (1)."
    ]


def test_without_a_table_of_names_the_hypotheses_name_the_classes(tmp_path, maker):
    items = [item for item in maker.rig(2) if item[0] != "/truth/label_info"]
    moments = list(recording_of(tmp_path, maker, items).moments())

    objects = moments[1].objects
    assert [objects.names[number] for number in objects.class_ids] == ["car", "person"]


def test_scenes_hold_from_their_stamp_on(tmp_path, maker):
    items = list(maker.rig(4))
    for index, scene, condition in ((0, "street", "day"), (2, "tunnel", "night")):
        message = maker.messages.scene(maker.frame("visible/left", index), scene, condition)
        items.append(("/truth/scene", maker.start + index * maker.period, *message))
    recording = recording_of(tmp_path, maker, sorted(items, key=lambda item: item[1]))

    assert [(m.scene, m.condition) for m in recording.moments()] == [("street", "day")] * 2 + [("tunnel", "night")] * 2


def test_boxes_to_be_ignored_are_marked(tmp_path, maker):
    objects = maker.objects()
    hidden = type(objects)(objects.xyxy, objects.class_ids, np.array([True, True]), objects.names)
    items = list(maker.rig(1, truth=False))
    items.append(truth(maker, 0, items[-1][1], hidden))
    recording = recording_of(tmp_path, maker, items)

    assert [moment.objects.ignored.tolist() for moment in recording.moments()] == [[True, True]]
    assert "All 2 true boxes have the score 0" in recording.problems[0]
