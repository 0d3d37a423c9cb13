from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")
pytest.importorskip("safetensors", reason="needs safetensors: `make test` sets it up")

import torch

from tardal_ros.datasets.item import Item, Sample
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.simulation import CLASSES
from tardal_ros.training import comparison as comparison_module
from tardal_ros.training.comparison import compare
from tardal_ros.training.comparison_config import Comparison, Folds
from tardal_ros.training.detection import build_model, read_weights
from tardal_ros.training.sections import Scenes


def item_of(name, condition="day", names=CLASSES, size=(48, 64)):
    rng = np.random.default_rng(abs(hash(name)) % 1000)
    boxes = np.array([[16, 12, 48, 36], [0, 0, 4, 20.0]])
    there = Objects(boxes, np.array([1, 0]), np.array([False, False]), names)
    images = rng.integers(0, 255, (*size, 3), np.uint8), rng.integers(0, 255, size, np.uint8)
    return Item(name, name, condition, *images, there)


class Noise:
    """Stands for rendered scenes: a pair of noise for each moment."""

    names = CLASSES

    def __init__(self, plan, split, longest, keep, cache_bytes=1):
        told = [(f"{split}_{name}_{seed}", name) for seed, name in plan.scenes() for _ in plan.times()]
        self.samples = tuple(Sample(name, name, condition) for name, condition in told)

    def __len__(self):
        return len(self.samples)

    def load(self, index):
        return item_of(self.samples[index].name, self.samples[index].condition)


class Quiet:
    def __init__(self):
        self.trained, self.counted = [], []

    def counter(self, what):
        self.counted.append(what)
        return lambda done, total: None

    def training(self, what):
        self.trained.append(what)
        return lambda progress: None


@pytest.fixture(scope="module")
def rows(shipped):
    plan = Scenes(conditions=("day", "night"), seeds=1, images=1)
    base = shipped.but(image_size=64, batch=2, epochs=1, mosaic_epochs=0, hsv=False, train=plan, test=plan)
    base = base.but(validation=plan.but(first=9))
    return {"stack": base.but(inputs="stack"), "mean": base.but(inputs="fused", fuser="average")}


@pytest.fixture(scope="module")
def trainings():
    """What the trainings were told, which give random weights at once."""
    calls = []

    def train(config, data, folder, on_step, validate):
        lists = {part: (data.parent / f"{part}.txt").read_text().split() for part in ("train", "val")}
        calls.append((config, lists, validate))
        torch.manual_seed(0)
        names = CLASSES if validate else ("person", "car")
        return build_model(config.model, names, config.channels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "RenderedDataset", Noise)
        patch.setattr(comparison_module, "train", train)
        yield calls


@pytest.fixture
def told(trainings):
    """The same, of this test."""
    trainings.clear()
    return trainings


def write_photos(folder: Path, count: int) -> Path:
    for number in range(count):
        item, name = item_of(str(number), names=("person", "car"), size=(96, 128)), f"{number:05d}{'DN'[number % 2]}"
        for part, image in (("vi", item.visible), ("ir", item.infrared)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / part / f"{name}.png"), image)
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text("1 0.5 0.5 0.5 0.5\n0 0.1 0.5 0.01 0.5\n")
    (folder / "classes.txt").write_text("person\ncar\n")
    return folder


def test_rows_are_trained_alike_and_judged_alike(rows, told, tmp_path):
    photos, watch, out = write_photos(tmp_path / "photos", 5), Quiet(), tmp_path / "out"
    table, text = compare(Comparison(rows, Folds(count=2, steps=3, learning_rate=0.001)), out, photos, 1, watch)

    figures = json.loads(table.read_text())
    assert list(figures) == ["stack", "mean"] and figures["mean"]["fuser"] == "average"
    for row in figures.values():
        rendered, real = row["scores"].values()
        assert rendered["images"] == 2 and set(rendered["conditions"]) == {"day", "night"}
        assert rendered["classes"]["Car"]["objects"] == 2 and "People" not in rendered["classes"], "they are too small"
        assert real["images"] == 5 and real["map50"]["objects"] == 5 and set(real["conditions"]) == {"day", "night"}
    assert "| stack | " in text.read_text() and "photos, 2-fold" in text.read_text() and "night (1)" in text.read_text()

    folds = [call for call in told if not call[2]]
    assert len(told) == 6 and len(folds) == 4
    for config, lists, _ in folds:
        assert config.start == str(
            out / "rows" / ("stack" if config.channels == 4 else "mean") / "detector.safetensors"
        )
        assert config.epochs == -(-3 // -(-len(lists["train"]) // 2)) and config.learning_rate == 0.001
    for name, pair in (("stack", folds[:2]), ("mean", folds[2:])):
        parts = [{Path(line).stem for line in lists["train"]} for _, lists, _ in pair]
        assert all(lists["train"] == lists["val"] for _, lists, _ in pair)
        assert len(parts[0] | parts[1]) == 5 and {len(part) for part in parts} == {2, 3}, name
        assert all(Path(line).exists() for _, lists, _ in pair for line in lists["train"])
    assert read_weights(out / "rows/stack/detector.safetensors").channels == 4


def test_what_is_done_is_kept_and_rows_can_be_added(rows, told, tmp_path):
    one = {"stack": rows["stack"]}
    files = compare(Comparison(one, Folds()), tmp_path, None, 1, Quiet())
    before = json.loads(files[0].read_text())
    told.clear()
    compare(Comparison(one, Folds()), tmp_path, None, 1, Quiet())
    assert not told
    compare(Comparison(rows, Folds()), tmp_path, None, 1, watch := Quiet())

    assert watch.trained == ["mean"] and [call[0] for call in told] == [rows["mean"]]
    after = json.loads(files[0].read_text())
    assert list(after) == ["stack", "mean"] and after["stack"] == before["stack"]
    with pytest.raises(RigError, match="another configuration"):
        compare(Comparison({"stack": rows["stack"].but(seed=5)}, Folds()), tmp_path, None, 1, Quiet())


def test_figures_of_other_weights_of_the_fuser_are_not_kept(rows, told, tmp_path):
    weights = tmp_path / "fuser.safetensors"
    row = {"row": rows["mean"].but(fuser="tardal", fuser_weights=str(weights))}
    with pytest.raises(RigError, match=r"fuser\.safetensors cannot be read"):
        compare(Comparison(row, Folds()), tmp_path / "out", None, 1, Quiet())

    from safetensors.torch import save_file

    from tardal_ros.fusion.tardal import Generator

    save_file(Generator(4, 1).state_dict(), weights)
    compare(Comparison(row, Folds()), tmp_path / "out", None, 1, Quiet())
    compare(Comparison(row, Folds()), tmp_path / "out", None, 1, Quiet())
    torch.manual_seed(1)
    save_file(Generator(4, 1).state_dict(), weights)
    with pytest.raises(RigError, match="its sha256 is"):
        compare(Comparison(row, Folds()), tmp_path / "out", None, 1, Quiet())


def test_pairs_without_labels_cannot_judge(rows, told, tmp_path):
    folder = write_photos(tmp_path / "photos", 2)
    for path in (*(folder / "labels").iterdir(), folder / "labels", folder / "classes.txt"):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(RigError, match="no labels to judge by"):
        compare(Comparison(rows, Folds()), tmp_path / "out", folder, 1, Quiet())


def test_no_pair_is_judged_by_what_learnt_its_scene(rows, told, tmp_path):
    photos, listed = write_photos(tmp_path / "photos", 6), tmp_path / "scenes.yaml"
    listed.write_text("scenes: [[0, 2], [3, 4]]\n")
    one = {"stack": rows["stack"]}
    compare(
        Comparison(one, Folds(count=2, steps=3, learning_rate=0.001)),
        tmp_path / "out",
        photos,
        1,
        Quiet(),
        real_list=listed,
    )

    learnt = [{int(Path(line).stem[:5]) for line in lists["train"]} for _, lists, validate in told if not validate]
    assert sorted(map(sorted, learnt)) == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(RigError, match="3 scenes cannot make 4 folds"):
        compare(Comparison(one, Folds(count=4)), tmp_path / "more", photos, 1, Quiet(), real_list=listed)


def test_the_black_border_of_real_pairs_is_not_fused(rows, told, tmp_path):
    photos = write_photos(tmp_path / "photos", 2)
    infrared = np.full((96, 128), 255, np.uint8)
    infrared[:, :64] = 0
    for path in (photos / "ir").iterdir():
        cv2.imwrite(str(path), infrared)
    compare(
        Comparison({"mean": rows["mean"]}, Folds(count=2, steps=3, learning_rate=0.001)),
        tmp_path / "out",
        photos,
        1,
        Quiet(),
    )

    (path, *_) = sorted((tmp_path / "out/rows/mean/photos/images/all").iterdir())
    visible = cv2.imread(str(photos / "vi" / path.name))
    shown = cv2.imread(str(path))[:, :24].mean()
    assert shown == pytest.approx(visible[:, :48].mean(), abs=5), "half of it, were black averaged in"


@pytest.fixture(scope="module")
def judged(rows, trainings, tmp_path_factory):
    """A comparison, and a folder with its outcome and the pairs that it was judged by."""
    folder = tmp_path_factory.mktemp("judged")
    comparison = Comparison({"stack": rows["stack"]}, Folds(count=2, steps=3, learning_rate=0.001))
    compare(comparison, folder / "out", write_photos(folder / "photos", 4), 1, Quiet())
    return comparison, folder


def test_figures_of_the_same_real_pairs_are_kept(judged, told):
    comparison, folder = judged
    compare(comparison, folder / "out", folder / "photos", 1, Quiet())
    assert not told


@pytest.mark.parametrize("change", ["label", "picture", "scene", "fewer", "unknown"])
def test_figures_of_other_real_pairs_are_not_kept(judged, tmp_path, change):
    comparison, folder = judged
    photos, out = (shutil.copytree(folder / name, tmp_path / name) for name in ("photos", "out"))
    first, listed = "00000D", None
    if change == "label":
        (photos / "labels" / f"{first}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    elif change == "picture":
        cv2.imwrite(str(photos / "vi" / f"{first}.png"), np.zeros((96, 128, 3), np.uint8))
    elif change == "scene":
        listed = tmp_path / "scenes.yaml"
        listed.write_text("scenes: [[0, 1]]\n")
    elif change == "fewer":
        for path in (f"vi/{first}.png", f"ir/{first}.png", f"labels/{first}.txt"):
            (photos / path).unlink()
    else:
        (out / "rows/stack/photos/pairs.json").unlink()
    with pytest.raises(RigError, match=f"photos was learnt from .* the first {first}"):
        compare(comparison, out, photos, 1, Quiet(), real_list=listed)
