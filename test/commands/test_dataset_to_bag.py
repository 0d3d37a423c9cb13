"""Data sets, rendered scenes and videos as bags."""

import functools
import re

import cv2
import numpy as np
import pytest

from tardal_ros.capture import Cadence
from tardal_ros.commands import main

pytest.importorskip("rosbags")

from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from tardal_ros.bags.export import START
from tardal_ros.bags.messages import definition
from tardal_ros.bags.recording import BagRecording
from tardal_ros.evaluation.recording import DatasetRecording


def write(path, shape=(30, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(len(path.name)).integers(0, 256, shape, np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Four pairs of two classes."""
    root = tmp_path / "pairs"
    for name in ("a1D", "a2D", "a3N", "a4N"):
        write(root / "vi" / f"{name}.png", (30, 40, 3))
        write(root / "ir" / f"{name}.png")
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{name}.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    (root / "classes.txt").write_text("person\ncar\n")
    return root


@pytest.fixture
def to_bag(tmp_path, capsys):
    """Runs the command; returns the exit code and what it told."""

    def run(*arguments):
        code = main(["dataset_to_bag", str(tmp_path / "bag"), *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out if code == 0 else captured.err.strip(), captured.err

    return run


@functools.cache
def interfaces():
    """One for all tests: code that reads an interface takes time to make."""
    store = get_typestore(Stores.LATEST)
    for name in ("Point2D", "Pose2D", "BoundingBox2D", "ObjectHypothesis", "ObjectHypothesisWithPose", "Detection2D",
                 "Detection2DArray", "VisionClass", "LabelInfo"):  # fmt: skip
        store.register(get_types_from_msg(definition(f"vision_msgs/msg/{name}"), f"vision_msgs/msg/{name}"))
    return store


def read(folder):
    """Received and header stamps by topic, in seconds, and the messages of the truth."""
    times, truth = {}, []
    with Reader(folder) as reader:
        for connection, received, data in reader.messages():
            message = interfaces().deserialize_cdr(data, connection.msgtype)
            if hasattr(message, "header"):
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                entry = (received - START) / 1e9, (stamp - START) / 1e9
                times.setdefault(connection.topic, []).append(entry)
            if connection.topic == "/truth/detections":
                truth.append(message)
    return times, truth


def video(path, size=(64, 48), frames=5):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, size)
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write MJPG videos")
    for index in range(frames):
        writer.write(np.full((size[1], size[0], 3), 20 * index, np.uint8))
    writer.release()
    return path


def test_a_data_set_becomes_a_bag_in_the_timing_that_was_asked_for(folder, to_bag, tmp_path):
    timing = ("--visible", "rate=5", "--infrared", "rate=10", "phase=0.01", "latency=0.2")
    code, told, err = to_bag("--data", folder, "--images", "png", *timing)
    assert code == 0 and "      4 /visible/left/image_raw/compressed\n" in told and "left out" not in err

    times, truth = read(tmp_path / "bag")
    assert times["/visible/left/image_raw/compressed"] == [(0.0, 0.0), (0.2, 0.2), (0.4, 0.4), (0.6, 0.6)]
    infrared = np.array(times["/infrared/left/image_raw/compressed"])
    assert infrared[:, 1] == pytest.approx(np.arange(len(infrared)) / 10 + 0.01)
    assert infrared[:, 0] - infrared[:, 1] == pytest.approx(0.2)
    [box] = truth[0].detections
    assert box.results[0].hypothesis.class_id == "car"
    assert (box.bbox.center.position.x, box.bbox.center.position.y) == pytest.approx((20.0, 15.0))
    assert (box.bbox.size_x, box.bbox.size_y) == pytest.approx((8.0, 12.0))


def test_the_same_command_makes_the_same_bag(folder, to_bag, tmp_path):
    made = []
    for _ in range(2):
        assert to_bag("--data", folder, "--infrared", "jitter=0.01", "--seed", 4)[0] == 0
        made.append((tmp_path / "bag" / "bag.mcap").read_bytes())
    assert made[0] == made[1]
    assert to_bag("--data", folder, "--infrared", "jitter=0.01", "--seed", 5)[0] == 0
    assert (tmp_path / "bag" / "bag.mcap").read_bytes() != made[0]


def test_holes_are_skipped_and_named_or_refused(folder, to_bag, tmp_path):
    (folder / "ir" / "a2D.png").unlink()
    (folder / "vi" / "a3N.png").write_bytes(b"no picture")
    write(folder / "ir" / "a4N.png", (15, 20))

    code, told, err = to_bag("--data", folder)
    assert code == 0 and "      1 /visible/left/image_raw\n" in told
    assert "Pair a2D is left out: " in err and "a2D.* is missing, the partner of" in err
    assert "Pair a3N is left out: " in err and "a3N.png is damaged" in err
    assert "Pair a4N is left out: " in err and "a4N.png is 20x15 and" in err and "register them first" in err
    before = (tmp_path / "bag" / "bag.mcap").read_bytes()
    code, told, _ = to_bag("--data", folder, "--strict")
    assert code == 1 and "1 pairs of" in told and "a2D.* is missing" in told
    (folder / "vi" / "a2D.png").unlink()
    code, told, _ = to_bag("--data", folder, "--strict")
    assert code == 1 and "2 pairs of" in told and "a3N.png" in told and "a4N.png" in told
    assert (tmp_path / "bag" / "bag.mcap").read_bytes() == before


def test_pairs_that_are_skipped_leave_a_gap(folder, to_bag, tmp_path):
    (folder / "vi" / "a2D.png").write_bytes(b"no picture")
    assert to_bag("--data", folder, "--infrared", "phase=0.01")[0] == 0
    times, _ = read(tmp_path / "bag")
    assert [stamp for _, stamp in times["/visible/left/image_raw"]] == pytest.approx([0.0, 0.2, 0.3])
    assert [stamp for _, stamp in times["/infrared/left/image_raw"]] == pytest.approx([0.01, 0.21, 0.31])


def test_many_holes_are_counted(folder, to_bag):
    for index in range(14):
        write(folder / "vi" / f"b{index}.png")
    code, _, err = to_bag("--data", folder)
    assert code == 0 and err.count("is left out") == 10 and err.endswith("… and 4 more\n")


@pytest.mark.parametrize("how", ["empty", "no common name", "all broken"])
def test_a_folder_without_pairs_is_told(folder, to_bag, tmp_path, how):
    for path in (folder / "ir").iterdir():
        if how == "no common name":
            path.rename(path.with_name(f"x{path.name}"))
        elif how == "all broken":
            path.write_bytes(b"")
    source = tmp_path / "nothing" if how == "empty" else folder
    source.mkdir(exist_ok=True)
    code, told, _ = to_bag("--data", source)
    expected = {"empty": "holds no pictures", "no common name": "no pictures to use", "all broken": "no image to write"}
    assert code == 1 and told.count("tardal_ros dataset_to_bag: ") == 1 and expected[how] in told
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("rate=-1", "--infrared: .* rate is -1.0 Hz: it must be positive"),
        ("rate=nan", "--infrared: .* rate is nan Hz: it must be positive"),
        ("jitter=-0.1", "--infrared: .* jitter is -0.1 s: at 10 Hz it must be 0 or more and below 0.05 s"),
        ("latency=-0.1", "--infrared: phase 0.0 s and latency -0.1 s .* must be 0 or more"),
        ("latency=soon", "--infrared latency=soon: write KEY=NUMBER"),
        ("delay=1", "--infrared has no delay: choose of rate, phase, jitter, latency, offset, drift"),
    ],
)
def test_timing_that_no_camera_has_is_refused(folder, to_bag, tmp_path, wrong, told):
    code, sentence, _ = to_bag("--data", folder, "--infrared", wrong)
    assert code == 1 and re.search(told, sentence), sentence
    assert to_bag("--data", folder, "--visible", "rate=0")[0] == 1
    code, sentence, _ = to_bag("--data", folder, "--duration", "-3")
    assert code == 1 and "duration must be positive" in sentence
    assert not (tmp_path / "bag").exists()


def test_what_is_no_bag_is_not_replaced(folder, to_bag, tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "thesis.tex").write_text("years of work")
    code, told, _ = to_bag("--data", folder)
    assert code == 1 and "is no bag that could be replaced, for it holds thesis.tex" in told
    assert (tmp_path / "bag" / "thesis.tex").read_text() == "years of work"


def test_videos_become_a_bag_with_their_own_stamps_or_at_another_rate(to_bag, tmp_path):
    films = video(tmp_path / "vi.avi"), video(tmp_path / "ir.avi")
    assert to_bag("--video", *films)[0] == 0
    times, _ = read(tmp_path / "bag")
    assert [stamp for _, stamp in times["/infrared/left/image_raw"]] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert to_bag("--video", *films, "--visible", "rate=5", "--infrared", "latency=0.1")[0] == 0
    times, _ = read(tmp_path / "bag")
    assert np.array(times["/visible/left/image_raw"]) == pytest.approx(np.array([[0.0, 0.0], [0.2, 0.2], [0.4, 0.4]]))
    assert np.array(times["/infrared/left/image_raw"]) == pytest.approx(np.array([[0.1, 0.0], [0.3, 0.2], [0.5, 0.4]]))


def test_videos_of_different_sizes_must_be_called_unregistered(to_bag, tmp_path):
    films = video(tmp_path / "vi.avi"), video(tmp_path / "ir.avi", (32, 24), 3)
    code, told, _ = to_bag("--video", *films)
    assert code == 1 and "visible is 64x48 and infrared 32x24" in told
    code, told, err = to_bag("--video", *films, "--unregistered")
    assert code == 0 and "      3 /infrared/left/image_raw\n" in told and "the shorter one ends both" in err
    code, told, _ = to_bag("--video", films[0], tmp_path / "absent.avi")
    assert code == 1 and "absent.avi" in told


def test_rendered_scenes_take_the_timing_of_the_capture_node(to_bag, monkeypatch):
    asked = []

    def noted(cadences, *of):
        asked.append((dict(cadences), of[:4]))
        raise KeyboardInterrupt

    monkeypatch.setattr("tardal_ros.bags.reel.rendered_reel", noted)
    timing = ("--visible", "rate=20", "--infrared", "latency=0.03")
    assert to_bag("--rendered", "--eyes", "stereo", "--seed", 3, "--condition", "night", *timing)[0] == 130
    assert to_bag("--rendered")[0] == 130
    visible, infrared = Cadence(20.0), Cadence(20.0, 0.004, 0.002, 0.03)
    assert asked[0] == (
        {f"{spectrum}/{eye}": cadence for spectrum, cadence in (("visible", visible), ("infrared", infrared))
         for eye in ("left", "right")},
        (3, "night", "test", "vehicle"),
    )  # fmt: skip
    assert asked[1][0] == {"visible/left": Cadence(10.0), "infrared/left": Cadence(10.0, 0.004, 0.002)}


def test_scenes_that_cannot_be_are_told(to_bag, tmp_path):
    for wrong, told in (
        (("--seed", -1), "seed is -1"),
        (("--condition", "hail"), "hail"),
        (("--rig", tmp_path / "absent.yaml"), "absent.yaml"),
        (("--registered", "--view", "uav"), "leave out --rig, --eyes and --view"),
    ):
        code, sentence, _ = to_bag("--rendered", *wrong)
        assert code == 1 and told in sentence


def test_a_bag_is_evaluated_as_the_data_set_that_it_was_made_of(folder, to_bag, tmp_path):
    assert to_bag("--data", folder, "--infrared", "latency=0.03")[0] == 0
    of_bag, of_folder = (
        list(recording.moments()) for recording in (BagRecording(tmp_path / "bag"), DatasetRecording(folder))
    )
    assert len(of_bag) == len(of_folder) == 4
    for ours, theirs in zip(of_bag, of_folder, strict=True):
        assert (ours.scene, ours.condition, ours.objects.names) == (
            theirs.scene,
            theirs.condition,
            theirs.objects.names,
        )
        assert ours.objects.xyxy == pytest.approx(theirs.objects.xyxy)
        for spectrum in ("visible", "infrared"):
            images = [getattr(moment.pair, spectrum).left.image for moment in (ours, theirs)]
            assert np.array_equal(*images)
