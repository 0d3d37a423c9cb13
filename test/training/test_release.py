from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import yaml

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("safetensors", reason="needs safetensors")
pytest.importorskip("pydantic", reason="needs pydantic")

import torch
from torch import nn

from tardal_ros.datasets.item import Item
from tardal_ros.errors import RigError
from tardal_ros.fusion.tardal import Generator, load_generator
from tardal_ros.fusion.weights import read_checkpoint
from tardal_ros.training.config import TrainConfig
from tardal_ros.training.release import generator_bytes, model_card, release
from tardal_ros.training.sections import parse


@pytest.fixture
def networks():
    """A generator that has learnt statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(4, 1)
        for _ in range(5):
            generator(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))
    return nn.ModuleDict({"generator": generator.eval()})


def an_item(name):
    rng = np.random.default_rng(len(name))
    return Item(
        name, name, "day", rng.integers(0, 255, (40, 48, 3), np.uint8), rng.integers(0, 255, (40, 48), np.uint8)
    )


def test_weights_fuse_with_the_statistics_that_were_learnt(networks, tmp_path):
    (tmp_path / "g.safetensors").write_bytes(generator_bytes(networks["generator"]))
    read = load_generator(tmp_path / "g.safetensors")
    images = torch.rand(2, 1, 1, 16, 16)

    assert read_checkpoint(tmp_path / "g.safetensors").use_eval is True
    with torch.no_grad():
        torch.testing.assert_close(read(*images), networks["generator"](*images))


def test_what_ships_is_told_in_a_card(networks, fusion_config, tmp_path):
    config = fusion_config({"seed": 11, "data.batch": 6})
    files = release(config, networks, [an_item("a"), an_item("bc")], tmp_path / "out")
    weights, exported, card = files
    told = card.read_text()

    assert [path.name for path in files] == ["tardal_dt.safetensors", "tardal_dt.onnx", "tardal_dt.md"]
    for path in (weights, exported):
        assert f"| {path.name} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |" in told
    assert "3 steps of 6 crops, seed 11, precision 32-true, from random weights" in told
    assert "Crops of 16x16 pixels" in told
    assert "**Data**: pairs (real pairs)." in told and "AGPL" not in told
    assert "**Licence**: code Apache-2.0; the weights also fall under the licences of the data above.\n" in told
    # Figures of the very file, beside those of the sources and of simple fusers.
    assert "| 2 images | visible | infrared | average | laplacian | tardal_dt |" in told
    assert re.search(r"\n\| \w.* \|( [\d.]+ \([\d.]+ to [\d.]+\) \|){5}\n", told)
    kept = yaml.safe_load(told.partition("```yaml\n")[2].partition("```")[0])
    assert parse(TrainConfig, kept) == config


def test_a_card_tells_of_rendered_scenes_and_of_what_it_began_with(fusion_config):
    changes = {
        "generator.start": "weights/first.safetensors",
        "data.train.rendered": [{"seeds": 2, "first": 7, "images": 3, "every": 2.5, "conditions": ["night"]}],
    }
    told = model_card(fusion_config(changes), [], "| table |\n")

    assert "from weights/first.safetensors" in told and "\n| table |\n" in told
    assert (
        "pairs (real pairs); rendered scenes of the split `train` (2 seeds from 7 in each of night; 3 moments" in told
    )
    assert "2.5 s apart; longer side 512 pixels; renderer version" in told


@pytest.mark.parametrize(("mode", "aim"), [("tt", "task-oriented"), ("ct", "cooperative")])
def test_what_learnt_beside_a_detector_is_licensed_as_that(fusion_config, mode, aim):
    told = model_card(fusion_config(mode=mode), [], "")

    assert f"# TarDAL, {mode.upper()}" in told and f"({aim} training)" in told and "**Licence**: AGPL-3.0" in told


def test_a_folder_that_cannot_be_written_is_told(networks, fusion_config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RigError, match=r"tardal_dt\.safetensors cannot be written"):
        release(fusion_config(), networks, [an_item("a")], tmp_path / "file")
