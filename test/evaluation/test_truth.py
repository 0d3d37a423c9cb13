from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.truth import (
    Example,
    Objects,
    objects_of,
    read_folder,
    read_labels,
    rendered_examples,
    save_example,
)
from tardal_ros.simulation import CLASSES, Instance, Truth
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

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
    assert (read.pair.mask is None) is not mask
    assert not mask or np.array_equal(read.pair.mask, saved.pair.mask)
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
    assert read.pair.mask is None and read.scene == "one"


@pytest.mark.parametrize("listed", ["traffic light\ncar\n", "0 traffic light\n1 car\n", "traffic light\n\ncar"])
def test_classes_are_listed_with_or_without_their_number(tmp_path, listed):
    folder = pairs_folder(tmp_path / "pairs")
    (folder / "classes.txt").write_text(listed)
    (read,) = read_folder(folder)

    assert read.objects.names == ("traffic light", "car")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("0 0.5 0.5 0.25\n", "each line must be"),
        ("0 a 0.5 0.25 0.5\n", "each line must be"),
        ("7 0.5 0.5 0.25 0.5\n", "not named"),
        ("0 1.5 0.5 0.25 0.5\n", "outside 0 to 1"),
        ("0 nan 0.5 0.25 0.5\n", "outside 0 to 1"),
    ],
)
def test_broken_labels_are_named(tmp_path, labels, sentence):
    folder = pairs_folder(tmp_path / "pairs", labels)
    with pytest.raises(RigError, match=f"one.txt.*{sentence}"):
        list(read_folder(folder))


def test_no_labels_are_no_objects(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    assert len(read_labels(tmp_path / "empty.txt", (10, 10), ("a",)).xyxy) == 0


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


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(RigError, match="no pictures"):
        list(read_folder(tmp_path))


def test_the_hidden_and_the_small_are_ignored():
    def instance(box, visibility):
        return Instance(1, 1, np.array(box, float), visibility, False, np.zeros((8, 3)), np.zeros(3))

    seen = [
        instance((0, 0, 40, 30), 0.9),
        instance((0, 0, 40, 30), 0.1),
        instance((0, 0, 40, 9), 1.0),
    ]
    blank = np.zeros((4, 4))
    info = CameraInfo(4, 4, np.eye(3))
    arrays = (blank.astype(np.uint16), blank.astype(np.float32), blank.astype(np.uint8))
    truth = Truth("visible/left", 0, info, np.eye(4), tuple(seen), *arrays)

    assert objects_of(truth).ignored.tolist() == [False, True, True]
    assert objects_of(truth, smallest=5.0).ignored.tolist() == [False, True, False]
    nothing = Truth("visible/left", 0, info, np.eye(4), (), *arrays)
    assert objects_of(nothing).xyxy.shape == (0, 4)


def test_rendered_pairs_are_registered_and_true():
    first, second = rendered_examples(4, "challenge", "train", [0.0, 3.0])

    for example in (first, second):
        visible, infrared = example.pair.visible.left, example.pair.infrared.left
        assert infrared.image.dtype == np.uint8 and infrared.size == visible.size == (1024, 768)
        assert example.pair.mask is not None and 0.5 < (example.pair.mask == 255).mean() < 1.0
        assert example.condition == "smoke"
        assert (~example.objects.ignored).any()
    assert first.scene == second.scene and first.name != second.name
    assert not np.array_equal(first.pair.visible.left.image, second.pair.visible.left.image)


def test_the_real_pairs_are_read(shared_pairs):
    objects = [example.objects for example in read_folder(shared_pairs)]
    ids = np.concatenate([each.class_ids for each in objects])

    assert len(objects) == 34 and objects[0].names == ("person", "bicycle", "car")
    assert np.bincount(ids).tolist() == [150, 12, 32]
