"""A stand-in for the installed package, so that launch files run in a moment and show what they would start."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

LAUNCH_FILES = Path(__file__).resolve().parents[2] / "launch"
PROGRAM = f"""#!{sys.executable}
import json, os, sys

with open(__file__ + ".json", "w") as record:
    json.dump({{"arguments": sys.argv[1:], "environment": dict(os.environ)}}, record)
"""


class Package:
    """Installed packages whose programs only write down how they were started."""

    def __init__(self, prefix):
        self.prefix = prefix

    def install(self, package, *programs):
        folder = self.prefix / "lib" / package
        folder.mkdir(parents=True)
        index = self.prefix / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / package).touch()
        for name in programs:
            (folder / name).write_text(PROGRAM)
            (folder / name).chmod(0o755)

    def launch(self, file="rig.launch.py", **arguments):
        """Runs a launch file to its end; returns its exit code, and the programs started with how they were."""
        from launch import LaunchDescription, LaunchService
        from launch.actions import IncludeLaunchDescription
        from launch.launch_description_sources import PythonLaunchDescriptionSource

        source = PythonLaunchDescriptionSource(str(LAUNCH_FILES / file))
        service = LaunchService(noninteractive=True)
        service.include_launch_description(
            LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments.items())])
        )
        code = service.run()
        records = self.prefix.glob("lib/*/*.json")
        return code, {path.stem: SimpleNamespace(**json.loads(path.read_text())) for path in records}


@pytest.fixture(scope="session", autouse=True)
def logs_elsewhere(tmp_path_factory):
    """Logs of ROS and launch in a temporary folder, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
        yield


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package and its programs, as stand-ins that are found before installed ones."""
    pytest.importorskip("launch_ros", reason="needs launch_ros, which a ROS 2 installation brings")
    stand_in = Package(tmp_path / "prefix")
    programs = ("rig", "capture", "registration", "fusion", "detection", "recorder", "player", "evaluation")
    stand_in.install("tardal_ros", *programs)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(stand_in.prefix), prepend=os.pathsep)
    return stand_in


@pytest.fixture
def launch_log(caplog):
    """What launch tells the user; its loggers do not hand on to Python's root logger."""
    from launch.logging import get_logger

    loggers = [get_logger(name) for name in ("launch", "launch.user")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield caplog
    for logger in loggers:
        logger.removeHandler(caplog.handler)
