from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.calibration import Rig, dump_rig, load_rig
from tardal_ros.capture import load_geometry, to_rig
from tardal_ros.commands import main
from tardal_ros.simulation import INFRARED, VISIBLE, VISIBLE_RIGHT, default_rig
from tardal_ros.simulation.export import DEPTH_UNIT
from tardal_ros.types import Array

NAME = "train_vehicle_day_0_00000.png"


class NoScene:
    """Stands for a scene of which nothing is rendered."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture
def no_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tardal_ros.simulation.Scene", NoScene)


@pytest.fixture(scope="module")
def tiny_rig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rig") / "tiny.yaml"
    dump_rig(to_rig(default_rig().scaled(0.25)), path)
    return path


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory, tiny_rig: Path) -> Path:
    """What the command writes of the tiny rig, once for all tests."""
    out = tmp_path_factory.mktemp("stereo")
    assert render(out, "--rig", tiny_rig, "--eyes", "stereo") == 0
    return out


def render(out: Path, *arguments: object) -> int:
    return main(["render", str(out), "--count", "1", *map(str, arguments)])


def read(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return np.asarray(image)


def test_it_renders_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path, "--scale", 0.25, "--condition", "overcast", "--view", "uav") == 0
    assert "1/1 pairs, 0 s left" in capsys.readouterr().err
    image = read(tmp_path / "ir" / "train_uav_overcast_0_00000.png")
    assert image.shape == (192, 256) and image.std() > 5
    assert main(["render", str(tmp_path), "--condition", "hail"]) == 1
    assert "no condition 'hail'" in capsys.readouterr().err
    assert main(["render", str(tmp_path), "--count", "0"]) == 1
    assert "--count 0" in capsys.readouterr().err


def test_stereo_users_get_all_that_they_need_to_check_a_match(stereo: Path) -> None:
    rig = load_geometry(stereo / "rig.yaml")
    assert {stream: camera.info.width for stream, camera in rig.cameras.items()} == {
        stream: camera.info.width // 4 for stream, camera in default_rig().cameras.items()
    }
    left, right = (read(folder / "vi" / NAME).astype(int).sum(-1) for folder in (stereo, stereo / "right"))
    depth = read(stereo / "depth" / NAME) * DEPTH_UNIT
    # Points of the left image, put into space by the depth, look alike where the rig file says that they are in the
    # right one; where the depth is another, they do not.
    rows, columns = np.mgrid[60:180:3, 20:230:3].reshape(2, -1)
    flat = (depth[rows, columns] > 0) & (depth[rows, columns] < 40.0)
    rows, columns = rows[flat], columns[flat]
    rays = rig.cameras[VISIBLE].rays()[rows, columns]

    def error(stretch: float) -> float:
        points = np.column_stack([rays, np.ones(len(rays))]) * depth[rows, columns, None] * stretch
        x, y = rig.project(VISIBLE_RIGHT, points).round().astype(int).T
        inside = (x >= 0) & (x < right.shape[1]) & (y >= 0) & (y < right.shape[0])
        return float(np.median(np.abs(left[rows, columns] - right[y.clip(0, 191), x.clip(0, 255)])[inside]))

    assert len(rows) > 300
    assert error(1.0) < min(error(0.4), error(4.0))


def test_raw_infrared_and_the_rig_file_register_to_the_infrared_beside_them(stereo: Path) -> None:
    from tardal_ros.registration.agc import Agc, to_grey8
    from tardal_ros.registration.warp import registering_warp

    counts = read(stereo / "raw" / NAME)
    assert counts.dtype == np.uint16 and counts.shape == (128, 160)
    warp = registering_warp(load_rig(stereo / "rig.yaml"), INFRARED, VISIBLE, rectify=False)
    ours = warp.apply(to_grey8(counts, Agc().update(counts))).astype(int)
    assert np.abs(ours - read(stereo / "ir" / NAME)).max() <= 1


@pytest.mark.usefixtures("no_scene")
def test_pairs_of_other_cameras_are_not_mixed(stereo: Path, tiny_rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(stereo.rglob("*"))
    assert render(stereo, "--rig", tiny_rig, "--scale", 0.5) == 1
    assert f"{stereo / 'rig.yaml'} says that the pairs there are of other cameras" in capsys.readouterr().err
    assert render(stereo, "--rig", tiny_rig, "--eyes", "stereo") == 0
    assert "0 new pairs" in capsys.readouterr().out
    assert sorted(stereo.rglob("*")) == before


def test_a_rig_without_a_right_infrared_eye_is_told(
    tmp_path: Path, tiny_rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig, three = load_rig(tiny_rig), tmp_path / "three.yaml"
    dump_rig(replace(rig, cameras={name: rig.cameras[name] for name in (VISIBLE, VISIBLE_RIGHT, INFRARED)}), three)
    assert render(tmp_path / "out", "--rig", three, "--eyes", "stereo") == 1
    assert "no camera infrared/right" in capsys.readouterr().err
    assert render(tmp_path / "out", "--rig", tmp_path / "absent.yaml") == 1
    assert "absent.yaml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_scene")
def test_a_disk_that_is_full_for_the_rig_file_too_is_told(
    tmp_path: Path, tiny_rig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(rig: Rig, path: Path) -> None:
        path.with_name("rig.yaml.part").write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tardal_ros.calibration.dump_rig", full)
    assert render(tmp_path / "out", "--rig", tiny_rig) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("no_scene")
def test_ctrl_c_is_no_traceback(
    tmp_path: Path, tiny_rig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tardal_ros.simulation.export._contents", interrupt)
    assert render(out, "--rig", tiny_rig) == 130
    assert "the same command goes on from there\n" in capsys.readouterr().err
    assert not list(out.glob("vi/*")) and not list(out.glob(".*"))
