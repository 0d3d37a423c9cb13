import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")

from tardal_ros.ros.process import PROFILES, make_room_for_images, run


@pytest.fixture
def no_profile():
    before = dict(os.environ)
    for name in PROFILES:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_images_get_room_in_shared_memory(no_profile):
    pytest.importorskip("tardal_ros.msg", reason="needs the built package: `make test` builds it")
    make_room_for_images()
    for name in PROFILES:
        assert Path(os.environ[name]).name == "fastdds.xml"
        assert Path(os.environ[name]).is_file()


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_of_the_user_is_left_alone(no_profile, monkeypatch, name):
    monkeypatch.setenv(name, "mine.xml")
    make_room_for_images()
    assert {key: os.environ[key] for key in PROFILES if key in os.environ} == {name: "mine.xml"}


def test_a_malformed_parameter_file_is_one_sentence(tmp_path, capsys, monkeypatch, no_profile):
    monkeypatch.setattr("tardal_ros.ros.process.signal.signal", lambda *_: None)
    path = tmp_path / "broken.yaml"
    path.write_text("fusion: [unclosed")
    assert run(list, ["--ros-args", "--params-file", str(path)]) == 1
    assert "tardal_ros cannot start" in capsys.readouterr().err
