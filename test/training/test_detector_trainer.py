from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")
pytest.importorskip("safetensors", reason="needs safetensors: `make test` sets it up")

import torch
import yaml

from tardal_ros.errors import RigError
from tardal_ros.simulation import CLASSES
from tardal_ros.training import detector_trainer
from tardal_ros.training.detection import build_model
from tardal_ros.training.detector_release import state_dict
from tardal_ros.training.detector_trainer import detector_of, train
from tardal_ros.training.sections import claim


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_killed_run_goes_on_after_its_last_whole_epoch(tiny, pictures, tmp_path):
    steps = []

    def step(at):
        steps.append(at)
        if len(steps) == 2:
            raise Killed

    folder = tmp_path / "run"
    with pytest.raises(Killed):
        train(tiny, pictures, folder, step)
    trained = train(tiny, pictures, folder, step)

    assert [(at.epoch, at.step) for at in steps] == [(1, 1), (2, 1), (2, 1)]
    assert all(at.epochs == 2 and at.steps == 1 and at.losses for at in steps)
    assert steps[0].map50 is None and 0.0 <= steps[1].map50 <= 1.0
    assert not trained.training and all(weights.isfinite().all() for weights in trained.state_dict().values())
    assert detector_of(trained, 64).names == ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")
    assert {path.suffix for path in (folder / "run" / "weights").iterdir()} == {".pt"}, "no half checkpoint is left"

    again = train(tiny, pictures, folder, step)
    assert len(steps) == 3, "a finished run is not run again"
    for name, weights in trained.state_dict().items():
        assert torch.allclose(again.state_dict()[name].float(), weights.float(), atol=2e-3, rtol=2e-3), name

    with pytest.raises(RigError, match="another configuration"):
        train(tiny.but(epochs=3), pictures, folder, step)


def test_a_model_of_another_kind_is_refused_before_the_folder_is_taken(tiny, pictures, tmp_path):
    with pytest.raises(RigError, match="has the head Segment"):
        train(tiny.but(model="yolo11n-seg"), pictures, tmp_path / "run", lambda at: None)
    assert not (tmp_path / "run").exists()


def test_a_run_of_an_earlier_version_is_gone_on_with(tiny, tmp_path):
    claim(tmp_path / "config.yaml", tiny)
    path = tmp_path / "config.yaml"
    told = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({key: told[key] for key in list(told)[:11]}))
    before = path.read_text()

    claim(tmp_path / "config.yaml", tiny)
    assert path.read_text() == before and "inputs" not in before
    with pytest.raises(RigError, match="another configuration"):
        claim(tmp_path / "config.yaml", tiny.but(inputs="fused"))


def test_four_channels_are_learnt_from_weights_of_other_classes(tiny, stacks, tmp_path):
    start = tmp_path / "start.safetensors"
    torch.manual_seed(3)
    before = build_model("yolo11n", ("car", "person"), 4)
    start.write_bytes(state_dict(before, "yolo11n", 64))
    config = tiny.but(epochs=1, inputs="stack", start=str(start), hsv=False, learning_rate=1e-9)
    trained = train(config, stacks, tmp_path / "run", lambda at: None, validate=False)

    assert detector_of(trained, 64).channels == 4 and detector_of(trained, 64).names == CLASSES
    first = "model.0.conv.weight"
    assert torch.allclose(trained.state_dict()[first], before.state_dict()[first], atol=1e-6)
    with pytest.raises(RigError, match="are of a yolo11n for 4 channels, not of a yolo11n for 3"):
        train(config.but(inputs="fused"), stacks, tmp_path / "other", lambda at: None)


def test_it_learns_in_sixteen_bits_much_as_in_full_precision(tiny, pictures, tmp_path):
    losses, weights = [], []
    for precision in ("32-true", "bf16-mixed"):
        config = tiny.but(epochs=1, precision=precision)
        told = []
        trained = train(config, pictures, tmp_path / precision, lambda at, told=told: told.append(at.losses), False)
        losses.append(torch.tensor(list(told[0].values())))
        weights.append(trained.state_dict())
    torch.testing.assert_close(*losses, rtol=0.03, atol=0)
    assert not torch.equal(*losses)
    assert {each.dtype for each in weights[1].values()} == {each.dtype for each in weights[0].values()}


def test_a_loss_that_is_lost_ends_the_run():
    steps = []
    trainer = SimpleNamespace(epoch=3, tloss={"box": float("nan")}, loss=torch.tensor(float("nan")), last=Path("x.pt"))
    with pytest.raises(RigError, match="no longer finite at step 1 of epoch 4"):
        detector_trainer._Watch(steps.append).step(trainer)
    assert not steps


def test_nothing_is_fetched_and_no_torchvision_is_asked_for(tiny, pictures, tmp_path):
    script = f"""
import sys
from pathlib import Path

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{{event}} {{args}}")

sys.addaudithook(watch)
from tardal_ros.training.detector_config import load_config
from tardal_ros.training.detector_trainer import train
config = load_config(Path("config/train/detector.yaml")).but(image_size=64, batch=2, epochs=1, mosaic_epochs=1)
train(config, Path({str(pictures)!r}), Path({str(tmp_path / "run")!r}), lambda at: None)
import torch
from tardal_ros.training.detection import DetectionTask
DetectionTask("yolo26n", ("person",)).loss(torch.rand(2, 3, 64, 64), torch.zeros(0, 6)).total.backward()
print("torchvision" in sys.modules)
"""
    root = Path(__file__).resolve().parents[2]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=alone, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.split("\n")[-2]) == (0, "False"), ran.stdout + ran.stderr
