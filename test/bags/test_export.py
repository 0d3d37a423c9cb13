import errno
import functools
import json
import math
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.types import CameraInfo, Frame, freeze

pytest.importorskip("rosbags")

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tardal_ros.bags import messages
from tardal_ros.bags.export import DETECTIONS, START, export
from tardal_ros.bags.recording import BagRecording
from tardal_ros.bags.reel import Label, Reel, Shot, limited, registered_reel, rendered_reel, retimed
from tardal_ros.capture import Cadence, Player, StreamInfo
from tardal_ros.datasets.rendered import Example
from tardal_ros.ros.images import decode
from tardal_ros.simulation import Instance, Truth, default_rig
from tardal_ros.types import Pair, View

VISIBLE, INFRARED = "visible/left", "infrared/left"
NAMES = ("person", "car")
MS = 1_000_000
INFO = CameraInfo(6, 4, np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]]), p=np.eye(3, 4))
OBJECTS = Objects(
    np.array([[1.0, 0.5, 4.0, 3.5], [0.0, 0.0, 1.0, 2.0]]), np.array([1, 0]), np.array([False, True]), NAMES
)


def shot_at(stream, index, rate=10.0, objects=OBJECTS, scene="street"):
    """Its pixels tell which one it is."""
    shape, dtype = ((4, 6, 3), np.uint8) if stream == VISIBLE else ((4, 6), np.uint16)
    frame = Frame(freeze(np.full(shape, index % 256, dtype)), round(index * 1e9 / rate), f"{stream[:3]}_frame", INFO)
    return Shot(stream, frame, Label(scene, "night", objects))


def reel_of(count=3, rate=10.0, holes=(), scene="street", **clock):
    """Two cameras that are triggered together; the clock is that of infrared."""
    streams = (
        StreamInfo(VISIBLE, "vis_frame", 6, 4, rate, INFO),
        StreamInfo(INFRARED, "inf_frame", 6, 4, rate, INFO, **clock),
    )
    shots = (
        shot_at(stream, index, rate, scene=scene)
        for index in range(count)
        if index not in holes
        for stream in (VISIBLE, INFRARED)
    )
    return Reel(streams, shots, count / rate, NAMES)


@functools.cache
def interfaces():
    """One for all tests: code that reads an interface takes time to make."""
    store = get_typestore(Stores.LATEST)
    for name, text in messages._VISION_MSGS.items():
        store.register(get_types_from_msg(text, name))
    return store


def read_bag(folder):
    """Topic, time of receipt and message, in the order of the file."""
    with Reader(folder) as reader:
        return [
            (c.topic, time - START, interfaces().deserialize_cdr(data, c.msgtype))
            for c, time, data in reader.messages()
        ]


def stamp_of(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec - START


def test_a_bag_holds_what_the_live_rig_would_publish(tmp_path):
    counts = export(reel_of(), tmp_path / "drive")

    read = read_bag(tmp_path / "drive")
    assert {topic: sum(each == topic for each, *_ in read) for topic, *_ in read} == counts
    assert counts == {
        "/visible/left/image_raw": 3,
        "/visible/left/camera_info": 3,
        "/infrared/left/image_raw": 3,
        "/infrared/left/camera_info": 3,
        "/truth/detections": 3,
        "/truth/label_info": 1,
        "/truth/scene": 1,
    }
    by_topic = {topic: message for topic, _, message in reversed(read)}
    infrared = by_topic["/infrared/left/image_raw"]
    assert (infrared.encoding, infrared.step, infrared.header.frame_id) == ("mono16", 12, "inf_frame")
    assert decode(by_topic["/visible/left/image_raw"]).shape == (4, 6, 3)
    assert by_topic["/infrared/left/camera_info"].k.reshape(3, 3).tolist() == INFO.k.tolist()
    first, second = by_topic["/truth/detections"].detections
    assert first.results[0].hypothesis.class_id == "car" and first.results[0].hypothesis.score == 1.0
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (2.5, 2.0)
    assert (first.bbox.size_x, first.bbox.size_y) == (3.0, 3.0)
    assert second.results[0].hypothesis.score == messages.IGNORED
    assert [(each.class_id, each.class_name) for each in by_topic["/truth/label_info"].class_map] == [
        (0, "person"),
        (1, "car"),
    ]
    told = json.loads(by_topic["/truth/scene"].data)
    assert told == {"scene": "street", "condition": "night", "stamp": START}


def test_messages_are_received_as_late_as_live_and_stamped_by_the_cameras_clocks(tmp_path):
    export(reel_of(latency=0.15, offset=0.02, drift=1e-3), tmp_path / "drive")

    images = [(topic, time, stamp_of(message)) for topic, time, message in read_bag(tmp_path / "drive")
              if topic.endswith("image_raw")]  # fmt: skip
    assert [time for _, time, _ in images] == [0, 100 * MS, 150 * MS, 200 * MS, 250 * MS, 350 * MS]
    visible = [(time, stamp) for topic, time, stamp in images if topic.startswith("/visible")]
    assert visible == [(0, 0), (100 * MS, 100 * MS), (200 * MS, 200 * MS)]
    infrared = [stamp for topic, _, stamp in images if topic.startswith("/infrared")]
    assert infrared == [20 * MS, 120 * MS + MS // 10, 220 * MS + MS // 5]


class ReelSource:
    """A sequence as a source for the live player."""

    problems = ()

    def __init__(self, reel):
        self.streams, self.read = reel.streams, lambda: next(items, None)
        items = ((shot.stream, shot.frame) for shot in reel.shots)

    def open(self):
        pass

    def close(self):
        pass


def test_the_live_player_emits_the_same_in_the_same_order(tmp_path):
    clock = {"latency": 0.17, "offset": 0.02, "drift": 1e-3}
    timing = {VISIBLE: Cadence(20.0, latency=0.01), INFRARED: Cadence(30.0, 0.004, 0.01, **clock)}
    live, ended = [], threading.Event()
    player = Player(
        ReelSource(retimed(reel_of(6, 20.0), timing)),
        lambda stream, frame: live.append((stream, frame.stamp)),
        lambda event, _: event in ("ended", "failed") and ended.set(),
        late_after=math.inf,
    )
    player.start()
    assert ended.wait(20.0) and player.stop()

    export(retimed(reel_of(6, 20.0), timing), tmp_path / "drive")
    bag = [
        (topic.strip("/").removesuffix("/image_raw"), stamp_of(message))
        for topic, _, message in read_bag(tmp_path / "drive")
        if topic.endswith("image_raw")
    ]
    start = live[0][1] - bag[0][1]
    assert [(stream, stamp - start) for stream, stamp in live] == bag and len(bag) > 12


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_both_storages_hold_the_same(tmp_path, storage):
    export(reel_of(latency=0.03), tmp_path / "drive", storage)

    with AnyReader([tmp_path / "drive"]) as reader:
        read = [(time, c.topic, reader.deserialize(data, c.msgtype)) for c, time, data in reader.messages()]
    assert len(read) == 17
    assert [time for time, *_ in read] == sorted(time for time, *_ in read)
    assert {message.detections[0].results[0].hypothesis.class_id for _, t, message in read if t == DETECTIONS} == {
        "car"
    }
    assert {path.suffix for path in (tmp_path / "drive").iterdir()} == {
        ".yaml",
        ".mcap" if storage == "mcap" else ".db3",
    }


def test_the_standard_mcap_reader_opens_it(tmp_path):
    make_reader = pytest.importorskip("mcap.reader").make_reader
    export(reel_of(latency=0.03), tmp_path / "drive")

    with (tmp_path / "drive" / "drive.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        read = [(schema, channel.topic, message) for schema, channel, message in reader.iter_messages()]

    assert summary.statistics.message_count == len(read) == 17
    assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}
    assert [message.log_time for *_, message in read] == sorted(message.log_time for *_, message in read)
    schemas = {topic: schema for schema, topic, _ in read}
    assert schemas["/truth/detections"].name == "vision_msgs/msg/Detection2DArray"
    assert b"MSG: vision_msgs/BoundingBox2D" in schemas["/truth/detections"].data


@pytest.mark.parametrize("kind", ["raw", "png"])
def test_rclpy_reads_the_messages(kind):
    serialization = pytest.importorskip("rclpy.serialization", reason="needs ROS 2: `make test` sets it up")
    import sensor_msgs.msg
    import vision_msgs.msg

    maker, frame = messages.Messages(), shot_at(VISIBLE, 7).frame

    def through_rclpy(message):
        type_name, data = message
        package = vision_msgs.msg if type_name.startswith("vision") else sensor_msgs.msg
        return serialization.deserialize_message(data, getattr(package, type_name.rpartition("/")[2]))

    image = through_rclpy(maker.image(frame, kind))
    assert np.array_equal(decode(image), frame.image)
    assert (image.header.frame_id, image.header.stamp.nanosec) == ("vis_frame", 700 * MS)
    info = through_rclpy(maker.camera_info(frame, INFO))
    assert info.k.tolist() == INFO.k.ravel().tolist() and info.distortion_model == "plumb_bob" and info.width == 6
    first, second = through_rclpy(maker.objects(frame, OBJECTS)).detections
    assert [each.results[0].hypothesis.class_id for each in (first, second)] == ["car", "person"]
    assert (first.bbox.center.position.y, first.bbox.size_x) == (2.0, 3.0)
    assert through_rclpy(maker.label_info(frame, NAMES)).class_map[1].class_name == "car"


def test_our_words_of_vision_msgs_are_those_of_the_installed_ones():
    pytest.importorskip("ament_index_python", reason="needs ROS 2: `make test` sets it up")
    ours, installed = (get_typestore(Stores.LATEST) for _ in range(2))
    for name, text in messages._VISION_MSGS.items():
        ours.register(get_types_from_msg(text, name))
        installed.register(get_types_from_msg(messages.message_definition(name), name))
    for name in messages._VISION_MSGS:
        assert ours.hash_rihs01(name) == installed.hash_rihs01(name), name


def test_without_ros_the_definitions_are_ours(monkeypatch):
    monkeypatch.setitem(sys.modules, "ament_index_python.packages", None)
    assert messages.definition("vision_msgs/msg/Point2D") == "float64 x\nfloat64 y\n"
    with pytest.raises(RigError, match="rig_msgs/msg/Status is not known here"):
        messages.definition("rig_msgs/msg/Status")


@pytest.mark.parametrize("kind", messages.IMAGES)
@pytest.mark.parametrize("stream", [VISIBLE, INFRARED])
def test_images_are_stored_as_asked(tmp_path, kind, stream):
    shot = shot_at(stream, 100)
    export(Reel(reel_of().streams, iter([shot]), 0.1), tmp_path / "drive", images=kind)

    [(topic, _, message)] = [each for each in read_bag(tmp_path / "drive") if "image_raw" in each[0]]
    assert topic == f"/{stream}/image_raw" + ("" if kind == "raw" else "/compressed")
    image = decode(message)
    assert image.dtype == shot.frame.image.dtype and image.shape == shot.frame.image.shape
    assert np.abs(image.astype(int) - shot.frame.image).max() <= (3 if kind == "jpeg" else 0)


def test_an_image_that_no_message_can_hold_is_refused():
    with pytest.raises(RigError, match="float64 cannot be written to a bag"):
        messages.Messages().image(Frame(np.zeros((4, 6)), 0))


def test_a_new_scene_is_told_with_the_stamp_from_which_on_it_is(tmp_path):
    shots = [shot_at(VISIBLE, index, scene=scene) for index, scene in enumerate("aabb")]
    export(Reel(reel_of().streams[:1], iter(shots), 0.4, NAMES), tmp_path / "drive")

    told = [json.loads(message.data) for topic, _, message in read_bag(tmp_path / "drive") if topic == "/truth/scene"]
    assert [(each["scene"], each["stamp"] - START) for each in told] == [("a", 0), ("b", 200 * MS)]


def test_what_is_not_known_is_not_told(tmp_path):
    shots = [shot_at(VISIBLE, 0, objects=None)]
    assert "/truth/detections" not in export(Reel(reel_of().streams, iter(shots), 0.1), tmp_path / "drive")


@given(
    rate=st.sampled_from([1.0, 7.0, 10.0, 29.97]),
    jitter=st.floats(0.0, 0.49),
    phase=st.floats(0.0, 0.5),
    hole=st.integers(0, 19),
)
@settings(deadline=None, max_examples=40)
def test_a_camera_of_the_same_rate_takes_each_image_once_and_leaves_holes(rate, jitter, phase, hole):
    timing = Cadence(rate, phase, jitter / rate)
    reel = retimed(reel_of(20, rate, {hole}), {VISIBLE: Cadence(rate), INFRARED: timing})

    shots = list(reel.shots)
    for stream, cadence in ((VISIBLE, Cadence(rate)), (INFRARED, timing)):
        own = [shot.frame for shot in shots if shot.stream == stream]
        assert [int(frame.image.flat[0]) for frame in own] == [index for index in range(20) if index != hole]
        for frame in own:
            due = cadence.phase + int(frame.image.flat[0]) / rate
            assert abs(frame.stamp / 1e9 - due) <= cadence.jitter + 1e-6
    stamps = [shot.frame.stamp for shot in shots]
    assert stamps == sorted(stamps)


def test_a_slow_camera_leaves_images_out_and_a_fast_one_takes_some_twice():
    reel = retimed(reel_of(6), {VISIBLE: Cadence(5.0), INFRARED: Cadence(20.0, latency=0.2)})

    assert [(stream.rate, stream.latency) for stream in reel.streams] == [(5.0, 0.0), (20.0, 0.2)]
    shots = list(reel.shots)
    seen = {stream: [int(s.frame.image.flat[0]) for s in shots if s.stream == stream] for stream in (VISIBLE, INFRARED)}
    assert seen[VISIBLE] == [0, 2, 4]
    assert seen[INFRARED] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5]


def test_limited_ends_early_and_refuses_no_time():
    reel = limited(reel_of(20), 0.5)
    assert (reel.seconds, reel.images) == (0.5, 10)
    assert [shot.frame.stamp for shot in reel.shots][-1] == 400 * MS
    for duration in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(RigError, match="duration must be positive"):
            limited(reel_of(), duration)


def test_memory_does_not_grow_with_the_length(tmp_path):
    alive, most = weakref.WeakSet(), 0

    def watched(shots):
        nonlocal most
        for shot in shots:
            alive.add(shot)
            most = max(most, len(alive))
            yield shot

    reel = reel_of(600, latency=0.3)
    timing = {VISIBLE: Cadence(10.0), INFRARED: Cadence(10.0, 0.05, latency=0.3)}
    export(retimed(Reel(reel.streams, watched(reel.shots), 60.0), timing), tmp_path / "drive")
    assert most < 30


def test_an_interrupted_run_leaves_the_earlier_bag_and_nothing_else(tmp_path):
    def interrupted():
        yield shot_at(VISIBLE, 0)
        raise KeyboardInterrupt

    out = tmp_path / "drive"
    for before in (0, 3):
        if before:
            export(reel_of(before), out)
        with pytest.raises(KeyboardInterrupt):
            export(Reel(reel_of().streams, interrupted(), 1.0), out)
        assert [path.name for path in tmp_path.iterdir()] == (["drive"] if before else [])
    assert len(read_bag(out)) == 17


def test_an_earlier_bag_is_replaced_whatever_its_storage(tmp_path):
    export(reel_of(3), tmp_path / "drive", "sqlite3")
    export(reel_of(1), tmp_path / "drive")
    assert sorted(path.name for path in (tmp_path / "drive").iterdir()) == ["drive.mcap", "metadata.yaml"]
    assert len(read_bag(tmp_path / "drive")) == 7


@pytest.mark.parametrize("strange", ["notes.txt", "metadata.yaml other_0.mcap", "drive.mcap"])
def test_a_folder_that_is_no_bag_of_ours_is_left_alone(tmp_path, strange):
    (tmp_path / "drive").mkdir()
    for name in strange.split():
        (tmp_path / "drive" / name).write_text("mine")
    with pytest.raises(RigError, match=r"drive is no bag that could be replaced, .*choose another folder"):
        export(reel_of(), tmp_path / "drive")
    assert sorted(path.name for path in (tmp_path / "drive").iterdir()) == sorted(strange.split())


def test_a_bag_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(RigError, match=r"file cannot become a bag: Not a directory"):
        export(reel_of(), tmp_path / "file")
    with pytest.raises(RigError, match=r"drive cannot be written: File exists"):
        export(reel_of(), tmp_path / "file" / "drive")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(RigError, match=r"drive cannot be written: No space left"):
        export(reel_of(), tmp_path / "drive")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_sequence_without_images_makes_no_bag(tmp_path):
    with pytest.raises(RigError, match=r"no image to write to the bag .*drive: the first one is broken"):
        export(Reel(reel_of().streams, iter(()), 1.0, problems=["the first one is broken."]), tmp_path / "drive")
    assert not list(tmp_path.iterdir())


def test_unknown_storages_and_images_are_refused(tmp_path):
    for wrong in ({"storage": "tar"}, {"images": "webp"}):
        with pytest.raises(RigError, match="choose of mcap, sqlite3 and raw, jpeg, png"):
            export(reel_of(), tmp_path / "drive", **wrong)


class PlainScene:
    """Stands for a scene, which takes seconds to build; an object is where the time says."""

    hazard = "smoke"

    def __init__(self, *of, rig, **more):
        self.of, self.rig = (*of, *more.values()), rig

    def view(self, stream, t):
        info = self.rig.cameras[stream].info
        shape, dtype = ((3,), np.uint8) if stream.startswith("visible") else ((), np.uint16)
        return freeze(np.zeros((info.height, info.width, *shape), dtype))

    def truth(self, stream, t):
        assert (self.of, stream) == ((2, "challenge", "test", "uav"), VISIBLE)
        box = np.array([100.0 * t, 0.0, 100.0 * t + 12.0, 12.0])
        thing = Instance(1, 0, box, 1.0, False, np.zeros((8, 3)), np.ones(3))
        info = self.rig.cameras[stream].info
        depth = np.full((info.height, info.width), t, np.float32)
        depth[0] = np.inf
        labels, targets = (np.zeros((1, 1), dtype) for dtype in (np.uint16, np.uint8))
        return Truth(stream, round(t * 1e9), info, np.eye(4), (thing,), labels, depth, targets)


def test_rendered_cameras_come_with_the_truth_of_visible_at_its_times(tmp_path, monkeypatch):
    for room in ("capture.rendered", "bags.reel"):
        monkeypatch.setattr(f"tardal_ros.{room}.Scene", PlainScene)
    visible, infrared = Cadence(4.0, jitter=0.05), Cadence(4.0, 0.004, latency=0.03)
    timing = {name: visible if name.startswith("visible") else infrared for name in default_rig().cameras}
    reel = rendered_reel(timing, 2, "challenge", view="uav", rig=default_rig().scaled(0.1))
    counts = export(limited(reel, 0.4), tmp_path / "scene")

    assert counts == {
        **{f"/{name}/{part}": 2 for name in default_rig().cameras for part in ("image_raw", "camera_info")},
        "/truth/depth": 2,
        "/truth/detections": 2,
        "/truth/label_info": 1,
        "/truth/scene": 1,
    }
    read = read_bag(tmp_path / "scene")
    [scene] = [json.loads(message.data) for topic, _, message in read if topic == "/truth/scene"]
    assert (scene["scene"], scene["condition"]) == ("test_challenge_2", "smoke")
    found = [message for topic, _, message in read if topic == "/truth/detections"]
    stamps = [stamp_of(message) for topic, _, message in read if topic == "/visible/left/image_raw"]
    assert [stamp_of(message) for message in found] == stamps and stamps[0] != 0
    places = [message.detections[0].bbox.center.position.x for message in found]
    assert places == pytest.approx([100.0 * stamp / 1e9 + 6.0 for stamp in stamps])
    late = [time - stamp_of(message) for topic, time, message in read if topic == "/infrared/right/image_raw"]
    assert late == [30 * MS, 30 * MS]
    depths = [message for topic, _, message in read if topic == "/truth/depth"]
    assert [stamp_of(message) for message in depths] == stamps
    assert {(message.encoding, message.header.frame_id) for message in depths} == {
        ("32FC1", default_rig().cameras[VISIBLE].frame_id)
    }
    moments = list(BagRecording(tmp_path / "scene").moments())
    assert len(moments) > 0
    for moment in moments:
        assert moment.depth.dtype == np.float32 and moment.depth.shape == moment.pair.visible.left.image.shape[:2]
        assert np.isinf(moment.depth[0]).all()
        np.testing.assert_allclose(moment.depth[1:], (moment.stamp - START) / 1e9, atol=1e-6)


def test_registered_scenes_share_the_visible_frame(monkeypatch):
    def examples(seed, condition, split, times):
        for time in times:
            left = View(Frame(np.zeros((4, 6), np.uint8), round(time * 1e9), "vis_frame", INFO))
            yield Example("a_0", f"scene_{seed}", condition, Pair(left, left), OBJECTS)

    monkeypatch.setattr("tardal_ros.bags.reel.rendered_examples", examples)
    shots = list(limited(registered_reel(5.0, seed=3, condition="night"), 0.6).shots)
    assert [(shot.stream, shot.frame.stamp) for shot in shots] == [
        (stream, stamp * MS) for stamp in (0, 200, 400) for stream in (VISIBLE, INFRARED)
    ]
    assert {(shot.label.scene, shot.label.condition, shot.frame.frame_id) for shot in shots} == {
        ("scene_3", "night", "vis_frame")
    }


def test_objects_keep_their_identity(tmp_path):
    orders = ([7, 3], [3, 7], [3, 9])
    told = [replace(OBJECTS, object_ids=np.array(order)) for order in orders]
    shots = (shot_at(stream, index, objects=told[index]) for index in range(3) for stream in (VISIBLE, INFRARED))
    export(Reel(reel_of().streams, shots, 0.3, NAMES), tmp_path / "drive")

    read = [moment.objects.object_ids.tolist() for moment in BagRecording(tmp_path / "drive").moments()]

    seven, three = read[0]
    assert read[1] == [three, seven] and read[2][0] == three and read[2][1] not in (three, seven)
