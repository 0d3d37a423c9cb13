"""The quality of fused images over a folder of pairs."""

import json

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for spectrum in ("vi", "ir"):
            path = tmp_path / "pairs" / spectrum / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (30, 40), np.uint8))
    return tmp_path / "pairs"


def test_figures_are_printed_and_written(folder, tmp_path, capsys):
    out = tmp_path / "figures.json"
    assert main(["score-fusion", "--data", str(folder), "--fusers", "average", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| 2 images | visible | infrared | average |")
    told = json.loads(out.read_text())
    assert told["images"] == 2
    assert f"{told['fusers']['average']['SD']['value']:#.4g}" in printed


def test_a_broken_pair_is_named_before_anything_is_scored(folder, capsys):
    (folder / "ir" / "b.png").write_bytes(b"no picture")
    assert main(["score-fusion", "--data", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "b.png" in captured.err
    assert not captured.out


def test_labels_do_not_matter_to_fusion(folder, capsys):
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("7 is no label")
    assert main(["score-fusion", "--data", str(folder), "--fusers", "average"]) == 0
    assert capsys.readouterr().out.startswith("| 2 images ")


def test_black_borders_count_if_it_is_not_told_that_nothing_is_seen_there(folder, capsys):
    infrared = cv2.imread(str(folder / "ir" / "a.png"), cv2.IMREAD_GRAYSCALE)
    infrared[:, :15] = 0
    cv2.imwrite(str(folder / "ir" / "a.png"), infrared)
    printed = []
    for flags in ([], ["--infer-seen"]):
        assert main(["score-fusion", "--data", str(folder), "--fusers", "average", *flags]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] != printed[1]


def test_ctrl_c_ends_it_without_a_traceback(folder, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tardal_ros.evaluation.fusion.score_fusers", interrupted)
    assert main(["score-fusion", "--data", str(folder), "--fusers", "average"]) == 130
    assert capsys.readouterr().err.endswith("tardal_ros score-fusion: interrupted\n")
