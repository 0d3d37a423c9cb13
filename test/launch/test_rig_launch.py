"""The launch file: what it offers, what it starts, and which parameter wins."""

import os
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

pytest.importorskip("launch_ros", reason="needs launch_ros, which a ROS 2 installation brings")
rclpy = pytest.importorskip("rclpy")

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILE = REPOSITORY / "launch" / "rig.launch.py"
STAGES = ("capture", "registration", "fusion", "detection")


def declared_arguments():
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(LAUNCH_FILE))
    return {argument.name: argument for argument in description.get_launch_arguments()}


def default_of(argument):
    return "".join(part.text for part in argument.default_value)


def parameters_of(started, node, namespace, context):
    """What a node of a started process gets, as ROS itself works it out."""
    arguments = ["--ros-args"]
    for flag, path in pairwise(started.arguments):
        if flag == "--params-file":
            arguments += [flag, path]
    made = rclpy.create_node(
        node,
        namespace=namespace,
        context=context,
        cli_args=arguments,
        use_global_arguments=False,
        automatically_declare_parameters_from_overrides=True,
    )
    try:
        return {name: parameter.value for name, parameter in made.get_parameters_by_prefix("").items()}
    finally:
        made.destroy_node()


@pytest.fixture
def write_yaml(tmp_path):
    def write(content):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return str(path)

    return write


# What it offers.


def test_every_argument_is_described():
    for argument in declared_arguments().values():
        assert len(argument.description) > 20, argument.name
        assert argument.description != "no description given"


def test_offers_what_the_documentation_promises():
    promised = "source params_file namespace composed fuser device rviz record use_sim_time autostart respawn log_level"
    assert set(promised.split()) <= set(declared_arguments())


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("source", {"simulation", "folder", "video", "topics"}),
        ("condition", {"day", "overcast", "night", "challenge"}),
        ("view", {"vehicle", "uav"}),
        ("composed", {"true", "false"}),
        ("rviz", {"true", "false"}),
        ("record", {"true", "false"}),
        ("autostart", {"true", "false"}),
        ("trust_weights", {"true", "false"}),
    ],
)
def test_choices(name, choices):
    assert set(declared_arguments()[name].choices) - {""} == choices


def test_choices_are_those_of_the_nodes():
    pytest.importorskip("vision_msgs")
    from dataclasses import fields

    from tardal_ros.capture.node import CaptureParameters
    from tardal_ros.fusion.node import FusionParameters

    arguments = declared_arguments()
    of_capture = [(CaptureParameters, name) for name in ("source", "condition", "view")]
    for parameters, name in (*of_capture, (FusionParameters, "fuser")):
        (field,) = (field for field in fields(parameters) if field.name == name)
        assert set(arguments[name].choices) - {"", "topics"} == set(field.metadata["limits"].choices)


def test_descriptions_name_the_shipped_values():
    arguments = declared_arguments()
    assert "(tardal)" in arguments["fuser"].description
    assert "(package://tardal_ros/weights/tardal_ct_detector.onnx)" in arguments["detector"].description
    assert "(none)" in arguments["weights"].description
    assert "(true)" in arguments["autostart"].description
    assert "(false)" in arguments["trust_weights"].description


def test_wrong_choice_is_refused(package):
    code, started = package.launch(fuser="magic")
    assert code != 0
    assert not started


# What it starts.


def test_composed_starts_one_process(package):
    code, started = package.launch()
    assert code == 0
    assert set(started) == {"rig"}


def test_separate_starts_four_processes(package):
    code, started = package.launch(composed="false")
    assert code == 0
    assert set(started) == set(STAGES)


@pytest.mark.parametrize("composed", ["true", "false"])
def test_no_process_is_renamed(package, composed):
    # `__node:=` would give every node of the composed process one name.
    _, started = package.launch(composed=composed, namespace="front")
    for process in started.values():
        assert not any("__node" in argument for argument in process.arguments)
        assert "__ns:=/front" in process.arguments


def test_record_starts_the_recorder_too(package):
    _, started = package.launch(record="true", record_path="drive.mcap")
    assert set(started) == {"rig", "recorder"}


@pytest.mark.parametrize("composed", ["true", "false"])
def test_own_cameras_need_no_capture_node(package, composed):
    code, started = package.launch(source="topics", composed=composed)
    assert code == 0
    assert "capture" not in started
    assert ("--without-capture" in started["rig"].arguments) if composed == "true" else "registration" in started


def test_log_level_reaches_every_process(package):
    _, started = package.launch(composed="false", record="true", log_level="debug")
    for process in started.values():
        assert ("--log-level", "debug") in pairwise(process.arguments)


def test_rviz_shows_the_shipped_view_in_the_rigs_namespace(package):
    package.install("rviz2", "rviz2")
    _, started = package.launch(rviz="true", namespace="front")
    assert set(started) == {"rig", "rviz2"}
    assert ("-d", str(REPOSITORY / "config" / "rviz" / "rig.rviz")) in pairwise(started["rviz2"].arguments)
    assert "__ns:=/front" in started["rviz2"].arguments


def test_without_rviz_installed_the_rig_starts_and_says_so(package, monkeypatch, launch_log):
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(package.prefix))
    code, started = package.launch(rviz="true")
    assert code == 0
    assert set(started) == {"rig"}
    assert "RViz is not installed" in launch_log.text


def test_missing_params_file_is_named(package, tmp_path, launch_log):
    code, started = package.launch(params_file=str(tmp_path / "absent.yaml"))
    assert code != 0
    assert not started
    assert "absent.yaml does not exist" in launch_log.text


# Which parameter wins.


def test_shipped_files_reach_every_node(package, ros_context):
    _, started = package.launch()
    for node in STAGES:
        shipped = yaml.safe_load((REPOSITORY / "config" / f"{node}.param.yaml").read_text())
        expected = shipped[f"/**/{node}"]["ros__parameters"]
        values = parameters_of(started["rig"], node, "/", ros_context)
        assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize("composed", ["true", "false"])
@pytest.mark.parametrize("namespace", ["/", "/front/left"])
def test_arguments_reach_only_their_node(package, ros_context, composed, namespace):
    _, started = package.launch(
        composed=composed,
        namespace=namespace,
        weights="w.safetensors",
        detector="yolo.onnx",
        trust_weights="true",
        device="cpu",
    )
    values = {
        node: parameters_of(started["rig" if composed == "true" else node], node, namespace, ros_context)
        for node in STAGES
    }
    assert values["fusion"]["weights"] == "w.safetensors"
    assert values["detection"]["weights"] == "yolo.onnx"
    assert values["detection"]["trust_weights"] is True
    assert "trust_weights" not in values["fusion"]
    assert values["fusion"]["device"] == values["detection"]["device"] == "cpu"
    assert "device" not in values["capture"]
    assert "weights" not in values["registration"]


LAID_OVER = {"fuser": "tardal", "autostart": False, "use_sim_time": True}
KEYS = ("/**/fusion", "/**", "/front/fusion", "/*/fusion")


@pytest.mark.parametrize("key", KEYS)
def test_params_file_is_laid_over_the_shipped_one(package, ros_context, write_yaml, key):
    mine = write_yaml({key: {"ros__parameters": {"scale": 0.5}}})
    _, started = package.launch(params_file=mine, namespace="front")
    values = parameters_of(started["rig"], "fusion", "/front", ros_context)
    assert values["scale"] == 0.5
    assert values["fuser"] == "tardal"


@pytest.mark.parametrize("first", KEYS)
@pytest.mark.parametrize("second", KEYS)
def test_given_argument_wins_over_the_params_file(package, ros_context, write_yaml, first, second):
    mine = write_yaml({key: {"ros__parameters": {"device": "cuda:7", "scale": 0.5}} for key in (first, second)})
    _, started = package.launch(params_file=mine, namespace="front", device="cpu")
    values = parameters_of(started["rig"], "fusion", "/front", ros_context)
    assert values["device"] == "cpu"
    assert values["scale"] == 0.5


def test_argument_that_is_not_given_leaves_the_params_file_alone(package, ros_context, write_yaml):
    mine = write_yaml({"/**/fusion": {"ros__parameters": LAID_OVER}})
    _, started = package.launch(params_file=mine)
    assert LAID_OVER.items() <= parameters_of(started["rig"], "fusion", "/", ros_context).items()


def test_switches_become_booleans(package, ros_context):
    _, started = package.launch(autostart="false", use_sim_time="true", record="true")
    for process, node in (("rig", "capture"), ("rig", "detection"), ("recorder", "recorder")):
        values = parameters_of(started[process], node, "/", ros_context)
        assert values["autostart"] is False
        assert values["use_sim_time"] is True


def test_text_stays_text(package, ros_context):
    _, started = package.launch(source="video", visible="0", infrared="1e3")
    values = parameters_of(started["rig"], "capture", "/", ros_context)
    assert (values["visible"], values["infrared"]) == ("0", "1e3")


@pytest.mark.parametrize(("given", "calibration"), [({}, "mine.yaml"), ({"calibration": "worn.yaml"}, "worn.yaml")])
def test_a_simulated_rig_is_registered_by_its_own_file_unless_told_otherwise(package, ros_context, given, calibration):
    _, started = package.launch(rig="mine.yaml", view="uav", condition="night", **given)
    capture, registration = (parameters_of(started["rig"], node, "/", ros_context) for node in STAGES[:2])
    assert (capture["rig"], capture["view"], capture["condition"]) == ("mine.yaml", "uav", "night")
    assert registration["calibration"] == calibration


def test_record_path_reaches_the_recorder(package, ros_context):
    _, started = package.launch(record="true", record_path="drive.mcap")
    assert parameters_of(started["recorder"], "recorder", "/", ros_context)["path"] == "drive.mcap"


# The real thing.


@pytest.fixture
def launched(tmp_path, domain_id):
    """`ros2 launch` as a user types it, in a process group of its own as in a terminal."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    if shutil.which("ros2") is None:
        pytest.skip("needs the ros2 command")
    try:
        get_package_prefix("tardal_ros")
    except PackageNotFoundError:
        pytest.skip("needs the package built by colcon and sourced")
    log = tmp_path / "launch.log"
    processes = []

    def launch(*arguments):
        with log.open("w") as output:
            process = subprocess.Popen(
                ["ros2", "launch", str(LAUNCH_FILE), *arguments],
                env={**os.environ, "ROS_DOMAIN_ID": str(domain_id), "ROS_LOG_DIR": str(tmp_path)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        processes.append(process)
        return process, log

    yield launch
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("composed", ["true", "false"])
def test_rig_runs_until_ctrl_c(launched, ros_context, wait_until, composed):
    from rclpy.executors import SingleThreadedExecutor
    from vision_msgs.msg import Detection2DArray

    process, log = launched(f"composed:={composed}", "namespace:=front")
    listener = rclpy.create_node("listener", context=ros_context)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(listener)
    heard = []
    listener.create_subscription(Detection2DArray, "/front/detection/detections", heard.append, 10)

    def some_came():
        assert process.poll() is None, log.read_text()
        executor.spin_once(timeout_sec=0.05)
        return len(heard) >= 3

    wait_until(some_came, timeout=90.0, what="detections")
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in heard]
    assert stamps == sorted(stamps)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0, log.read_text()
    # What does not end by itself within five seconds, launch ends by force, and says so.
    assert "failed to terminate" not in log.read_text()
    assert "Traceback" not in log.read_text()
    finished = log.read_text().count("process has finished cleanly")
    assert finished == (1 if composed == "true" else len(STAGES))
