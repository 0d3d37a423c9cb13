import shutil
import sqlite3
import struct
import sys

import numpy as np
import pytest
import yaml

from tardal_ros.bags.reader import BagReader
from tardal_ros.bags.storage import is_latched
from tardal_ros.bags.writer import BagWriter
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.ros.images import decode

pytest.importorskip("rosbags")
pytest.importorskip("mcap")

IMAGE = "/visible/left/image_raw"


def images_of(reader, topics=(IMAGE,)):
    return [int(decode(message)[0, 0, 0]) for _, _, message in reader.messages(topics)]


@pytest.mark.parametrize(
    ("storage", "mode"),
    [
        *(("mcap", mode) for mode in ("NONE", "STORAGE", "MESSAGE", "FILE")),
        *(("sqlite3", mode) for mode in ("NONE", "MESSAGE", "FILE")),
    ],
)
@pytest.mark.parametrize("what", ["folder", "file"])
def test_every_storage_and_compression_reads_the_same(tmp_path, maker, storage, mode, what):
    items = list(maker.rig(5))
    bag = maker.write(tmp_path / "bag", items, storage, mode)

    reader = BagReader(getattr(bag, what))
    read = list(reader.serialised())

    assert read == [(topic, received, bytes(data)) for topic, received, _, data in items]
    assert reader.problems == []
    assert (reader.topics[IMAGE].type, reader.topics[IMAGE].count) == ("sensor_msgs/msg/Image", 5)
    assert reader.duration == pytest.approx(0.4)
    assert reader.span == (items[0][1], items[-1][1])
    assert images_of(reader) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_images_are_decoded(tmp_path, maker, kind):
    bag = maker.write(tmp_path / "bag", maker.rig(2, kind=kind))

    shapes = [decode(m).shape for _, _, m in BagReader(bag.folder).messages([f"{IMAGE}/compressed"])]

    assert shapes == [(6, 8, 3)] * 2


def test_images_are_views_on_what_was_read(tmp_path, maker):
    bag = maker.write(tmp_path / "bag", maker.rig(1))
    message = next(iter(BagReader(bag.folder).messages([IMAGE])))[2]

    assert np.shares_memory(decode(message), message.data)
    assert message.data.base is not None


def test_messages_come_in_the_order_of_their_receipt(tmp_path, maker):
    items = list(maker.rig(6, truth=False))
    for storage in ("mcap", "sqlite3"):
        bag = maker.write(tmp_path / storage, reversed(items), storage)
        stamps = [received for _, received, _ in BagReader(bag.folder).serialised()]
        assert stamps == sorted(stamps) and len(stamps) == len(items)


def test_parts_follow_each_other_and_one_that_is_lost_is_named(tmp_path, maker):
    items = list(maker.rig(6, truth=False))
    folder = tmp_path / "bag"
    folder.mkdir()
    for part, chosen in enumerate((items[:12], items[12:])):
        bag = maker.write(tmp_path / f"part_{part}", chosen)
        bag.file.rename(folder / f"bag_{part}.mcap")
    names = ["bag_0.mcap", "bag/bag_1.mcap", "bag_2.mcap"]
    (folder / "metadata.yaml").write_text(
        yaml.safe_dump({"rosbag2_bagfile_information": {"version": 4, "relative_file_paths": names}})
    )

    reader = BagReader(folder)

    assert images_of(reader) == list(range(6))
    (problem,) = reader.problems
    assert "lacks 1 of its 3 files, such as bag_2.mcap" in problem


@pytest.mark.parametrize("text", [None, "rosbag2_bagfile_information: [", "nothing: here"])
def test_without_metadata_the_parts_are_read_by_their_numbers(tmp_path, maker, text):
    items = list(maker.rig(3, truth=False))
    folder = tmp_path / "bag"
    folder.mkdir()
    for index, name in ((0, "b_2.mcap"), (1, "b_9.mcap"), (2, "b_10.mcap")):
        maker.write(tmp_path / f"part_{index}", items[4 * index : 4 * index + 4]).file.rename(folder / name)
    if text:
        (folder / "metadata.yaml").write_text(text)

    reader = BagReader(folder)

    assert images_of(reader) == [0, 1, 2]
    assert "metadata.yaml is " in reader.problems[0] and "order of their names" in reader.problems[0]


@pytest.mark.parametrize("mode", ["NONE", "STORAGE"])
def test_a_truncated_mcap_is_read_as_far_as_it_goes(tmp_path, maker, mode):
    data = np.random.default_rng(0).integers(0, 256, (600, 700, 3), np.uint8)
    frame = maker.frame("visible/left", 0)
    kind, message = maker.messages.image(type(frame)(data, frame.stamp))
    bag = maker.write(tmp_path / "bag", [(IMAGE, 10**9 + i, kind, message) for i in range(6)], mode=mode)
    whole = bag.file.read_bytes()
    bag.file.write_bytes(whole[: int(len(whole) * 0.6)])

    reader = BagReader(bag.folder)
    read = list(reader.serialised())

    assert 2 <= len(read) < 6 and all(data == bytes(message) for _, _, data in read)
    assert reader.topics[IMAGE].count == len(read)
    (problem,) = reader.problems
    assert f"cut off or damaged (it ends within a record): {len(read)} messages of 0.0 s can be read" in problem


def test_an_mcap_without_index_is_read_in_the_order_of_the_file(tmp_path, maker):
    from mcap.writer import IndexType, Writer

    path = tmp_path / "plain.mcap"
    items = list(maker.rig(4, truth=False))
    indexed = maker.write(tmp_path / "bag", items)
    topics = BagReader(indexed.folder).topics
    with path.open("wb") as file:
        writer = Writer(file, index_types=IndexType.NONE, use_statistics=False, use_summary_offsets=False)
        writer.start("ros2", "test")
        channels = {}
        for topic, received, kind, data in items:
            if topic not in channels:
                schema = writer.register_schema(kind, "ros2msg", topics[topic].definition.encode())
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], received, data, received)
        writer.finish()

    reader = BagReader(path)

    assert images_of(reader) == [0, 1, 2, 3]
    (problem,) = reader.problems
    assert "for it has no index: 16 messages of 0.3 s can be read" in problem


def test_a_chunk_damaged_in_the_middle_is_named(tmp_path, maker):
    data = np.random.default_rng(0).integers(0, 256, (600, 700, 3), np.uint8)
    frame = maker.frame("visible/left", 0)
    kind, message = maker.messages.image(type(frame)(data, frame.stamp))
    bag = maker.write(tmp_path / "bag", [(IMAGE, 10**9 + i, kind, message) for i in range(6)], mode="STORAGE")
    whole = bytearray(bag.file.read_bytes())
    half = len(whole) // 2
    magic = whole.index(b"\x28\xb5\x2f\xfd", half)
    whole[magic : magic + 4] = b"\0\0\0\0"
    bag.file.write_bytes(whole)

    reader = BagReader(bag.folder)
    read = len(list(reader.serialised()))

    assert 2 <= read < 6
    assert f"is damaged: {read} of 6 messages could be read" in reader.problems[0]


def test_a_truncated_sqlite3_is_read_as_far_as_it_goes(tmp_path, maker):
    kind, message = maker.messages.image(maker.frame("visible/left", 0))
    big = bytes(message) + bytes(20_000)
    bag = maker.write(tmp_path / "bag", [(IMAGE, 10**9 + i, kind, big) for i in range(50)], "sqlite3")
    whole = bag.file.read_bytes()
    bag.file.write_bytes(whole[: len(whole) * 3 // 5])

    reader = BagReader(bag.folder)
    read = list(reader.serialised())

    assert 10 < len(read) < 50 and all(data == big for _, _, data in read)
    (problem,) = reader.problems
    assert "is cut off" in problem and f"{len(read)} messages of 0.0 s can be read" in problem


def test_a_sqlite3_damaged_in_the_middle_is_named(tmp_path, maker):
    kind, message = maker.messages.image(maker.frame("visible/left", 0))
    bag = maker.write(tmp_path / "bag", [(IMAGE, 10**9 + i, kind, bytes(message)) for i in range(500)], "sqlite3")
    whole = bytearray(bag.file.read_bytes())
    for start in range(len(whole) // 2, len(whole) // 2 + 8 * 4096, 4096):
        whole[start // 4096 * 4096 : start // 4096 * 4096 + 64] = b"\xff" * 64
    bag.file.write_bytes(whole)

    read = len(list(BagReader(bag.folder).serialised()))

    assert 0 < read < 500
    (problem,) = BagReader(bag.folder).problems
    assert f"damaged (database disk image is malformed): {read} messages of 0.0 s can be read" in problem


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_truncated_file_that_is_compressed_as_a_whole_is_read_as_far_as_it_goes(tmp_path, maker, storage):
    random, frame = np.random.default_rng(0), maker.frame("visible/left", 0)
    images = [type(frame)(random.integers(0, 256, (600, 700, 3), np.uint8), 5) for _ in range(6)]
    messages = [maker.messages.image(image) for image in images]
    rows = [(IMAGE, 10**9 + index, *message) for index, message in enumerate(messages)]
    bag = maker.write(tmp_path / "bag", rows, storage, "FILE")
    whole = bag.file.read_bytes()
    bag.file.write_bytes(whole[: int(len(whole) * 0.6)])

    reader = BagReader(bag.folder)
    read = [data for _, _, data in reader.serialised()]

    assert 2 <= len(read) < 6 and read == [data for _, data in messages[: len(read)]]
    (problem,) = reader.problems
    assert f"{bag.file} is" in problem and f"{len(read)} messages of 0.0 s" in problem


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mcap", b"no such thing at all"),
        ("a.mcap", b""),
        ("a.db3", b""),
        ("a.db3", b"SQLite format 3\0" + bytes(200)),
        ("a.mcap.zstd", b"no such thing"),
        ("a.txt", b""),
    ],
)
def test_what_is_no_bag_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(RigError, match=r"a\.(mcap|db3|txt)"):
        BagReader(tmp_path / name)


def test_a_folder_without_a_bag_is_named(tmp_path):
    with pytest.raises(RigError, match="holds no bag"):
        BagReader(tmp_path)
    with pytest.raises(RigError, match="There is no bag"):
        BagReader(tmp_path / "nowhere")


def test_a_database_without_topics_is_no_bag(tmp_path):
    base = sqlite3.connect(tmp_path / "a.db3")
    base.execute("CREATE TABLE other(id)")
    base.commit()
    base.close()

    with pytest.raises(RigError, match="has no table of topics"):
        BagReader(tmp_path / "a.db3")


def humble(path, rows, journal="delete"):
    """A file as Humble writes it: it carries no definitions."""
    base = sqlite3.connect(path)
    base.executescript(
        "CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);"
        "CREATE TABLE metadata(id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);"
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
        " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,"
        " data BLOB NOT NULL);"
        "CREATE INDEX timestamp_idx ON messages (timestamp ASC);"
        "INSERT INTO schema VALUES (3, 'humble');"
    )
    base.execute(f"PRAGMA journal_mode={journal}")
    topics = {}
    for topic, received, kind, data in rows:
        if topic not in topics:
            topics[topic] = len(topics) + 1
            qos = "- history: 1\n  durability: 1" if "label_info" in topic else "- history: 3\n  durability: 2"
            base.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', ?)", (topics[topic], topic, kind, qos))
        base.execute("INSERT INTO messages VALUES (NULL, ?, ?, ?)", (topics[topic], received, data))
    base.commit()
    base.close()
    return path


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_humble_files_are_read_by_the_interfaces_of_humble(tmp_path, maker, journal):
    reader = BagReader(humble(tmp_path / "a.db3", maker.rig(3), journal))

    read = {topic: message for topic, _, message in reader.messages()}

    assert images_of(reader) == [0, 1, 2]
    assert read["/truth/detections"].detections[0].results[0].hypothesis.class_id == "car"
    assert reader.topics["/truth/label_info"].latched and not reader.topics[IMAGE].latched
    assert reader.problems == []


def test_an_interface_that_nobody_defines_is_named(tmp_path, maker):
    rows = [*maker.rig(2), ("/odd", maker.start, "odd_msgs/msg/Odd", b"\0\1\0\0\1\0\0\0")]
    reader = BagReader(humble(tmp_path / "a.db3", rows))

    assert "/odd" not in {topic for topic, _, _ in reader.messages()}
    (problem,) = reader.problems
    assert "Topic /odd is passed over: the bag does not define odd_msgs/msg/Odd" in problem
    with pytest.raises(RigError, match=r"Topic /odd of bag .* cannot be decoded: the bag does not define"):
        next(iter(reader.messages(["/odd"])))
    assert len(list(reader.serialised(["/odd"]))) == 1


def test_a_broken_definition_gives_way_to_that_of_the_release(tmp_path, maker):
    bag = maker.write(tmp_path / "bag", maker.rig(2), "sqlite3")
    base = sqlite3.connect(bag.file)
    base.execute("UPDATE message_definitions SET encoded_message_definition = '%%% no'")
    base.commit()
    base.close()

    assert images_of(BagReader(bag.folder)) == [0, 1]


def test_messages_that_are_damaged_are_counted(tmp_path, maker):
    kind, good = maker.messages.image(maker.frame("visible/left", 3))
    rows = [(IMAGE, 1, kind, good), (IMAGE, 2, kind, good[:60]), (IMAGE, 3, kind, b""), (IMAGE, 4, kind, good)]
    reader = BagReader(maker.write(tmp_path / "bag", rows).folder)

    assert images_of(reader) == [3, 3]
    assert reader.problems == [f"2 of 4 messages of {IMAGE} are damaged and passed over."]


def test_a_topic_that_is_not_there_is_named_with_those_that_are(tmp_path, maker):
    reader = BagReader(maker.write(tmp_path / "bag", maker.rig(1, truth=False)).folder)

    with pytest.raises(RigError, match=r"no topic /nope: it has .*/infrared/left/image_raw \(sensor_msgs/msg/Image\)"):
        list(reader.messages(["/nope"]))


@pytest.mark.parametrize(("name", "storage"), [("rig.mcap", "mcap"), ("rig.db3", "sqlite3")])
def test_what_the_writer_wrote_is_read_with_its_qos(tmp_path, maker, name, storage):
    kind, data = maker.messages.image(maker.frame("visible/left", 7))
    with BagWriter(tmp_path / name, storage=storage) as bag:
        bag.write(IMAGE, kind, 1, data)
        bag.write("/map", kind, 2, data, latched=True)

    reader = BagReader(tmp_path / name)

    assert {topic: told.latched for topic, told in reader.topics.items()} == {IMAGE: False, "/map": True}
    assert images_of(reader, (IMAGE, "/map")) == [7, 7]


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ("", False),
        ("- {durability: 1, depth: 1}", True),
        ("- history: keep_last\n  durability: transient_local\n", True),
        ("- durability: 1\n- durability: 2\n", False),
        ("- history: 1", False),
        ("- [", False),
    ],
)
def test_latched_is_told_in_the_words_of_every_release(profiles, expected):
    assert is_latched(profiles) is expected


def test_a_log_that_a_killed_recorder_left_is_read_too(tmp_path, maker):
    source = humble(tmp_path / "source.db3", [], "wal")
    kind, data = maker.messages.image(maker.frame("visible/left", 5))
    base = sqlite3.connect(source)
    base.execute("INSERT INTO topics VALUES (1, ?, ?, 'cdr', '')", (IMAGE, kind))
    base.execute("INSERT INTO messages VALUES (NULL, 1, 1, ?)", (data,))
    base.commit()
    for suffix in ("", "-wal"):
        shutil.copy(f"{source}{suffix}", f"{tmp_path / 'left.db3'}{suffix}")
    base.close()

    assert images_of(BagReader(tmp_path / "left.db3")) == [5]


def test_an_empty_bag_has_nothing(tmp_path):
    BagWriter(tmp_path / "rig.mcap").close()
    reader = BagReader(tmp_path)

    assert (reader.topics, reader.duration, list(reader.messages()), reader.problems) == ({}, 0.0, [], [])


@pytest.mark.parametrize(("module", "name"), [("mcap.reader", "mcap"), ("rosbags.typesys", "rosbags")])
def test_a_missing_library_is_named_on_reading(tmp_path, maker, monkeypatch, module, name):
    bag = maker.write(tmp_path / "bag", maker.rig(1))
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingDependencyError, match=f"run `pip install {name}`"):
        list(BagReader(bag.folder).messages())


def test_a_record_that_claims_gigabytes_is_not_believed(tmp_path, maker):
    bag = maker.write(tmp_path / "bag", maker.rig(3))
    path = tmp_path / "a.mcap"
    path.write_bytes(bag.file.read_bytes()[:-200] + b"\x06" + struct.pack("<Q", 1 << 40))

    reader = BagReader(path)

    assert images_of(reader) == [0, 1, 2]
    assert "cut off or damaged" in reader.problems[0]
