"""The decisions of tools/set_up.py."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def make_prefix(folder, *packages):
    for package in packages:
        (folder / "share" / package).mkdir(parents=True)
        (folder / "share" / package / "package.xml").write_text("<package/>")
    return str(folder)


@pytest.fixture
def ros(tmp_path):
    """The environment of a shell that has sourced a ROS installation."""
    prefix = make_prefix(tmp_path / "opt/ros/humble", "rclpy", "vision_msgs", "message_filters")
    return {"ROS_DISTRO": "humble", "AMENT_PREFIX_PATH": prefix}


def test_a_sourced_ros_is_used_and_gets_a_folder_of_its_own(set_up, ros, tmp_path):
    plan = set_up.make_plan(ros, "3.10", tmp_path / "build")
    assert (plan.release, plan.folder, plan.from_index) == ("humble", tmp_path / "build/humble-py310", False)


def test_no_stand_in_is_built_over_a_sourced_ros(set_up, ros, tmp_path):
    plan = set_up.make_plan(ros, "3.10", tmp_path / "build")
    assert set_up.stand_ins(plan, ros) == []
    assert set_up.stand_ins(plan, {**ros, "AMENT_PREFIX_PATH": ""}) == []


@pytest.mark.parametrize(
    "environ",
    [{}, {"ROS_DISTRO": "humble"}, {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/no"}, {"AMENT_PREFIX_PATH": "/no"}],
)
def test_without_a_sourced_ros_it_comes_from_the_index(set_up, environ, tmp_path):
    plan = set_up.make_plan(environ, "3.11", tmp_path / "build")
    assert (plan.from_index, plan.folder) == (True, tmp_path / "build/pip-jazzy-py311")
    assert set_up.stand_ins(plan, environ) == ["vision_msgs", "message_filters"]


def test_our_own_environment_is_no_sourced_ros(set_up, tmp_path):
    build = tmp_path / "build"
    own = make_prefix(build / "pip-jazzy-py311/install", "rclpy", "vision_msgs", "message_filters")
    environ = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": own}
    assert set_up.make_plan(environ, "3.11", build).from_index


def test_every_ros_and_python_has_a_folder_of_its_own(set_up, ros, tmp_path):
    kinds = [(environ, minor) for environ in ({}, ros) for minor in ("3.10", "3.12")]
    folders = {set_up.make_plan(environ, minor, tmp_path / "build").folder for environ, minor in kinds}
    assert len(folders) == 4


def test_missing_ros_packages_are_named_without_python_keys(set_up, ros, tmp_path):
    manifest = tmp_path / "package.xml"
    manifest.write_text(
        "<package><depend>rclpy</depend><exec_depend>cv_bridge</exec_depend><exec_depend>python3-numpy</exec_depend></package>"
    )
    assert set_up.missing_ros_packages(manifest, set_up.ros_prefixes(ros)) == ["cv_bridge"]


def test_numpy_keeps_the_major_version_that_ros_was_built_with(set_up):
    pins = {"numpy": "2.4.6", "opencv-python": "4.14.0.94", "psutil": "7.2.2", "pyyaml": "6.0.3"}
    assert set_up.constraints_beside_ros(pins, {"numpy", "pyyaml"}, "1.21.5") == ["numpy>=1,<2", "psutil==7.2.2"]
    assert set_up.constraints_beside_ros(pins, {}, "2.3.0")[:2] == ["numpy>=2,<3", "opencv-python==4.14.0.94"]


def test_other_environments_do_not_leak_into_the_build(set_up, tmp_path):
    leaks = {"PYTHONPATH": "/other", "AMENT_PREFIX_PATH": "/other", "COLCON_PREFIX_PATH": "/other", "HOME": "/home/me"}
    environ = set_up.build_environment(set_up.make_plan({}, "3.11", tmp_path), {**leaks, "PATH": os.environ["PATH"]})
    assert "/other" not in environ.values()
    assert environ["HOME"] == "/home/me"
    assert environ["AMENT_PREFIX_PATH"] == environ["CMAKE_PREFIX_PATH"] == str(tmp_path / "pip-jazzy-py311/venv")


def test_wheels_cmake_files_get_the_paths_of_this_machine(set_up, tmp_path, monkeypatch):
    plan = set_up.make_plan({}, "3.11", tmp_path)
    file = plan.folder / "venv/share/std_msgs/cmake/export.cmake"
    file.parent.mkdir(parents=True)
    tail = "/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"
    file.write_text(f'INTERFACE "${{_IMPORT_PREFIX}}/include;/opt/python/cp311-cp311/include/python3.11;{tail}"\n')
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: "/venv/numpy/include\n")
    monkeypatch.setattr(set_up.sysconfig, "get_paths", lambda: {"include": "/usr/include/python3.11"})
    set_up.mend_cmake_paths(plan)
    mended = 'INTERFACE "${_IMPORT_PREFIX}/include;/usr/include/python3.11;/venv/numpy/include"\n'
    assert file.read_text() == mended
    set_up.mend_cmake_paths(plan)
    assert file.read_text() == mended


def test_failures_are_told_in_one_sentence(set_up, tmp_path):
    with pytest.raises(set_up.SetupError, match=r"`false` failed .* run it again"):
        set_up.run("false", folder=tmp_path)


def test_locks_hold_exact_versions_of_released_builds_and_nothing_of_cuda(set_up, repository):
    locks = sorted((repository / "requirements").glob("lock-*.txt"))
    assert [lock.stem for lock in locks] == [f"lock-3.{minor}" for minor in (10, 11, 12, 13, 14)]
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        pins = [line for line in text.splitlines() if not line.startswith("#")]
        assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin)] == []
        names = set(set_up.locked_versions(lock))
        assert {"torch", "ultralytics", "ros-rclpy", "colcon-core", "pytest"} <= names
        assert not {name for name in names if name.startswith(("nvidia-cu", "cuda-")) or name == "triton"}


def test_the_folder_is_the_same_from_inside_the_environment(repository, prefix):
    command = [sys.executable, str(repository / "tools/set_up.py"), "--folder"]
    inside = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    base = [str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")), *command[1:]]
    assert subprocess.run(base, capture_output=True, text=True, timeout=60, check=True).stdout == inside
