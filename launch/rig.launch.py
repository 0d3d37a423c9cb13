"""The rig: capture, registration, fusion and detection, in one process or in four.

    ros2 launch tardal_ros rig.launch.py
    ros2 launch tardal_ros rig.launch.py source:=folder visible:=pairs/visible infrared:=pairs/infrared
    ros2 launch tardal_ros rig.launch.py source:=simulation condition:=night rig:=rig.yaml
    ros2 launch tardal_ros rig.launch.py source:=topics calibration:=rig.yaml
    ros2 launch tardal_ros rig.launch.py fuser:=tardal device:=cuda rviz:=true

`--show-args` lists every argument. Parameters come from config/<node>.param.yaml; `params_file` is laid over those, and
an argument that is given over both. An empty argument changes nothing.
"""

from __future__ import annotations

import atexit
import json
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.logging import get_logger
from launch_ros.actions import Node

# Beside this file, in the checkout as in an installation.
CONFIG = Path(__file__).resolve().parents[1] / "config"

STAGES = ("capture", "registration", "fusion", "detection")
NODES = (*STAGES, "recorder")

# Which nodes' parameter an argument sets.
OVERRIDES = {
    "source": (("capture",), "source"),
    "visible": (("capture",), "visible"),
    "infrared": (("capture",), "infrared"),
    "registered": (("capture",), "registered"),
    "condition": (("capture",), "condition"),
    "view": (("capture",), "view"),
    "rig": (("capture",), "rig"),
    "calibration": (("registration",), "calibration"),
    "fuser": (("fusion",), "fuser"),
    "weights": (("fusion",), "weights"),
    "detector": (("detection",), "weights"),
    "trust_weights": (("detection",), "trust_weights"),
    "detector_input": (("detection",), "input"),
    "tracker": (("detection",), "tracker"),
    "device": (("fusion", "detection"), "device"),
    "record_path": (("recorder",), "path"),
    "use_sim_time": (NODES, "use_sim_time"),
    "autostart": (NODES, "autostart"),
}

# Those of them that are true or false.
SWITCHES = ("registered", "trust_weights", "use_sim_time", "autostart")

# Those of tardal_ros.fusion, which a launch must not import: its Python may be another one than the nodes'.
FUSERS = ("visible", "infrared", "average", "max", "laplacian", "gff", "wls", "latlrr", "tardal", "dgfusion")

# The source that is none of the capture node's.
TOPICS = "topics"

BOOLEANS = {"true": True, "false": False}
SWITCH = tuple(BOOLEANS)
UNSET = ("",)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            # The frames.
            _argument(
                "source",
                "Where frames come from; topics: from the drivers of your own cameras, without the capture node.",
                choices=(*UNSET, "simulation", "folder", "video", TOPICS),
            ),
            _argument("visible", "Folder of visible images for source:=folder, video file for source:=video."),
            _argument("infrared", "The same for infrared; images pair by file name."),
            _argument(
                "registered",
                "Whether the files' pairs lie on each other already; if not, `calibration` registers them.",
                choices=(*UNSET, *SWITCH),
            ),
            _argument(
                "condition",
                "What source:=simulation shows; challenge is smoke, fog, glare or rain.",
                choices=(*UNSET, "day", "overcast", "night", "challenge"),
            ),
            _argument("view", "From where source:=simulation looks.", choices=(*UNSET, "vehicle", "uav")),
            _argument(
                "rig",
                "Rig file of the cameras that source:=simulation shows, none for the rig of the paper; `calibration` is"
                " the same file then, unless it is given too.",
            ),
            _argument("calibration", "Rig file: a path, or package://<package>/<path>."),
            # What is done with them.
            _argument(
                "fuser",
                "How the two spectra are fused; changes while the rig runs with `ros2 param set /fusion fuser NAME`.",
                choices=(*UNSET, *FUSERS),
            ),
            _argument(
                "weights",
                "Weights file of a fusion network (safetensors, pth, pt, onnx), none for those that ship for it.",
            ),
            _argument("detector", "The detector's model file (an exported .onnx, an ultralytics .pt), or `hog`."),
            _argument(
                "trust_weights",
                "Whether to load a detector's .pt that is not in trusted_weights.yaml; it can run code.",
                choices=(*UNSET, *SWITCH),
            ),
            _argument(
                "detector_input",
                "What is detected on; stack is visible and infrared in four channels.",
                choices=(*UNSET, "fused", "visible", "infrared", "stack"),
            ),
            _argument(
                "tracker", "What follows objects and numbers them.", choices=(*UNSET, "auto", "bytetrack", "none")
            ),
            _argument("device", "Where networks run: auto, cpu, cuda or cuda:N."),
            # Parameters and processes.
            _argument("params_file", "Parameter file, laid over the shipped config/<node>.param.yaml."),
            _argument("namespace", "Namespace of nodes and topics."),
            _argument("composed", "All nodes in one process, where images are handed on by reference.", "true", SWITCH),
            _argument("use_sim_time", "Whether time comes from /clock.", choices=(*UNSET, *SWITCH)),
            _argument("autostart", "Whether nodes configure and activate by themselves.", choices=(*UNSET, *SWITCH)),
            _argument("respawn", "Whether a process that ends is started again.", "false", SWITCH),
            _argument("log_level", "Least severity logged.", "info", ("debug", "info", "warn", "error", "fatal")),
            # Who looks on.
            _argument("rviz", "Start RViz on the rig's images and boxes.", "false", SWITCH),
            _argument("record", "Record the rig's topics into a bag.", "false", SWITCH),
            _argument("record_path", "The bag to write, for record:=true."),
            OpaqueFunction(function=_start),
        ]
    )


def _argument(name: str, description: str, default: str = "", choices: tuple[str, ...] = ()) -> DeclareLaunchArgument:
    if name in OVERRIDES:
        description += f" Empty: as in the parameter files ({_shipped(name)})."
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=list(choices) if choices else None
    )


def _shipped(argument: str) -> str:
    """What the shipped parameter files say for an argument."""
    (node, *_), parameter = OVERRIDES[argument]
    content = yaml.safe_load((CONFIG / f"{node}.param.yaml").read_text(encoding="utf-8"))
    value = content[f"/**/{node}"]["ros__parameters"][parameter]
    return str(value).lower() if isinstance(value, bool) else value or "none"


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Makes the processes, once the arguments are known."""
    given = dict(context.launch_configurations)
    stages = STAGES
    arguments: tuple[str, ...] = ()
    if given["source"] == TOPICS:
        stages, arguments = STAGES[1:], ("--without-capture",)
        given["source"] = ""
    given["calibration"] = given["calibration"] or given["rig"]
    composed = BOOLEANS[given["composed"]]
    programs = {"rig": stages} if composed else {node: (node,) for node in stages}
    if BOOLEANS[given["record"]]:
        programs = {"recorder": ("recorder",), **programs}  # first, since what it misses of the beginning is gone
    laid_over = _parameter_files_over(given)
    processes = [
        _process(program, nodes, laid_over, given, arguments if program == "rig" else ())
        for program, nodes in programs.items()
    ]
    return processes + (_rviz(given) if BOOLEANS[given["rviz"]] else [])


def _process(
    executable: str, nodes: tuple[str, ...], laid_over: list[str], given: dict[str, str], arguments: tuple[str, ...]
) -> Node:
    """One process. It gets no `name`: that would rename every node in it."""
    return Node(
        package="tardal_ros",
        executable=executable,
        arguments=list(arguments),
        namespace=given["namespace"],
        parameters=[*(str(CONFIG / f"{node}.param.yaml") for node in nodes), *laid_over],
        ros_arguments=["--log-level", given["log_level"]],
        respawn=BOOLEANS[given["respawn"]],
        respawn_delay=2.0,
        output="screen",
        emulate_tty=sys.stdout.isatty(),  # colours on a terminal, none in a file
    )


def _parameter_files_over(given: dict[str, str]) -> list[str]:
    """The files that are laid over the shipped ones, in the order in which they count."""
    files = []
    if given["params_file"]:
        path = Path(given["params_file"]).expanduser()
        if not path.is_file():
            raise RuntimeError(f"params_file {path} does not exist: give the path of a YAML file of ROS parameters")
        files.append(str(path))
    overrides = _overrides(given)
    return [*files, _write(overrides)] if overrides else files


def _overrides(given: dict[str, str]) -> dict[str, dict[str, dict[str, str | bool]]]:
    """What the given arguments set, as a ROS parameter file has it."""
    # ROS applies the keys of all files in the order in which each key first appeared. This one matches a node in any
    # namespace like `/**/<node>`, but nobody else writes it: so it comes last, whatever keys a params_file uses.
    overrides: dict[str, dict[str, dict[str, str | bool]]] = {}
    for argument, (nodes, parameter) in OVERRIDES.items():
        value = given[argument]
        for node in nodes if value else ():
            values = overrides.setdefault(f"/**/**/{node}", {"ros__parameters": {}})["ros__parameters"]
            values[parameter] = BOOLEANS[value] if argument in SWITCHES else value
    return overrides


def _write(parameters: dict[str, dict[str, dict[str, str | bool]]]) -> str:
    """Writes a parameter file that lives as long as this launch."""
    with NamedTemporaryFile("w", prefix="rig_arguments_", suffix=".yaml", delete=False) as file:
        json.dump(parameters, file)  # which is YAML too, and quotes every text: `1e3` as a path stays a path
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def _rviz(given: dict[str, str]) -> list[LaunchDescriptionEntity]:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        get_logger("launch.user").warning(
            "rviz:=true, but RViz is not installed, so the rig starts without it: install ros-<release>-rviz2"
        )
        return []
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=given["namespace"],  # the topics in rig.rviz are relative
            arguments=["-d", str(CONFIG / "rviz" / "rig.rviz")],
            parameters=[{"use_sim_time": given["use_sim_time"] == "true"}],
        )
    ]
