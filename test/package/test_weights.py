"""What ships is what its model card says, and runs."""

import hashlib
import re

import cv2
import numpy as np
import pytest

from tardal_ros.detection.detector import create_detector
from tardal_ros.simulation import CLASSES

DETECTORS = "detector", "tardal_ct_detector"


def test_cards_tell_the_checksums_of_the_files_beside_them(repository):
    cards = sorted(path for path in (repository / "weights").glob("*.md") if path.name != "README.md")
    told = {
        name: digest for card in cards for name, digest in re.findall(r"\| (\S+) \| `(\w{64})` \|", card.read_text())
    }
    files = {path.name: path for path in (repository / "weights").iterdir() if path.suffix in (".onnx", ".safetensors")}
    assert files and told.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[name], name


def test_weights_under_another_licence_bring_it(repository):
    text = (repository / "weights/AGPL-3.0.txt").read_text()
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text
    for name in DETECTORS:
        assert "AGPL-3.0" in (repository / f"weights/{name}.md").read_text()


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_know_the_rendered_classes(repository, name):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: `make test` sets it up")
    detector = create_detector(repository / f"weights/{name}.onnx", device="cpu")
    assert detector.names == CLASSES
    assert len(detector.detect(np.zeros((480, 640, 3), np.uint8)).scores) == 0


@pytest.mark.parametrize("name", DETECTORS)
def test_both_files_of_a_detector_are_one_network(repository, name):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: `make test` sets it up")
    pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
    from tardal_ros.training.detection import model_of, read_weights
    from tardal_ros.training.detector_trainer import detector_of

    exported = create_detector(repository / f"weights/{name}.onnx", device="cpu")
    trained = detector_of(model_of(read_weights(repository / f"weights/{name}.safetensors")).eval(), 448)
    trained.confidence = exported.confidence
    infrared = np.ascontiguousarray(cv2.imread(str(repository / "docs/images/demo.jpg"))[420:, 560:1120])
    one, other = exported.detect(infrared), trained.detect(infrared)
    assert len(one.scores) >= 5
    assert one.class_ids.tolist() == other.class_ids.tolist()
    assert np.abs(one.xyxy - other.xyxy).max() < 0.5
    assert np.abs(one.scores - other.scores).max() < 1e-3
