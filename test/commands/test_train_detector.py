from __future__ import annotations

from pathlib import Path

from tardal_ros.commands import main
from tardal_ros.commands.train_detector import Bar, Steps
from tardal_ros.training import detector_data
from tardal_ros.training.detector_trainer import Progress

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


def test_progress_tells_what_is_done_and_what_is_left(capsys):
    bar = Bar("scenes")
    for done in range(3):
        bar(done, 2)
    lines = capsys.readouterr().err.split("\r")

    assert "scenes: 0/2" in lines[1] and "scenes: 2/2, 0 min left" in lines[-1] and lines[-1].endswith("\n")


def test_progress_of_training_tells_losses_and_score(capsys):
    steps = Steps()
    steps(Progress(1, 2, 1, 1, {"box": 0.5}, None))
    steps(Progress(2, 2, 1, 1, {"box": 0.25}, 0.375))
    told = capsys.readouterr().err

    assert "epoch 1/2 step 1/1  box 0.500  0" in told
    assert "epoch 2/2 step 1/1  box 0.250  map50 0.375" in told
