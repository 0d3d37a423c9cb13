from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import Example
from tardal_ros.errors import RigError
from tardal_ros.evaluation.truth import read_folder, save_example
from tardal_ros.simulation import CLASSES
from tardal_ros.types import Frame, Pair, View, freeze

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
RNG = np.random.default_rng(0)


@pytest.fixture
def shared_pairs():
    folder = SHARED / "data" / "msrs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/msrs beside the repository")
    return folder


def an_example(name="day_0", mask=True):
    visible = freeze(RNG.integers(0, 255, (24, 32, 3), np.uint8))
    infrared = freeze(RNG.integers(0, 255, (24, 32), np.uint8))
    seen = np.where(infrared > 20, 255, 0).astype(np.uint8) if mask else None
    there = Objects(np.array([[1.5, 2.0, 20.0, 19.0]]), np.array([3]), np.array([True]), CLASSES)
    pair = Pair(View(Frame(visible, 0)), View(Frame(infrared, 0)), seen)
    return Example(name, "scene", "fog", pair, there)


def pairs_folder(folder, labels="0 0.5 0.5 0.25 0.5\n"):
    for part, image in {"vi": np.zeros((24, 32, 3), np.uint8), "ir": np.zeros((24, 32), np.uint8)}.items():
        (folder / part).mkdir(parents=True)
        cv2.imwrite(str(folder / part / "one.png"), image)
    (folder / "labels").mkdir()
    (folder / "labels" / "one.txt").write_text(labels)
    (folder / "classes.txt").write_text("person\ncar\n")
    return folder


@pytest.mark.parametrize("mask", [True, False])
def test_an_example_comes_back_as_it_was_saved(tmp_path, mask):
    saved = an_example(mask=mask)
    save_example(tmp_path, saved)
    (read,) = read_folder(tmp_path)

    assert (read.name, read.scene, read.condition) == (saved.name, saved.scene, saved.condition)
    assert np.array_equal(read.pair.visible.left.image, saved.pair.visible.left.image)
    assert np.array_equal(read.pair.infrared.left.image, saved.pair.infrared.left.image)
    # Where no mask was saved, no black border means that infrared sees everything.
    assert np.array_equal(read.pair.mask, saved.pair.mask if mask else np.full((24, 32), 255))
    assert np.array_equal(read.objects.xyxy, saved.objects.xyxy)
    assert read.objects.class_ids.tolist() == [3] and read.objects.ignored.tolist() == [True]
    assert read.objects.names == CLASSES


def test_an_example_that_was_not_finished_is_left_out(tmp_path):
    save_example(tmp_path, an_example("whole"))
    save_example(tmp_path, an_example("half"))
    (tmp_path / "objects" / "half.json").unlink()

    assert [example.name for example in read_folder(tmp_path)] == ["whole"]


def test_real_pairs_have_yolo_labels(tmp_path):
    (read,) = read_folder(pairs_folder(tmp_path / "pairs"))

    assert read.objects.xyxy.tolist() == [[12.0, 6.0, 20.0, 18.0]]
    assert read.objects.names == ("person", "car") and not read.objects.ignored.any()
    assert not read.pair.mask.any() and read.scene == "one", "black infrared sees nothing"


def test_the_black_border_of_a_warped_picture_is_not_seen(tmp_path):
    folder = pairs_folder(tmp_path / "pairs")
    infrared = np.full((24, 32), 90, np.uint8)
    infrared[:, :12] = 0
    cv2.imwrite(str(folder / "ir" / "one.png"), infrared)
    (read,) = read_folder(folder)

    assert not read.pair.mask[:, :12].any() and read.pair.mask[:, 16:].all()


@pytest.mark.parametrize("missing", ["ir/one.png", "labels/one.txt", "classes.txt"])
def test_a_missing_file_is_named(tmp_path, missing):
    folder = pairs_folder(tmp_path / "pairs")
    (folder / missing).unlink()
    with pytest.raises(RigError, match=missing.split("/")[-1]):
        list(read_folder(folder))


def test_a_broken_truth_is_named(tmp_path):
    save_example(tmp_path, an_example())
    (tmp_path / "objects" / "day_0.json").write_text(json.dumps({"scene": "x"}))
    with pytest.raises(RigError, match=r"day_0\.json is broken"):
        list(read_folder(tmp_path))


def test_a_folder_without_labels_is_refused(tmp_path):
    folder = pairs_folder(tmp_path / "pairs")
    (folder / "classes.txt").unlink()
    shutil.rmtree(folder / "labels")
    with pytest.raises(RigError, match="pairs has no labels to judge by"):
        list(read_folder(folder))


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(RigError, match="no pictures"):
        list(read_folder(tmp_path))


def test_the_real_pairs_are_read(shared_pairs):
    objects = [example.objects for example in read_folder(shared_pairs)]
    ids = np.concatenate([each.class_ids for each in objects])

    assert len(objects) == 34 and objects[0].names == ("person", "bicycle", "car")
    assert np.bincount(ids).tolist() == [150, 12, 32]
