"""What playback.launch.py starts, with stand-ins for the programs, and how it answers to what it cannot use."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("launch_ros", reason="needs launch_ros, which a ROS 2 installation brings")
pytest.importorskip("rosbags", reason="needs the rosbags library")

from tardal_ros.bags.messages import Messages, definition
from tardal_ros.bags.writer import BagWriter
from tardal_ros.types import Frame, freeze

FILE = "playback.launch.py"
START = 1_700_000_000_000_000_000
FRAME = Frame(freeze(np.zeros((4, 6), np.uint8)), START, "camera")


@pytest.fixture
def write_bag(tmp_path):
    """Writes a bag with an image of 4x6 pixels on each of these topics, of the kind that their names tell."""

    def write(*topics):
        messages = Messages()
        path = tmp_path / "drive" / "drive.mcap"
        with BagWriter(path, definition) as bag:
            for topic in topics:
                kind = "png" if topic.endswith("compressed") else "raw"
                type_name, data = messages.image(FRAME, kind)
                bag.write(topic, type_name, START, data)
        return str(path.parent)

    return write


@pytest.fixture
def bag(write_bag):
    return write_bag("/visible/left/image_raw", "/infrared/left/image_raw", "/fusion/image")


@pytest.fixture
def no_rosbag2(package, monkeypatch):
    """The stand-ins, where rosbag2 is not installed."""
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(package.prefix))
    return package


def parameters_of(started, node):
    """What a process is given for a node by all of its parameter files."""
    values = {}
    for flag, path in pairwise(started.arguments):
        if flag == "--params-file":
            for key, content in yaml.safe_load(Path(path).read_text()).items():
                if key.rpartition("/")[2] == node:
                    values.update(content["ros__parameters"])
    return values


def play(package, monkeypatch, **arguments):
    """Launches, and keeps the parameter files until they have been looked at."""
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    return package.launch(FILE, **arguments)


def test_plays_the_rigs_inputs_alone_and_waits_for_its_models(no_rosbag2, bag, monkeypatch):
    code, started = play(no_rosbag2, monkeypatch, bag=bag, rate="2.0", loop="true", start_offset="1.5")
    assert code == 0
    assert set(started) == {"rig", "player"}
    assert "--without-capture" in started["rig"].arguments
    values = parameters_of(started["player"], "player")
    assert values["bag"] == bag
    assert (values["rate"], values["loop"], values["start_offset"]) == (2.0, True, 1.5)
    assert set(values["topics"]) == {"/visible/left/image_raw", "/infrared/left/image_raw"}
    assert set(values["wait_for"]) == {"registration/status", "fusion/image", "detection/detections"}
    assert values["use_sim_time"] is False
    assert parameters_of(started["rig"], "fusion")["use_sim_time"] is True


def test_evaluation_runs_beside_and_knows_what_fuses(no_rosbag2, bag, monkeypatch):
    # All ends with the evaluation, so that it must not end before the others have begun.
    programs = no_rosbag2.prefix / "lib" / "tardal_ros"
    evaluation = programs / "evaluation"
    wait = (
        f"import pathlib, time\nwhile len(list(pathlib.Path({str(programs)!r}).glob('*.json'))) < 3: time.sleep(0.01)\n"
    )
    evaluation.write_text(evaluation.read_text() + wait)
    _, started = play(
        no_rosbag2, monkeypatch, bag=bag, evaluate="true", report="out", fuser="tardal", weights="mine.safetensors"
    )
    assert set(started) == {"rig", "player", "evaluation"}
    values = parameters_of(started["evaluation"], "evaluation")
    assert (values["fuser"], values["report"], values["recording"]) == ("mine", "out", "drive")
    assert values["end_with_clock"] is True and values["use_sim_time"] is True
    assert "evaluation/quality" in parameters_of(started["player"], "player")["wait_for"]
    assert parameters_of(started["rig"], "fusion")["weights"] == "mine.safetensors"


def test_topics_of_other_names_become_those_of_the_rig_in_its_namespace(no_rosbag2, write_bag, monkeypatch):
    bag = write_bag("/cam0/image", "/ir/image")
    topics = "visible/left=/cam0/image infrared/left=/ir/image"
    _, started = play(no_rosbag2, monkeypatch, bag=bag, topics=topics, namespace="front", composed="false")
    assert set(started) == {"registration", "fusion", "detection", "player"}
    arguments = list(pairwise(started["player"].arguments))
    assert ("-r", "/cam0/image:=/front/visible/left/image_raw") in arguments
    assert ("-r", "/ir/image:=/front/infrared/left/image_raw") in arguments
    assert ("-r", "__ns:=/front") in arguments


def test_compressed_images_are_taken_as_such_whatever_the_params_file(no_rosbag2, write_bag, monkeypatch, tmp_path):
    bag = write_bag("/visible/left/image_raw/compressed", "/infrared/left/image_raw/compressed")
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"/**/registration": {"ros__parameters": {"slop": 0.03}}}))
    _, started = play(no_rosbag2, monkeypatch, bag=bag, params_file=str(mine))
    values = parameters_of(started["rig"], "registration")
    assert (values["transport"], values["slop"]) == ("compressed", 0.03)


def test_where_rosbag2_is_installed_it_plays(package, bag, monkeypatch, tmp_path):
    package.install("ros2bag")
    ros2 = tmp_path / "bin" / "ros2"
    ros2.parent.mkdir()
    ros2.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    ros2.chmod(0o755)
    monkeypatch.setenv("PATH", str(ros2.parent), prepend=":")
    code, started = play(package, monkeypatch, bag=bag, rate="0.5", loop="true")
    assert code == 0
    assert set(started) == {"rig"}
    said = (tmp_path / "said").read_text()
    assert said.startswith(f"bag play {bag} --clock 100 --rate 0.5 --delay 10.0 --start-offset 0.0 --loop --topics ")
    assert "/fusion/image" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bag": "/nowhere"}, "There is no bag /nowhere"),
        ({"rate": "0"}, "rate is '0': it must be a number between 0.01 and 100"),
        ({"rate": "nan"}, "rate is 'nan'"),
        ({"start_offset": "-1"}, "start_offset is '-1'"),
        ({"topics": "visible/left"}, "needs words NAME=TOPIC"),
        ({"topics": "visible/left=/absent"}, "has no topic /absent for visible/left"),
        ({"topics": "elsewhere=/fusion/image"}, "There is no 'elsewhere'"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_nothing_starts(no_rosbag2, bag, launch_log, arguments, words):
    code, started = no_rosbag2.launch(FILE, **{"bag": bag, **arguments})
    assert code != 0
    assert not started
    assert words in launch_log.text


def test_a_bag_without_the_rigs_topics_lists_its_own(no_rosbag2, write_bag, launch_log):
    code, started = no_rosbag2.launch(FILE, bag=write_bag("/cam0/image", "/ir/image"))
    assert code != 0 and not started
    assert "/cam0/image (sensor_msgs/msg/Image)" in launch_log.text


def test_raw_and_compressed_images_together_are_refused(no_rosbag2, write_bag, launch_log):
    bag = write_bag("/visible/left/image_raw", "/infrared/left/image_raw/compressed")
    code, started = no_rosbag2.launch(FILE, bag=bag)
    assert code != 0 and not started
    assert "raw and compressed" in launch_log.text
