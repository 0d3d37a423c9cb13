from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")

from tardal_ros.commands import main


def test_a_detector_is_scored_on_a_folder_of_pairs(tmp_path, capsys):
    folder = tmp_path / "pairs"
    for part in ("vi", "ir", "labels"):
        (folder / part).mkdir(parents=True)
    cv2.imwrite(str(folder / "vi" / "one.png"), np.zeros((160, 120, 3), np.uint8))
    cv2.imwrite(str(folder / "ir" / "one.png"), np.zeros((160, 120), np.uint8))
    (folder / "labels" / "one.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (folder / "classes.txt").write_text("person\n")
    out = tmp_path / "scores.json"

    assert main(["score-detector", "hog", "--data", str(folder), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "fused: 1 images of 1 scenes" in told and "| person | 0.000 |" in told
    assert json.loads(out.read_text())["visible"]["map50"]["objects"] == 1


def test_missing_weights_are_told_in_a_sentence(tmp_path, capsys):
    assert main(["score-detector", str(tmp_path / "none.onnx")]) == 1
    assert "none.onnx do not exist" in capsys.readouterr().err
