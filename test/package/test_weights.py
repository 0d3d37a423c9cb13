"""What ships is what its model card says, and runs."""

import hashlib
import re

import numpy as np
import pytest

from tardal_ros.detection.detector import create_detector
from tardal_ros.simulation import CLASSES


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
    assert "AGPL-3.0" in (repository / "weights/detector.md").read_text()


def test_the_default_detector_knows_the_rendered_classes(repository):
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: `make test` sets it up")
    detector = create_detector(repository / "weights/detector.onnx", device="cpu")
    assert detector.names == CLASSES
    assert len(detector.detect(np.zeros((480, 640, 3), np.uint8)).scores) == 0
