from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: `make test` sets it up")

from tardal_ros.commands import main
from tardal_ros.commands.compare_inputs import Console
from tardal_ros.training import comparison
from tardal_ros.training.detector_trainer import Progress

SHIPPED = Path(__file__).resolve().parents[2] / "config/train/comparison.yaml"


def test_a_missing_comparison_is_told_in_a_sentence(tmp_path, capsys):
    assert main(["compare-inputs", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_the_files_of_a_comparison_are_told(tmp_path, monkeypatch, capsys):
    asked = []

    def compare(told, folder, real, workers, watch, real_list):
        asked.append((next(iter(told.rows)), folder, real, workers, real_list))
        return [folder / "comparison.md"]

    monkeypatch.setattr(comparison, "compare", compare)
    arguments = ["--config", str(SHIPPED), "--out", str(tmp_path), "--real", "photos", "--workers", "2"]
    arguments += ["--real-list", "scenes.yaml"]
    assert main(["compare-inputs", *arguments]) == 0
    assert asked == [("visible", tmp_path, Path("photos"), 2, Path("scenes.yaml"))]
    assert capsys.readouterr().out == f"{tmp_path / 'comparison.md'}\n"


def test_a_list_of_pairs_needs_the_pairs(capsys):
    assert main(["compare-inputs", "--config", str(SHIPPED), "--real-list", "scenes.yaml"]) == 1
    assert "give that as well" in capsys.readouterr().err


def test_the_console_says_which_row_is_trained(capsys):
    with Console() as console:
        console.counter("laplacian, judged")(1, 2)
        console.training("laplacian")(Progress(1, 2, 1, 1, {"box": 0.5}, None))
    told = capsys.readouterr().err
    assert "laplacian, judged:  50%" in told and "1/2" in told
    assert "laplacian, training:  50%" in told and "epoch=1, box=0.500" in told
