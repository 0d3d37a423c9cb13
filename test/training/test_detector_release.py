from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")
pytest.importorskip("onnx", reason="needs onnx: `make test` sets it up")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: `make test` sets it up")
pytest.importorskip("safetensors", reason="needs safetensors: `make test` sets it up")

from tardal_ros.datasets.item import Item
from tardal_ros.datasets.labels import Objects
from tardal_ros.detection import create_detector
from tardal_ros.detection.offline import contained
from tardal_ros.simulation import CLASSES
from tardal_ros.training import detector_release
from tardal_ros.training.detector_release import release
from tardal_ros.training.detector_trainer import detector_of


class Pairs(list):
    load = list.__getitem__


@pytest.fixture(scope="module")
def model():
    with contained():
        import torch
        from ultralytics.nn.tasks import DetectionModel
    torch.manual_seed(0)
    made = DetectionModel("yolo11n.yaml", nc=len(CLASSES), verbose=False).eval()
    made.names = dict(enumerate(CLASSES))
    made.args = {}
    return made


def test_what_ships_is_the_trained_model_and_its_figures(model, tiny, tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    there = Objects(np.array([[16.0, 12.0, 48.0, 36.0]]), np.array([1]), np.array([False]), CLASSES)
    one = Item("one", "scene", "fog", image, image[..., 0].copy(), there)
    monkeypatch.setattr(detector_release, "test_scenes", lambda plan, keep: Pairs([one]))
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "train.txt").write_text("./images/train/a.jpg\n" * 5)
    config = tiny.but(name="fused_small", scale=0.5)
    onnx, state, table, card = release(config, model, data, out, lambda done, total: None, None)

    assert {path.stem for path in (onnx, state, table, card)} == {"fused_small"}
    exported, image = create_detector(onnx, confidence=0.0), np.zeros((48, 64, 3), np.uint8)
    assert exported.names == CLASSES
    found, expected = exported.detect(image), detector_of(model, 64)
    expected.confidence = 0.0
    assert np.allclose(found.scores, expected.detect(image).scores, atol=1e-3)

    from safetensors import safe_open
    from safetensors.torch import load_file

    weights = load_file(state)
    assert set(weights) == set(model.state_dict())
    assert all(np.array_equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    with safe_open(state, "pt") as opened:
        assert opened.metadata()["model"] == "yolo11n" and json.loads(opened.metadata()["names"]) == list(CLASSES)

    figures = json.loads(table.read_text())["rendered test scenes"]
    text = card.read_text()
    assert set(figures) == {"fused", "visible", "infrared"}
    assert f"| Car | {figures['fused']['classes']['Car']['value']:.3f} |" in text and "| fog |" in text
    for path in (onnx, state):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    for word in (
        "AGPL-3.0",
        "renderer version",
        "seed 0",
        "6 steps of 2 pictures",
        "5 pictures",
        "at 0.5 of the resolution",
    ):
        assert word in text, word
