"""Two processes that share a batch against one that has all of it; this file is their program, too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("lightning_fabric", reason="needs lightning-fabric")
pytest.importorskip("kornia", reason="needs kornia")
pytest.importorskip("pydantic", reason="needs pydantic")

import torch

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.fusion.tardal import Generator
from tardal_ros.training import checkpoint
from tardal_ros.training.batch import Stream
from tardal_ros.training.config import load_config
from tardal_ros.training.crops import Augmentation
from tardal_ros.training.release import generator_bytes
from tardal_ros.training.session import launch
from tardal_ros.training.trainer import Trainer

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 100
STEPS = 50


class Unseen:
    """Takes the place of the samples that nobody looks at."""

    def scalars(self, step, values):
        pass

    def show(self, step, generator):
        pass


def train(fabric, folder, name):
    """Trains by both configurations: a step of which gradients remain, and many of which the losses do."""

    def trainer(kind):
        config = load_config(folder / f"{kind}.yaml")
        stream = Stream(open_dataset(folder / "pairs"), Augmentation(config.data.crop), config.seed)
        return Trainer(config, fabric, folder / name / kind, stream)

    trainer("frozen").run(lambda progress: None, Unseen())
    live = trainer("live")
    feed = live.feed()
    losses = torch.tensor([list(live.take(next(feed)).values()) for _ in range(STEPS)])
    losses = fabric.all_reduce(losses, reduce_op="mean")
    if fabric.is_global_zero:
        torch.save(losses, folder / f"{name}.pt")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def running(group):
    """Processes of a group that are not merely waiting to be counted as dead."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.fixture
def two_processes(tmp_path):
    """Starts this file as two processes; in the end nothing of them is left."""
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "GLOO_SOCKET_IFNAME": "lo"}
    programs = []

    def start():
        with (tmp_path / "log.txt").open("w") as log:
            program = subprocess.Popen(
                [sys.executable, __file__, str(tmp_path)],
                env={**os.environ, **here, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        programs.append(program)
        return program

    yield start
    for program in programs:
        if running(program.pid):
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()


@pytest.fixture
def configurations(fusion_yaml, pairs, tmp_path):
    """A step with batch norm frozen, and many with it live, both from weights that have statistics."""
    pairs(tmp_path / "pairs")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(4, 1)
        for _ in range(5):
            generator(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))
    start = tmp_path / "start.safetensors"
    start.write_bytes(generator_bytes(generator))
    # Not clipped, so that what AdamW keeps of the first gradient is a tenth of it.
    changes = {"data.batch": 4, "optimizer.clip": 1e9, "generator.start": str(start)}
    fusion_yaml({**changes, "steps": 1, "generator.norm_steps": 0}, name="frozen")
    fusion_yaml({**changes, "steps": STEPS}, name="live")


@pytest.mark.usefixtures("configurations")
def test_two_processes_learn_what_one_does(two_processes, fabric, tmp_path, wait_until):
    program = two_processes()
    train(fabric, tmp_path, "one")
    code = program.wait(PATIENCE)
    assert code == 0, (tmp_path / "log.txt").read_text()
    wait_until(lambda: not running(program.pid), what="the end of both processes")

    alone, shared = (checkpoint.load(tmp_path / name / "frozen" / "checkpoint.pt") for name in ("one", "two"))
    for name, count in (("optimizer", 20), ("discriminator_optimizer", 16)):
        expected, told = (gradients(each[name]) for each in (alone, shared))
        assert len(told) == count and sum(bool(each.any()) for each in expected) >= count - 2
        for got, wanted in zip(told, expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)
    alone, shared = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    assert alone.shape == shared.shape == (STEPS, 5)
    for expected, told in ((alone[:, 0], shared[:, 0]), (alone.sum(dim=1), shared.sum(dim=1))):
        assert expected[-10:].mean() < 0.95 * expected[:10].mean()  # it has learnt
        torch.testing.assert_close(told[-10:].mean(), expected[-10:].mean(), rtol=0.05, atol=0)
    assert not torch.equal(alone, shared)  # each normalises by its own share


def gradients(optimizer):
    """Of the first step, by parameter."""
    return [each["exp_avg"] / 0.1 for each in optimizer["state"].values()]


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(launch("cpu", "2", 1, "ddp", "32-true"), Path(sys.argv[1]), "two")
