from __future__ import annotations

from pathlib import Path

from tardal_ros.commands import main
from tardal_ros.training import detector_data

CONFIG = Path(__file__).resolve().parents[2] / "config/train/detector.yaml"


def test_a_missing_configuration_is_told_in_a_sentence(tmp_path, capsys):
    assert main(["train-detector", "--config", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_the_pictures_can_be_rendered_by_themselves(tmp_path, monkeypatch):
    asked = []

    def make(config, folder, workers, on_scene):
        asked.append((config.model, folder, workers))
        return folder / "detector.yaml"

    monkeypatch.setattr(detector_data, "make_dataset", make)
    arguments = ["--config", str(CONFIG), "--data", str(tmp_path), "--workers", "3", "--data-only"]

    assert main(["train-detector", *arguments]) == 0
    assert asked == [("yolo11n", tmp_path, 3)]
