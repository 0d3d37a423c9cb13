from __future__ import annotations

import errno
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main
from tardal_ros.errors import RigError
from tardal_ros.simulation import INFRARED, VERSION, Scene
from tardal_ros.simulation.export import FOLDERS, export
from tardal_ros.types import Array


def plain(counts: Array) -> Array:
    return (counts >> 8).astype(np.uint8)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pairs_labels_and_truth_are_written_and_kept(small_night: Scene, tmp_path: Path) -> None:
    seen: list[int] = []
    assert export(small_night, "n", [0.0, 1.0], tmp_path, plain, seen.append) == 2
    assert seen == [1, 2]
    suffixes = dict(zip(FOLDERS, ("png", "png", "txt", "png", "json"), strict=True))
    expected = [f"{part}/n_{i:05d}.{suffix}" for part, suffix in suffixes.items() for i in range(2)]
    assert names(tmp_path) == sorted([*expected, "classes.txt"])
    truth, meta = small_night.truth("visible/left", 1.0), json.loads((tmp_path / "meta" / "n_00001.json").read_text())
    assert (meta["renderer"], meta["condition"], meta["stamp_ns"]) == (VERSION, "night", 1_000_000_000)
    assert len(meta["objects"]) == len(truth.instances)
    mask = cv2.imread(str(tmp_path / "mask" / "n_00001.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, truth.targets)
    labels = np.loadtxt(tmp_path / "labels" / "n_00001.txt", ndmin=2)
    assert len(labels) > 3 and np.all((labels[:, 1:] >= 0) & (labels[:, 1:] <= 1))
    assert set(labels[:, 0]) <= set(range(6))
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in expected}
    assert export(small_night, "n", [0.0, 1.0, 2.0], tmp_path, plain) == 1
    assert before == {name: (tmp_path / name).stat().st_mtime_ns for name in expected}


def test_a_full_disk_leaves_nothing_half_written(
    small_night: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, wrote = Path.write_bytes, []

    def full_after_seven(self: Path, data: bytes) -> int:
        wrote.append(self)
        if len(wrote) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full_after_seven)
    with pytest.raises(RigError, match=r"No space left.*1 new pairs are whole"):
        export(small_night, "n", [0.0, 1.0], tmp_path, plain)
    assert len(names(tmp_path)) == 6
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_command_renders_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["render", str(tmp_path), "--count", "1", "--scale", "0.25", "--condition", "overcast", "--view", "uav"]
    assert main(arguments) == 0
    assert "1/1 pairs" in capsys.readouterr().err
    image = cv2.imread(str(tmp_path / "ir" / "train_uav_overcast_0_00000.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None and image.shape == (192, 256) and image.std() > 5
    assert main(["render", str(tmp_path), "--condition", "hail"]) == 1
    assert "no condition 'hail'" in capsys.readouterr().err
    assert main(["render", str(tmp_path), "--count", "0"]) == 1
    assert "--count 0" in capsys.readouterr().err


def test_infrared_freezes_while_its_shutter_is_closed(small_night: Scene) -> None:
    sensor = small_night._sensors[INFRARED]
    closed = next(time for time in np.arange(0.5, 40.0, 0.1) if sensor.moment(time) < time)  # type: ignore[union-attr]
    np.testing.assert_array_equal(small_night.view(INFRARED, closed), small_night.view(INFRARED, closed + 0.05))
    assert np.any(small_night.view(INFRARED, closed) != small_night.view(INFRARED, closed + 1.0))
