from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")

import torch

from tardal_ros.errors import RigError
from tardal_ros.training import detector_trainer
from tardal_ros.training.detector_trainer import detector_of, train


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
        train(replace(tiny, epochs=3), pictures, folder, step)


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
from dataclasses import replace
from tardal_ros.training.detector_config import load_config
from tardal_ros.training.detector_trainer import train
config = replace(load_config(Path("config/train/detector.yaml")), image_size=64, batch=2, epochs=1, mosaic_epochs=1)
train(config, Path({str(pictures)!r}), Path({str(tmp_path / "run")!r}), lambda at: None)
print("torchvision" in sys.modules)
"""
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.split("\n")[-2]) == (0, "False"), ran.stdout + ran.stderr
