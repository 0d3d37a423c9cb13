"""The shipped parameter files hide nothing, shared memory holds images, and RViz shows topics that exist."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tardal_ros.fusion import FUSERS

CONFIG = Path(__file__).resolve().parents[2] / "config"
NODES = {
    "capture": ("tardal_ros.capture.node", "CaptureParameters"),
    "registration": ("tardal_ros.registration.node", "RegistrationParameters"),
    "fusion": ("tardal_ros.fusion.node", "FusionParameters"),
    "detection": ("tardal_ros.detection.node", "DetectionParameters"),
    "recorder": ("tardal_ros.bags.node", "RecorderParameters"),
    "player": ("tardal_ros.bags.player_node", "PlayerParameters"),
    "evaluation": ("tardal_ros.evaluation.node", "EvaluationParameters"),
}
# What RViz can show of the topics that the rig publishes.
SHOWN = {
    "registration/visible/image",
    "registration/infrared/image",
    "fusion/image",
    "detection/image",
    "detection/markers",
}


def shipped(node):
    return yaml.safe_load((CONFIG / f"{node}.param.yaml").read_text())


def displays():
    view = yaml.safe_load((CONFIG / "rviz" / "rig.rviz").read_text())
    return [display for display in view["Visualization Manager"]["Displays"] if "Topic" in display]


@pytest.mark.parametrize("node", NODES)
def test_parameter_file_says_every_default(node):
    pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
    module, name = NODES[node]
    defaults = asdict(getattr(import_module(module), name)())
    defaults = {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}
    values = shipped(node)[f"/**/{node}"]["ros__parameters"]
    assert values == {**defaults, "use_sim_time": False}
    # 1 == 1.0 == True, but not to ROS.
    assert {key: type(value) for key, value in values.items() if key in defaults} == {
        key: type(value) for key, value in defaults.items()
    }


@pytest.mark.parametrize("node", NODES)
def test_parameter_file_is_for_one_node_in_any_namespace(node):
    assert list(shipped(node)) == [f"/**/{node}"]


@pytest.mark.parametrize("node", NODES)
def test_every_parameter_has_a_comment(node):
    lines = (CONFIG / f"{node}.param.yaml").read_text().splitlines()
    commented = False
    for line in lines[lines.index("  ros__parameters:") + 1 :]:
        if line.strip().startswith("#"):
            commented = True
        elif not line.startswith("      "):  # a list's elements are deeper
            assert commented or line.strip().startswith("agc_"), line
            commented = False


def test_every_fuser_is_named_where_one_chooses():
    launch = ast.parse((CONFIG.parent / "launch" / "rig.launch.py").read_text())
    offered = {each.targets[0].id: each.value for each in launch.body if isinstance(each, ast.Assign)}["FUSERS"]
    assert ast.literal_eval(offered) == tuple(FUSERS)
    told = (CONFIG / "fusion.param.yaml").read_text().partition("    fuser: ")[0]
    assert set(FUSERS) <= set(re.findall(r"\w+", told))


def test_no_parameter_file_is_without_a_node():
    assert {path.name for path in CONFIG.glob("*.param.yaml")} == {f"{node}.param.yaml" for node in NODES}


def test_shared_memory_holds_a_few_images():
    profile = ElementTree.parse(CONFIG / "fastdds.xml")
    (size,) = (int(element.text) for element in profile.iter() if element.tag.endswith("segment_size"))
    assert size >= 5 * 1024 * 768 * 3


def test_rviz_shows_every_stage():
    assert {display["Topic"]["Value"] for display in displays()} == SHOWN


def test_rviz_takes_images_as_they_are_published():
    images = [display for display in displays() if display["Class"] == "rviz_default_plugins/Image"]
    assert len(images) == 4
    assert {display["Topic"]["Reliability Policy"] for display in images} == {"Best Effort"}


def test_rviz_looks_from_the_visible_camera():
    view = yaml.safe_load((CONFIG / "rviz" / "rig.rviz").read_text())
    rig = yaml.safe_load((CONFIG / "calibration" / "rig.yaml").read_text())
    fixed = view["Visualization Manager"]["Global Options"]["Fixed Frame"]
    assert fixed == rig["visible/left"]["frame_id"]
