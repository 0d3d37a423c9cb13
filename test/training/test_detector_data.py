from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.datasets.labels import Objects, read_yolo
from tardal_ros.datasets.rendered import Example
from tardal_ros.errors import RigError
from tardal_ros.simulation import CLASSES
from tardal_ros.training import detector_data
from tardal_ros.training.detector_data import make_dataset, yolo_labels
from tardal_ros.training.sections import Scenes
from tardal_ros.types import Frame, Pair, View


@pytest.fixture(scope="module")
def small(shipped):
    train = Scenes(conditions=("day", "night"), seeds=1, first=0, images=2, every=4.0)
    validation = Scenes(conditions=("day",), seeds=1, first=1000, images=1, every=4.0)
    return shipped.but(image_size=256, train=train, validation=validation)


def blank_examples(seed, condition, split, times, view):
    """Stands for a rendered scene: grey pairs with a car, and a bus that nobody can see."""
    there = Objects(
        np.array([[256, 192, 768, 576], [0, 0, 99, 99.0]]), np.array([1, 2]), np.array([False, True]), CLASSES
    )
    for index, _ in enumerate(times):
        visible, infrared = np.full((768, 1024, 3), 40, np.uint8), np.full((768, 1024), 200, np.uint8)
        pair = Pair(View(Frame(visible, 0)), View(Frame(infrared, 0)))
        name = f"{split}_{condition}_{seed}"
        yield Example(f"{name}_{index:05d}", name, condition, pair, there)


@pytest.fixture
def blank(monkeypatch):
    monkeypatch.setattr(detector_data, "rendered_examples", blank_examples)


@pytest.fixture
def made(small, blank, tmp_path):
    told = []
    return make_dataset(small, tmp_path, 1, lambda done, total: told.append((done, total))), told


def test_scenes_can_be_rendered_by_several_processes(small, blank, tmp_path, monkeypatch):
    def threads(workers, context):
        assert workers == 2 and context.get_start_method() == "spawn"
        return ThreadPoolExecutor(workers)

    monkeypatch.setattr(detector_data, "ProcessPoolExecutor", threads)
    make_dataset(small, tmp_path, workers=2)

    assert len(list((tmp_path / "images").rglob("*.jpg"))) == 9
    # What would go to a process, and where it would look for what to do.
    task = pickle.loads(pickle.dumps((detector_data._write_scene, small, tmp_path)))
    assert task[0] is detector_data._write_scene and task[1] == small


def test_a_scene_that_cannot_be_rendered_ends_it(small, tmp_path, monkeypatch):
    def broken(*_):
        raise RigError("no such scene")

    monkeypatch.setattr(detector_data, "rendered_examples", broken)
    monkeypatch.setattr(detector_data, "ProcessPoolExecutor", lambda workers, context: ThreadPoolExecutor(workers))
    for workers in (1, 2):
        with pytest.raises(RigError, match="no such scene"):
            make_dataset(small, tmp_path, workers)


def test_pictures_and_labels_are_what_ultralytics_reads(made):
    path, told = made
    read = yaml.safe_load(path.read_text())

    assert read["names"] == dict(enumerate(CLASSES)) and read["path"] == str(path.parent)
    lists = {part: (path.parent / f"{part}.txt").read_text().split() for part in ("train", "val")}
    assert [name.rpartition("_")[2] for name in lists["train"]] == [
        "fused.jpg",
        "visible.jpg",
        "fused.jpg",
        "infrared.jpg",
    ] * 2
    assert [name.rpartition("_")[2] for name in lists["val"]] == ["fused.jpg"]
    for name in lists["train"] + lists["val"]:
        image = cv2.imread(str(path.parent / name))
        assert image.shape == (192, 256, 3)
        assert abs(image.mean() - (200 if "infrared" in name else 40)) < 2 or "fused" in name
        labels = path.parent / name.replace("images", "labels").replace(".jpg", ".txt")
        read = read_yolo(labels, image.shape, CLASSES)
        assert read.xyxy.tolist() == [[64.0, 48.0, 192.0, 144.0]] and read.class_ids.tolist() == [1]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_is_there_is_kept(made, small):
    folder = made[0].parent
    before = {path: path.stat().st_mtime_ns for path in (folder / "images").rglob("*.jpg")}
    told = []
    make_dataset(small, folder, 1, lambda done, total: told.append((done, total)))

    assert told == [(3, 3)]
    assert {path: path.stat().st_mtime_ns for path in (folder / "images").rglob("*.jpg")} == before


def test_an_interrupted_scene_is_made_again(made, small):
    folder = made[0].parent
    (folder / "scenes" / "val_day_1000.json").unlink()
    missing = folder / "images" / "val" / "train_day_1000_00000_fused.jpg"
    missing.unlink()
    make_dataset(small, folder, 1)
    assert missing.exists()


def test_a_folder_made_otherwise_is_refused(made, small):
    with pytest.raises(RigError, match="image_size is 256, not 512"):
        make_dataset(small.but(image_size=512), made[0].parent)


def test_a_folder_of_an_earlier_version_is_used(made, small):
    path = made[0].parent / "made_with.yaml"
    told = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({key: told[key] for key in told if key not in ("inputs", "fuser_weights")}))
    before = path.read_text()
    make_dataset(small, made[0].parent)
    assert path.read_text() == before
    with pytest.raises(RigError, match="inputs is mixed, not stack"):
        make_dataset(small.but(inputs="stack"), made[0].parent)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\0"])
def test_a_folder_that_does_not_tell_how_it_was_made_is_refused(made, small, text):
    (made[0].parent / "made_with.yaml").write_text(text)
    with pytest.raises(RigError, match=r"made_with\.yaml"):
        make_dataset(small, made[0].parent)


def test_a_single_input_is_kept_without_loss(small, blank, tmp_path):
    for inputs in ("visible", "infrared", "stack"):
        folder = make_dataset(small.but(inputs=inputs), tmp_path / inputs).parent
        lines = [line for part in ("train", "val") for line in (folder / f"{part}.txt").read_text().split()]
        assert len(lines) == 5 and all(line.endswith(f"_{inputs}.png") for line in lines)
        image = cv2.imread(str(folder / lines[0]), cv2.IMREAD_UNCHANGED)
        assert image.shape == {"visible": (192, 256, 3), "infrared": (192, 256), "stack": (192, 256, 4)}[inputs]
        assert np.unique(image).tolist() == {"visible": [40], "infrared": [200], "stack": [40, 200]}[inputs]
    assert np.unique(image[..., 3]).tolist() == [200]


def test_a_folder_of_another_renderer_is_refused(made, small, monkeypatch):
    monkeypatch.setattr(detector_data, "VERSION", "another")
    with pytest.raises(RigError, match="renderer"):
        make_dataset(small, made[0].parent)


def test_ignored_objects_get_no_label():
    xyxy = np.array([[0, 0, 40, 30], [10, 10, 20, 20]], float)
    there = Objects(xyxy, np.array([1, 2]), np.array([False, True]), CLASSES)

    assert yolo_labels(there, (80, 60)) == "1 0.250000 0.250000 0.500000 0.500000\n"
    assert yolo_labels(Objects(xyxy, np.array([1, 2]), np.array([True, True]), CLASSES), (80, 60)) == ""


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 60), st.floats(1, 30), st.floats(1, 20)), max_size=6))
def test_labels_say_where_the_boxes_are(tmp_path_factory, corners):
    xyxy = np.array([[x, y, x + w, y + h] for x, y, w, h in corners], float).reshape(-1, 4).clip(0, [100, 80, 100, 80])
    ids = np.arange(len(xyxy)) % len(CLASSES)
    path = tmp_path_factory.mktemp("labels") / "one.txt"
    path.write_text(yolo_labels(Objects(xyxy, ids, np.zeros(len(ids), bool), CLASSES), (100, 80)))
    read = read_yolo(path, (80, 100), CLASSES)

    assert np.allclose(read.xyxy, xyxy, atol=1e-3) and read.class_ids.tolist() == ids.tolist()
