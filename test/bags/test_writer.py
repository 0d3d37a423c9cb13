import sys
import threading

import numpy as np
import pytest
import yaml

from tardal_ros.bags.writer import BagWriter
from tardal_ros.errors import MissingDependencyError, RigError

pytest.importorskip("rosbags")

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

DEFINITIONS = {
    "rig_msgs/msg/Status": "std_msgs/Header header\nDrop[] drops\nfloat64 skew\n",
    "rig_msgs/msg/Drop": "string reason\nuint32 count\n",
}


@pytest.fixture(scope="module")
def store():
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store


def make_header(store, stamp):
    time = store.types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    return store.types["std_msgs/msg/Header"](time, "eye_optical")


def image_data(store, stamp, pixels):
    height, width = pixels.shape
    header = make_header(store, stamp)
    image = store.types["sensor_msgs/msg/Image"](header, height, width, "mono8", 0, width, pixels.ravel())
    return bytes(store.serialize_cdr(image, "sensor_msgs/msg/Image"))


def status_data(store, stamp):
    drop = store.types["rig_msgs/msg/Drop"]("late", 3)
    status = store.types["rig_msgs/msg/Status"](make_header(store, stamp), [drop], 0.004)
    return bytes(store.serialize_cdr(status, "rig_msgs/msg/Status"))


def record(path, store, count=5, storage="mcap"):
    with BagWriter(path, DEFINITIONS.__getitem__, storage) as bag:
        for stamp in range(10**9, 10**9 + count):
            bag.write("/fusion/image", "sensor_msgs/msg/Image", stamp, image_data(store, stamp, np.eye(8, dtype="u1")))
            bag.write("/registration/status", "rig_msgs/msg/Status", stamp, status_data(store, stamp), latched=True)
    return path


def test_the_folder_is_a_rosbag2_bag(tmp_path, store):
    path = record(tmp_path / "demo" / "rig.mcap", store)

    with Reader(path.parent) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == {"/fusion/image": 5, "/registration/status": 5}
    assert sorted(file.name for file in path.parent.iterdir()) == ["metadata.yaml", "rig.mcap"]
    metadata = yaml.safe_load((path.parent / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert metadata["relative_file_paths"] == ["rig.mcap"] and metadata["message_count"] == 10


@pytest.mark.parametrize("what", ["folder", "file"])
def test_messages_of_own_interfaces_describe_themselves(tmp_path, store, what):
    path = record(tmp_path / "rig.mcap", store)

    with AnyReader([path if what == "file" else tmp_path]) as reader:
        connections = [c for c in reader.connections if c.topic == "/registration/status"]
        read = [(stamp, reader.deserialize(data, c.msgtype)) for c, stamp, data in reader.messages(connections)]

    assert [stamp for stamp, _ in read] == list(range(10**9, 10**9 + 5))
    assert read[0][1].drops[0].reason == "late" and read[0][1].skew == 0.004
    (qos,) = connections[0].ext.offered_qos_profiles
    assert qos.durability.name == "TRANSIENT_LOCAL"


def test_the_bare_file_is_valid_mcap(tmp_path, store):
    make_reader = pytest.importorskip("mcap.reader").make_reader
    path = record(tmp_path / "rig.mcap", store)

    with path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        read = [(schema.name, message.log_time) for schema, _, message in reader.iter_messages()]

    assert summary.statistics.message_count == len(read) == 10
    assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}
    assert {name for name, _ in read} == {"sensor_msgs/msg/Image", "rig_msgs/msg/Status"}


def test_a_bag_in_sqlite3_holds_messages_definitions_and_qos(tmp_path, store):
    path = record(tmp_path / "rig.db3", store, storage="sqlite3")

    with AnyReader([tmp_path]) as reader:
        read = [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages() if "status" in c.topic]
        qos = {c.topic: [profile.durability.name for profile in c.ext.offered_qos_profiles] for c in reader.connections}
    assert [message.drops[0].count for message in read] == [3] * 5
    assert qos == {"/fusion/image": [], "/registration/status": ["TRANSIENT_LOCAL"]}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["metadata.yaml", path.name]


@pytest.mark.parametrize(("name", "storage"), [("rig.mcap", "sqlite3"), ("rig.db3", "mcap"), ("rig.bag", "ros1")])
def test_storage_and_suffix_must_agree(tmp_path, name, storage):
    with pytest.raises(RigError, match=rf"storage '{storage}': the storages are mcap \(\.mcap\), sqlite3 \(\.db3\)"):
        BagWriter(tmp_path / name, storage=storage)
    assert list(tmp_path.iterdir()) == []


def test_an_exception_keeps_what_was_written(tmp_path, store):
    with pytest.raises(ZeroDivisionError), BagWriter(tmp_path / "rig.mcap") as bag:
        bag.write("/image", "sensor_msgs/msg/Image", 7, image_data(store, 7, np.eye(4, dtype="u1")))
        raise ZeroDivisionError

    with Reader(tmp_path) as reader:
        assert reader.message_count == 1


def test_nothing_bears_the_final_name_before_the_bag_is_closed(tmp_path, store):
    record(tmp_path / "rig.mcap", store)
    before = (tmp_path / "rig.mcap").read_bytes()
    bag = BagWriter(tmp_path / "rig.mcap")
    bag.write("/image", "sensor_msgs/msg/Image", 7, image_data(store, 7, np.eye(4, dtype="u1")))

    assert (tmp_path / "rig.mcap").read_bytes() == before
    bag.close()
    bag.close()
    with Reader(tmp_path) as reader:
        assert reader.message_count == 1
    with pytest.raises(RigError, match="is closed"):
        bag.write("/image", "sensor_msgs/msg/Image", 8, b"")


def test_a_bag_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    from rosbags.rosbag2 import Writer

    def fail(self):
        raise OSError(28, "No space left on device")

    bag = BagWriter(tmp_path / "rig.mcap")
    monkeypatch.setattr(Writer, "close", fail)

    with pytest.raises(RigError, match=r"rig\.mcap cannot be written: No space left"):
        bag.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_bag_can_be_read(tmp_path):
    BagWriter(tmp_path / "rig.mcap").close()

    with Reader(tmp_path) as reader:
        assert reader.message_count == 0


def test_an_interface_without_definition_is_refused_by_name(tmp_path):
    with BagWriter(tmp_path / "rig.mcap") as bag, pytest.raises(RigError, match="rig_msgs/msg/Status"):
        bag.write("/status", "rig_msgs/msg/Status", 1, b"")


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(RigError, match=r"rig\.mcap cannot be written"):
        BagWriter(tmp_path / "file" / "rig.mcap")


def test_threads_may_write_at_once(tmp_path, store):
    data = image_data(store, 7, np.zeros((100, 100), "u1"))
    with BagWriter(tmp_path / "rig.mcap") as bag:

        def fill(topic):
            for stamp in range(1, 201):
                bag.write(topic, "sensor_msgs/msg/Image", stamp, data)

        threads = [threading.Thread(target=fill, args=(f"/camera{index}",)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with Reader(tmp_path) as reader:
        assert {c.msgcount for c in reader.connections} == {200}
        assert all(bytes(raw) == data for _, _, raw in reader.messages())


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rosbags.rosbag2", None)

    with pytest.raises(MissingDependencyError, match="run `pip install rosbags`"):
        BagWriter(tmp_path / "rig.mcap")
