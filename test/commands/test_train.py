from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("lightning_fabric", reason="needs lightning-fabric")
pytest.importorskip("kornia", reason="needs kornia")
pytest.importorskip("pydantic", reason="needs pydantic")

from tardal_ros.commands import main
from tardal_ros.errors import MissingDependencyError
from tardal_ros.training import needs, session


@pytest.fixture
def config(tmp_path):
    """A configuration of one step, with its data."""
    rng = np.random.default_rng(0)
    for folder in ("pairs/vi", "pairs/ir", "others/vi", "others/ir"):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(2):
            image = rng.integers(0, 255, (40, 48), np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), image)
    train, validation = ({"folders": [{"root": str(tmp_path / name)}]} for name in ("pairs", "others"))
    values = {
        "mode": "dt",
        "steps": 1,
        "generator": {"dim": 4, "depth": 1},
        "data": {"train": train, "validation": validation, "crop": [32, 32], "batch": 2},
    }
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "short.yaml"


def train(*arguments):
    return main(["train", *map(str, arguments), "--accelerator", "cpu"])


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_dry_run_tells_one_line_and_writes_nothing(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)

    assert train("--config", config, "--dry-run") == 0
    assert everything(tmp_path) == before
    told = capsys.readouterr().out
    assert told.startswith("2 pairs to learn from, 2 to validate on; first step: source ") and told.count("\n") == 1


def test_a_dry_run_keeps_no_rendered_scenes(config, tmp_path, monkeypatch):
    kept = []

    class Scenes(session.RenderedDataset):
        def load(self, index):
            self._keep.mkdir(parents=True, exist_ok=True)
            kept.append(self._keep)
            return on_disk.load(0)

    on_disk = session.open_dataset(tmp_path / "pairs")
    monkeypatch.setattr(session, "RenderedDataset", Scenes)
    values = yaml.safe_load(config.read_text())
    values["data"]["train"] = {"rendered": [{"seeds": 1}]}
    config.write_text(yaml.safe_dump(values))

    assert train("--config", config, "--out", tmp_path / "out", "--dry-run") == 0
    assert kept and not (tmp_path / "out").exists() and not any(folder.exists() for folder in kept)


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_what_is_left_out_is_named(config, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs/ir/1.png").write_bytes(b"\x89PNG and then nothing")
    values = yaml.safe_load(config.read_text())
    values["data"]["broken"] = "skip"
    config.write_text(yaml.safe_dump(values))

    assert train("--config", config, *arguments) == 0
    (told,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("left out: "))
    assert "pairs/ir/1.png" in told


def test_a_library_that_is_missing_is_told_before_anything_begins(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(needs, "find_spec", lambda name: None if name in ("kornia", "onnx", "ultralytics") else name)

    assert train("--config", config, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "Training in mode dt needs kornia, onnx: run `pip install '.[train,export]'` in the checkout." in told
    assert not (tmp_path / "out").exists()
    with pytest.raises(
        MissingDependencyError, match=r"kornia, onnx, ultralytics: run `pip install .\.\[train,export,detect\]"
    ):
        needs.check_installed("ct")


def test_the_weights_go_to_a_folder_of_the_configuration_s_name(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert train("--config", config) == 0
    files = [Path(f"out/short/tardal_dt.{kind}") for kind in ("safetensors", "onnx", "md")]
    assert [Path(line) for line in capsys.readouterr().out.splitlines()] == files
    assert all(path.is_file() for path in files)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "file"], "config.yaml cannot be written"),
        (["--devices", "none"], "Cannot train on none x cpu"),
        (["--set", "precision=3-bit"], "precision"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(config, tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    assert train("--config", config, *arguments) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("tardal_ros train: ") and told in error


def test_a_configuration_that_is_wrong_is_told_in_a_sentence(tmp_path, capsys):
    (tmp_path / "wrong.yaml").write_text("mode: dt\nsteps: 0\n")

    assert train("--config", tmp_path / "wrong.yaml") == 1
    assert "wrong.yaml: steps is 0: " in capsys.readouterr().err
