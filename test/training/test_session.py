from __future__ import annotations

import hashlib
import re

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("lightning_fabric", reason="needs lightning-fabric")
pytest.importorskip("kornia", reason="needs kornia")
pytest.importorskip("pydantic", reason="needs pydantic")

import torch

from tardal_ros.detection.detector import create_detector
from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import create_fuser
from tardal_ros.fusion.tardal import load_generator
from tardal_ros.training import checkpoint
from tardal_ros.training.batch import batches
from tardal_ros.training.crops import Augmentation
from tardal_ros.training.detection import read_weights
from tardal_ros.training.session import Session, launch


@pytest.fixture(autouse=True)
def data(pairs, tmp_path):
    """The pairs that the configurations name."""
    pairs(tmp_path / "others")
    return pairs(tmp_path / "pairs")


def hashes(card):
    return dict(re.findall(r"\| (\S+) \| `([0-9a-f]{64})` \|", card))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_direct_training_from_the_folder_to_weights_that_fuse(fusion_config, fabric, tmp_path):
    seen = []
    config = fusion_config({"data.validation.folders": [{"root": str(tmp_path / "others")}] * 2})
    files = Session(config, fabric, tmp_path / "out").run(seen.append)
    weights, onnx, card = files

    assert [(progress.step, progress.steps) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    assert hashes(card.read_text()) == {"tardal_dt.safetensors": sha256(weights), "tardal_dt.onnx": sha256(onnx)}
    assert "| 6 images |" in card.read_text()  # all of the validation pairs, of which 4 are shown
    # They are the moving average, which the last checkpoint has as well.
    kept = checkpoint.load(tmp_path / "out" / "checkpoint.pt")
    assert kept["step"] == 3
    generator = load_generator(weights)
    assert torch.equal(generator.fuse[3][0].weight, kept["average"]["module.generator.fuse.3.0.weight"])
    visible, infrared = (cv2.imread(str(tmp_path / f"pairs/{kind}/0.png")) for kind in ("vi", "ir"))
    fused = create_fuser("tardal", weights, device="cpu").fuse(visible, infrared[..., 0])
    assert fused.shape == visible.shape and fused.dtype == np.uint8 and fused.std() > 0
    left = {path.name.partition(".tfevents")[0] for path in (tmp_path / "out").iterdir()}
    assert left == {
        "config.yaml", "checkpoint.pt", "samples", "events.out",
        "tardal_dt.safetensors", "tardal_dt.onnx", "tardal_dt.md",
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "out" / "samples").iterdir()] == ["000003.png"]


def test_a_run_that_is_done_gives_the_same_weights_again(fusion_config, fabric, tmp_path):
    config = fusion_config({"steps": 1})
    weights, onnx, card = Session(config, fabric, tmp_path / "out").run(lambda progress: None)
    before = weights.read_bytes(), card.read_text()
    weights.unlink()

    assert Session(config, fabric, tmp_path / "out").run(lambda progress: None) == [weights, onnx, card]
    assert (weights.read_bytes(), card.read_text()) == before


def test_cooperative_training_gives_a_detector_too(fusion_config, fabric, tmp_path):
    files = Session(fusion_config({"steps": 2}, "ct"), fabric, tmp_path / "out").run(lambda progress: None)
    weights, exported, onnx, state, card = files

    assert [path.name for path in files] == [
        "tardal_ct.safetensors", "tardal_ct.onnx", "tardal_ct_detector.onnx", "tardal_ct_detector.safetensors",
        "tardal_ct.md",
    ]  # fmt: skip
    assert hashes(card.read_text()) == {path.name: sha256(path) for path in (weights, exported, onnx, state)}
    assert "AGPL-3.0" in card.read_text()
    fused = create_fuser("tardal", weights, device="cpu").fuse(*np.zeros((2, 64, 64), np.uint8))
    again = create_fuser("tardal", exported).fuse(*np.zeros((2, 64, 64), np.uint8))
    assert np.abs(fused.astype(int) - again).max() <= 1
    detector = create_detector(onnx, device="cpu", confidence=0.0)
    assert detector.names == ("person", "car")
    found = detector.detect(cv2.cvtColor(fused, cv2.COLOR_GRAY2BGR))
    assert len(found.scores) and set(found.class_ids) <= {0, 1}
    told = read_weights(state)
    assert (told.model, told.names) == ("yolo11n", ("person", "car"))
    kept = checkpoint.load(tmp_path / "out" / "checkpoint.pt")["average"]
    assert all(torch.equal(each, kept[f"module.detector.{name}"]) for name, each in told.state.items())


DGFUSION = {
    "generator": {"network": "dgfusion", "channels": 1},
    "data.target": "visible_saliency",
    "data.flip_vertical": 0.5,
    "data.transpose": 0.5,
    "loss": {"source": "dgfusion", "adversarial": 0.0},
}


@pytest.mark.parametrize(("mode", "name"), [("dt", "dgfusion"), ("ct", "dgfusion_ct")])
def test_dgfusion_learns_by_the_same_trainer(fusion_config, fabric, tmp_path, mode, name):
    seen = []
    config = fusion_config(DGFUSION | {"steps": 2}, mode)
    weights, *_, card = Session(config, fabric, tmp_path / "out").run(seen.append)

    assert (weights.stem, card.stem) == (name, name) and "Weights of DGFusion's network" in card.read_text()
    assert set(seen[0].losses) == {"pixel", "maximum", "gradient", *(["detection"] if mode == "ct" else [])}
    visible, infrared = (cv2.imread(str(tmp_path / f"pairs/{kind}/0.png")) for kind in ("vi", "ir"))
    fused = create_fuser("dgfusion", weights, device="cpu").fuse(visible, infrared[..., 0])
    assert fused.shape == visible.shape and fused.std() > 0
    # It goes on from what it gave.
    more = fusion_config(DGFUSION | {"generator": {"network": "dgfusion", "start": str(weights)}}, mode)
    assert "first step: pixel " in Session(more, fabric, tmp_path / "more").try_out()


def test_a_dry_run_tells_pairs_and_losses(fusion_config, fabric, tmp_path):
    config = fusion_config({"data.validation.folders": [{"root": str(tmp_path / "others")}] * 2})
    told = Session(config, fabric, tmp_path / "out").try_out()

    assert re.fullmatch(
        r"3 pairs to learn from, 6 to validate on; first step: source \d+\.\d{4}, adversarial_target -?\d+\.\d{4},"
        r" adversarial_detail \S+, discriminator_target \S+, discriminator_detail \S+",
        told,
    )
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def spoil(tmp_path, name):
    (tmp_path / "pairs" / "ir" / name).write_bytes(b"\x89PNG and then nothing")


def test_a_broken_file_is_refused_before_training(fusion_config, fabric, tmp_path):
    spoil(tmp_path, "1.png")
    with pytest.raises(RigError, match=r"ir/1\.png"):
        Session(fusion_config(), fabric, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_file_can_be_left_out(fusion_config, fabric, tmp_path):
    spoil(tmp_path, "1.png")
    session = Session(fusion_config({"data.broken": "skip"}), fabric, tmp_path / "out")

    assert session.try_out().startswith("2 pairs to learn from, 3 to validate on")
    (reason,) = session.skipped
    assert "ir/1.png" in reason


def test_masks_that_are_to_be_stored_are_looked_for_before_training(fusion_config, fabric, tmp_path):
    (tmp_path / "pairs" / "mask").mkdir()
    for name in ("0.png", "2.png"):
        cv2.imwrite(str(tmp_path / "pairs" / "mask" / name), np.zeros((40, 48), np.uint8))
    config = fusion_config({"data.target": "stored"})
    with pytest.raises(RigError, match=r"data\.target is stored, but 1 pairs in data\.train have no .* mask, 1 first"):
        Session(config, fabric, tmp_path / "out")
    cv2.imwrite(str(tmp_path / "pairs" / "mask" / "1.png"), np.zeros((40, 48), np.uint8))
    Session(config, fabric, tmp_path / "out")


def test_the_configuration_says_how_crops_vary(fusion_config, fabric, tmp_path):
    changes = {"data.flip": 0.25, "data.colour": 0.0, "data.tone": 0.125, "data.towards_objects": 1.0}
    stream = Session(fusion_config(changes), fabric, tmp_path / "out")._stream()

    assert stream._augmentation == Augmentation((16, 16), towards_objects=1.0, flip=0.25, colour=0.0, tone=0.125)
    stream = Session(fusion_config(), fabric, tmp_path / "out")._stream()
    assert stream._augmentation == Augmentation((16, 16))


def test_workers_change_nothing_but_the_time(fusion_config, fabric, tmp_path, monkeypatch):
    asked = []

    def watched(*arguments):
        asked.append(arguments[5])
        return batches(*arguments)

    monkeypatch.setattr("tardal_ros.training.trainer.batches", watched)
    weights = [
        Session(fusion_config({"steps": 1, "data.workers": count}), fabric, tmp_path / str(count))
        .run(lambda progress: None)[0]
        .read_bytes()
        for count in (0, 1)
    ]
    assert asked == [0, 1] and weights[0] == weights[1]


@pytest.mark.parametrize("mode", ["tt", "ct"])
def test_data_sets_of_other_classes_are_refused_where_a_detector_learns(fusion_config, fabric, pairs, tmp_path, mode):
    other = pairs(tmp_path / "other", classes=("car", "person"))
    folders = [{"root": str(tmp_path / "pairs")}, {"root": str(other)}]
    with pytest.raises(RigError, match=r"data\.train have other classes"):
        Session(fusion_config({"data.train.folders": folders}, mode), fabric, tmp_path / "out")
    Session(fusion_config({"data.train.folders": folders}), fabric, tmp_path / "out")


def test_pairs_without_labels_are_refused_where_a_detector_learns(fusion_config, fabric, tmp_path):
    for path in (tmp_path / "pairs" / "labels").iterdir():
        path.unlink()
    (tmp_path / "pairs" / "labels").rmdir()
    (tmp_path / "pairs" / "classes.txt").unlink()
    with pytest.raises(RigError, match="or none: a detector needs labels"):
        Session(fusion_config(mode="tt"), fabric, tmp_path / "out")


def test_a_part_and_a_list_are_heeded(fusion_config, fabric, tmp_path):
    (tmp_path / "list.txt").write_text("0\n2\n")
    changes = {"data.train.folders": [{"root": str(tmp_path / "pairs"), "file_list": str(tmp_path / "list.txt")}]}
    told = Session(fusion_config(changes), fabric, tmp_path / "out").try_out()

    assert told.startswith("2 pairs to learn from, 3 to validate on")


def test_rendered_scenes_join_those_on_disk(fusion_config, fabric, tmp_path, monkeypatch):
    made = []

    class Scenes:
        names, samples = ("person", "car"), ("sample",) * 5

        def __init__(self, plan, split, longest, keep):
            made.append((plan, split, longest, keep))

        def __len__(self):
            return 5

        def check(self):
            pass

    monkeypatch.setattr("tardal_ros.training.session.RenderedDataset", Scenes)
    config = fusion_config({"data.train.rendered": [{"seeds": 2, "first": 9, "longest": 64, "conditions": ["day"]}]})
    session = Session(config, fabric, tmp_path / "out")

    assert len(session._train) == 8 and len(session._validation) == 3
    ((plan, split, longest, keep),) = made
    assert (plan.conditions, plan.seeds, plan.first, plan.images, plan.every) == (("day",), 2, 9, 8, 4.0)
    assert (split, longest, keep) == ("train", 64, tmp_path / "scenes")


@pytest.mark.parametrize(
    "told",
    [
        ("quantum", "1", 1, "auto", "32-true"),
        ("cpu", "none", 1, "auto", "32-true"),
        ("cpu", "0", 1, "auto", "32-true"),
        ("cpu", "1", 1, "carrier pigeon", "32-true"),
        ("cpu", "1", 1, "auto", "3-bit"),
    ],
)
def test_devices_that_are_not_there_are_told_in_a_sentence(told):
    with pytest.raises(RigError, match=r"^Cannot train on \S+ x \S+ with strategy .* and precision \S+: ") as error:
        launch(*told)
    assert "\n" not in str(error.value)


def test_a_strategy_whose_library_is_missing_is_told_in_a_sentence(monkeypatch):
    def missing(**_):
        raise ModuleNotFoundError("To use the strategy, you must have\nits library installed.")

    monkeypatch.setattr("tardal_ros.training.session.Fabric", missing)
    with pytest.raises(RigError, match=r"with strategy deepspeed .*: To use the strategy, you must have its library"):
        launch("cpu", "1", 1, "deepspeed", "32-true")
