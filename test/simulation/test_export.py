from __future__ import annotations

import errno
import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.simulation import INFRARED, INFRARED_RIGHT, VERSION, VISIBLE, VISIBLE_RIGHT, Scene
from tardal_ros.simulation.export import DEPTH_UNIT, FILES, Side, export
from tardal_ros.types import Array


class Kept(Scene):
    """A scene of which each view and truth is made once, since every run wants the same ones."""

    def __init__(self, scene: Scene) -> None:
        vars(self).update(vars(scene))
        self.view = lru_cache(scene.view)  # type: ignore[method-assign]
        self.truth = lru_cache(scene.truth)  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def kept(small_night: Scene) -> Scene:
    return Kept(small_night)


def plain(counts: Array) -> Array:
    return (counts >> 8).astype(np.uint8)


def left(folder: Path) -> list[Side]:
    return [Side(VISIBLE, INFRARED, plain, folder)]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names(folder)}


def read(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return np.asarray(image)


def assert_whole(folder: Path) -> int:
    """Whoever goes by the pictures in vi/ finds all files of each pair, and each of them whole; returns how many."""
    pairs = [path.stem for path in folder.glob("vi/*.png")]
    for stem in pairs:
        for part, suffix in FILES.items():
            path = folder / part / f"{stem}.{suffix}"
            if suffix == "png":
                read(path)
            else:
                assert path.exists()
        json.loads((folder / "meta" / f"{stem}.json").read_text())
    return len(pairs)


def test_pairs_and_labels_are_written_and_kept(kept: Scene, tmp_path: Path) -> None:
    seen: list[int] = []
    assert export(kept, "n", [0.0, 1.0], left(tmp_path), seen.append) == 2
    assert seen == [1, 2]
    expected = [f"{part}/n_{i:05d}.{suffix}" for part, suffix in FILES.items() for i in range(2)]
    assert names(tmp_path) == sorted([*expected, "classes.txt"])
    np.testing.assert_array_equal(read(tmp_path / "vi" / "n_00001.png"), kept.view(VISIBLE, 1.0))
    np.testing.assert_array_equal(read(tmp_path / "raw" / "n_00001.png"), kept.view(INFRARED, 1.0))
    np.testing.assert_array_equal(read(tmp_path / "ir" / "n_00001.png"), plain(kept.view(INFRARED, 1.0)))
    labels = np.loadtxt(tmp_path / "labels" / "n_00001.txt", ndmin=2)
    assert len(labels) > 3 and np.all((labels[:, 1:] >= 0) & (labels[:, 1:] <= 1))
    assert set(labels[:, 0]) <= set(range(6))
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in expected}
    assert export(kept, "n", [0.0, 1.0, 2.0], left(tmp_path)) == 1
    assert before == {name: (tmp_path / name).stat().st_mtime_ns for name in expected}


def test_the_whole_truth_is_written(kept: Scene, tmp_path: Path) -> None:
    export(kept, "n", [1.0], left(tmp_path))
    truth, meta = kept.truth(VISIBLE, 1.0), json.loads((tmp_path / "meta" / "n_00000.json").read_text())
    assert (meta["renderer"], meta["condition"], meta["stamp_ns"]) == (VERSION, "night", 1_000_000_000)
    assert (meta["camera"], meta["depth_unit_m"]) == (VISIBLE, DEPTH_UNIT)
    np.testing.assert_array_equal(read(tmp_path / "mask" / "n_00000.png"), truth.targets)
    instances, depth = (read(tmp_path / part / "n_00000.png") for part in ("instances", "depth"))
    assert instances.dtype == depth.dtype == np.uint16
    np.testing.assert_array_equal(instances, truth.labels)
    assert set(np.unique(instances)) - {0} <= {entry["number"] for entry in meta["objects"]}
    near = truth.depth < 655.0
    np.testing.assert_allclose(depth[near] * DEPTH_UNIT, truth.depth[near], atol=0.0051)
    assert near.any() and not near.all() and not depth[~near].any()


def test_both_eyes_are_written_as_two_data_sets_of_one_layout(kept: Scene, tmp_path: Path) -> None:
    sides = [*left(tmp_path), Side(VISIBLE_RIGHT, INFRARED_RIGHT, plain, tmp_path / "right")]
    assert export(kept, "n", [1.0], left(tmp_path)) == 1
    assert export(kept, "n", [1.0], sides) == 1  # the left one is there
    assert assert_whole(tmp_path) == assert_whole(tmp_path / "right") == 1
    np.testing.assert_array_equal(read(tmp_path / "right" / "vi" / "n_00000.png"), kept.view(VISIBLE_RIGHT, 1.0))
    assert json.loads((tmp_path / "right" / "meta" / "n_00000.json").read_text())["camera"] == VISIBLE_RIGHT
    # What both eyes see keeps its number, and lies further left in the right image by the disparity of its depth.
    ours, theirs = (kept.truth(stream, 1.0) for stream in (VISIBLE, VISIBLE_RIGHT))
    shared = {one.number for one in ours.instances} & {one.number for one in theirs.instances}
    assert shared


STEPS = range(0, 2 * (2 * len(FILES) + 2) + 3)


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_at_any_step_leaves_whole_pairs_and_the_same_command_goes_on(
    kept: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    write, replace, times = Path.write_bytes, Path.replace, [0.0, 1.0]
    done: list[Path] = []

    def full() -> None:
        if len(done) >= step:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_half(self: Path, data: bytes) -> int:
        try:
            full()
        except OSError:
            write(self, data[: len(data) // 2])
            raise
        done.append(self)
        return write(self, data)

    def move(self: Path, target: Path) -> Path:
        full()
        done.append(target)
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half)
        patch.setattr(Path, "replace", move)
        try:
            export(kept, "n", times, left(tmp_path))
        except RigError as error:
            assert "No space left" in str(error) and str(tmp_path) in str(error)
            assert f"{assert_whole(tmp_path)} new pairs are whole" in str(error)
        else:
            assert step >= len(done)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert_whole(tmp_path)
    export(kept, "n", times, left(tmp_path))
    assert assert_whole(tmp_path) == 2
    export(kept, "n", times, left(tmp_path / "at_once"))
    at_once = contents(tmp_path / "at_once")
    assert {name: (tmp_path / name).read_bytes() for name in at_once} == at_once


class Killed(BaseException):
    """Stands for a signal that ends the process on the spot."""


@pytest.mark.parametrize("step", [1, 4, 14, 18, 19, 23])
def test_a_killed_run_leaves_whole_pairs_and_the_same_command_goes_on(
    kept: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    replace, moved = Path.replace, []

    with monkeypatch.context() as patch:

        def move(self: Path, target: Path) -> Path:
            moved.append(target)
            if len(moved) > step:
                patch.setattr("tardal_ros.simulation.export.shutil.rmtree", lambda *_, **__: None)  # nobody tidies up
                raise Killed
            return replace(self, target)

        patch.setattr(Path, "replace", move)
        with pytest.raises(Killed):
            export(kept, "n", [0.0, 1.0, 2.0], left(tmp_path))
    assert assert_whole(tmp_path) == (step - 1) // len(FILES)
    export(kept, "n", [0.0, 1.0, 2.0], left(tmp_path))
    assert assert_whole(tmp_path) == 3
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_infrared_freezes_while_its_shutter_is_closed(small_night: Scene) -> None:
    sensor = small_night._sensors[INFRARED]
    closed = next(time for time in np.arange(0.5, 40.0, 0.1) if sensor.moment(time) < time)  # type: ignore[union-attr]
    np.testing.assert_array_equal(small_night.view(INFRARED, closed), small_night.view(INFRARED, closed + 0.05))
    assert np.any(small_night.view(INFRARED, closed) != small_night.view(INFRARED, closed + 1.0))
