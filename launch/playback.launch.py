"""A bag played to the rig: /clock and topics out of the bag, registration, fusion and detection on them.

    ros2 launch tardal_ros playback.launch.py bag:=drive
    ros2 launch tardal_ros playback.launch.py bag:=drive rate:=0.5 fuser:=tardal weights:=tardal.safetensors
    ros2 launch tardal_ros playback.launch.py bag:=drive evaluate:=true report:=out/live
    ros2 launch tardal_ros playback.launch.py bag:=theirs topics:="visible/left=/cam0/image infrared/left=/ir/image"

It takes the arguments of rig.launch.py too, but for `source` (which is the bag) and `use_sim_time` (which is true). It
ends when the bag is played and what was under way is done. With `evaluate` it then tells how good the results are.
"""

from __future__ import annotations

import math
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import Action, LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

RIG = Path(__file__).resolve().parent / "rig.launch.py"
ROSBAG2, OWN = "rosbag2", "own"

COMPRESSED = "sensor_msgs/msg/CompressedImage"
TRANSFORMS = ("/tf", "/tf_static")
SWITCH = ("true", "false")
# What the rig's last stages publish once their models are loaded.
SIGNS = ["registration/status", "fusion/image", "detection/detections"]

# Seconds for which the rig goes on after the bag has ended, where nobody evaluates and says when all is done.
DRAIN = 3.0


def generate_launch_description() -> LaunchDescription:
    playback = Playback()
    return LaunchDescription(
        [
            _argument("bag", "Bag to play: its folder, or its .mcap or .db3 file.", None),
            _argument("rate", "Playing speed; 1 is real time.", "1.0"),
            _argument("loop", "Begin again at the end.", "false", SWITCH),
            _argument("start_offset", "How much of the bag's beginning is left out [s].", "0.0"),
            _argument(
                "topics",
                "The bag's topics, where they are not called as the rig's: words NAME=TOPIC, such as"
                " visible/left=/cam0/image_raw.",
            ),
            _argument(
                "player",
                "What plays: rosbag2 is `ros2 bag play`, own is the player of this package; auto is rosbag2 where that"
                " is installed.",
                "auto",
                ("auto", ROSBAG2, OWN),
            ),
            _argument(
                "delay", "Seconds that rosbag2 gives the rig to load its models; our player waits for the rig.", "10.0"
            ),
            _argument("evaluate", "Measure how good the results are, and sum it up in the end.", "false", SWITCH),
            _argument("report", "Folder for pairs.jsonl and summary.json of evaluate:=true; empty for none."),
            OpaqueFunction(function=playback.check),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(RIG)),
                launch_arguments={"source": "topics", "use_sim_time": "true"}.items(),
            ),
            OpaqueFunction(function=playback.play),
        ]
    )


def _argument(
    name: str, description: str, default: str | None = "", choices: tuple[str, ...] | None = None
) -> DeclareLaunchArgument:
    return DeclareLaunchArgument(
        name, default_value=default, description=description, choices=list(choices) if choices else None
    )


class Playback:
    """What is played, once the arguments are known."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.remaps: list[str] = []

    def check(self, context: LaunchContext) -> None:
        """Looks at the arguments and at the bag, before anything is started."""
        from tardal_ros.bags.reader import BagReader
        from tardal_ros.bags.topics import find_topics
        from tardal_ros.errors import RigError

        given = context.launch_configurations
        for name, least, most in (("rate", 0.01, 100.0), ("start_offset", 0.0, 1e6), ("delay", 0.0, 3600.0)):
            _check_number(name, given[name], least, most)
        path = Path(given["bag"]).expanduser()
        try:
            reader = BagReader(path)
            found = find_topics(reader, path, _named(given["topics"]))
        except RigError as error:
            raise RuntimeError(str(error)) from None
        types = {name: topic.type for name, topic in reader.topics.items()}
        if _is_compressed(found, types):
            given["params_file"] = _taking_compressed(given.get("params_file", ""))
        ours = _played_as(found, types)
        namespace = given.get("namespace", "").strip("/")
        prefix = f"/{namespace}/" if namespace else "/"
        self.topics = [*ours, *(topic for topic in TRANSFORMS if topic in types)]
        self.remaps = [f"{topic}:={prefix}{name}" for topic, name in ours.items() if topic != f"{prefix}{name}"]

    def play(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Makes the processes beside the rig, and says when all ends."""
        given = dict(context.launch_configurations)
        evaluate = given["evaluate"] == "true"
        player = self._rosbag2(given) if _plays_rosbag2(given["player"]) else self._own(given, evaluate)
        done = EmitEvent(event=Shutdown(reason="the bag is played"))

        def after_player(event: ProcessExited, _: LaunchContext) -> list[Action]:
            if event.returncode:
                return [EmitEvent(event=Shutdown(reason="the bag cannot be played"))]
            return [] if evaluate else [TimerAction(period=DRAIN, actions=[done])]

        ends = [RegisterEventHandler(OnProcessExit(target_action=player, on_exit=after_player))]
        if not evaluate:
            return [*ends, player]
        evaluation = _node("evaluation", given, _evaluation_parameters(given))
        ends.append(RegisterEventHandler(OnProcessExit(target_action=evaluation, on_exit=[done])))
        return [*ends, evaluation, player]

    def _own(self, given: dict[str, str], evaluate: bool) -> ExecuteProcess:
        parameters = {
            "bag": given["bag"],
            "topics": self.topics,
            "rate": float(given["rate"]),
            "loop": given["loop"] == "true",
            "start_offset": float(given["start_offset"]),
            "wait_for": [*SIGNS, *(["evaluation/quality"] if evaluate else [])],
        }
        remaps = [word for remap in self.remaps for word in ("-r", remap)]
        return _node("player", given, parameters, ["--ros-args", *remaps, "--"] if remaps else [])

    def _rosbag2(self, given: dict[str, str]) -> ExecuteProcess:
        command = ["ros2", "bag", "play", given["bag"], "--clock", "100", "--rate", given["rate"]]
        command += ["--delay", given["delay"], "--start-offset", given["start_offset"]]
        command += ["--loop"] if given["loop"] == "true" else []
        command += ["--topics", *self.topics]
        command += ["--remap", *self.remaps] if self.remaps else []
        return ExecuteProcess(cmd=command, output="screen")


def _check_number(name: str, text: str, least: float, most: float) -> None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise RuntimeError(f"{name} is {text!r}: it must be a number between {least:g} and {most:g}")


def _named(words: str) -> dict[str, str]:
    """The bag's topics by what the rig calls their stream."""
    pairs = [word.partition("=") for word in words.split()]
    for name, _, topic in pairs:
        if not topic:
            raise RuntimeError(
                f"topics has the word {name!r}, but needs words NAME=TOPIC, as in visible/left=/cam0/image"
            )
    return {name: topic for name, _, topic in pairs}


def _is_compressed(found: dict[str, str], types: dict[str, str]) -> bool:
    """Whether the bag's images are compressed ones; the rig takes one kind."""
    kinds = {types[topic] == COMPRESSED for name, topic in found.items() if not name.startswith("truth/")}
    if len(kinds) > 1:
        raise RuntimeError("the bag has raw and compressed images, but the rig takes one kind: name them by topics")
    return kinds.pop()


def _played_as(found: dict[str, str], types: dict[str, str]) -> dict[str, str]:
    """The rig's names for topics of the bag; what else it holds, such as an earlier run's results, is not played."""
    from tardal_ros.bags.topics import info_topic

    ours = {}
    for name, topic in found.items():
        if name.startswith("truth/"):
            ours[topic] = name
            continue
        ours[topic] = f"{name}/image_raw" + ("/compressed" if types[topic] == COMPRESSED else "")
        if info_topic(topic) in types:
            ours[info_topic(topic)] = f"{name}/camera_info"
    return ours


def _taking_compressed(params_file: str) -> str:
    """A parameter file like the one given, with which registration takes compressed images."""
    path = Path(params_file).expanduser()
    if params_file and not path.is_file():
        return params_file  # which the rig's launch file refuses
    parameters = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if params_file else {}
    transport = {"ros__parameters": {"transport": "compressed"}}
    written: str = _rig()._write({**parameters, "/**/**/registration": transport})
    return written


def _evaluation_parameters(given: dict[str, str]) -> dict[str, object]:
    weights = given["weights"]
    return {
        "fuser": Path(weights).stem if weights else given["fuser"] or _rig()._shipped("fuser"),
        "report": given["report"],
        "recording": Path(given["bag"]).stem,
        "end_with_clock": True,
        "use_sim_time": True,
    }


def _node(name: str, given: dict[str, str], parameters: dict[str, object], arguments: list[str] | None = None) -> Node:
    """A process with one node, made as the rig's are; what is given here wins over parameter files."""
    rig = _rig()
    over = rig._write({f"/**/**/{name}": {"ros__parameters": parameters}})
    files = [given["params_file"], over] if given["params_file"] else [over]
    node: Node = rig._process(name, (name,), files, {**given, "respawn": "false"}, tuple(arguments or ()))
    return node


def _plays_rosbag2(player: str) -> bool:
    if player != "auto":
        return player == ROSBAG2
    try:
        get_package_prefix("ros2bag")
    except PackageNotFoundError:
        return False
    return True


def _rig() -> ModuleType:
    """The rig's launch file, for what both do alike."""
    spec = spec_from_file_location("rig_launch", RIG)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
