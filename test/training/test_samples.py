from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("tensorboard", reason="needs tensorboard")

import torch
from torch import nn

from tardal_ros.datasets.item import Item
from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import quality
from tardal_ros.fusion.colour import luma
from tardal_ros.training.samples import TILE, Samples


class Brighter(nn.Module):
    """Gives infrared back, brighter; some of it too bright for an image."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(0.25))

    def forward(self, infrared, visible):
        return infrared + self.by


def an_item(height, width, grey=False, seed=0):
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    infrared = rng.integers(0, 256, (height, width), np.uint8)
    infrared.setflags(write=False)
    return Item("pair", "pair", "day", visible, infrared)


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(folder, name):
    return [(each.step, pytest.approx(each.value, rel=1e-5)) for each in events(folder).Scalars(name)]


def test_scalars_can_be_read_back(tmp_path):
    with Samples(tmp_path, []) as samples:
        for step in (1, 2, 3):
            samples.scalars(step, {"source": step / 2, "discriminator_target": -step})

    assert events(tmp_path).Tags()["scalars"] == ["source", "discriminator_target"]
    assert scalars(tmp_path, "source") == [(1, 0.5), (2, 1.0), (3, 1.5)]
    assert scalars(tmp_path, "discriminator_target") == [(1, -1), (2, -2), (3, -3)]


def test_steps_that_were_lost_are_not_shown_twice(tmp_path):
    with Samples(tmp_path, []) as samples:
        for step in (1, 2, 3):
            samples.scalars(step, {"source": 1.0})
    with Samples(tmp_path, []) as samples:
        for step in (2, 3, 4):
            samples.scalars(step, {"source": 2.0})

    assert scalars(tmp_path, "source") == [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)]


def test_a_picture_has_a_row_for_each_pair(tmp_path):
    items = [an_item(40, 48), an_item(48, 24, grey=True, seed=1)]
    with Samples(tmp_path, items) as samples:
        samples.show(7, Brighter())

    grid = cv2.imread(str(tmp_path / "samples" / "000007.png"), cv2.IMREAD_UNCHANGED)
    first, second = TILE * 40 // 48, TILE
    assert grid.shape == (first + second, 3 * TILE)
    for number, image in enumerate((luma(items[0].visible), items[0].infrared)):
        shown = grid[:first, number * TILE : (number + 1) * TILE]
        assert np.array_equal(shown, cv2.resize(image, (TILE, first), interpolation=cv2.INTER_AREA))
    fused = np.clip(items[0].infrared / 255 + 0.25, 0, 1) * 255
    shown = cv2.resize(grid[:first, 2 * TILE :], (48, 40), interpolation=cv2.INTER_AREA)
    assert np.abs(shown - fused).max() <= 1
    # The second is narrower, and the rest of its row stays black.
    narrow = TILE // 2
    assert grid[first:, : 3 * narrow].any() and not grid[first:, 3 * narrow :].any()
    assert [each.step for each in events(tmp_path).Images("visible, infrared, fused")] == [7]


def test_the_quality_of_what_is_shown_is_noted(tmp_path):
    seen = np.full((64, 64), 255, np.uint8)
    seen[:, :20] = 0
    items = [an_item(64, 64), replace(an_item(64, 64, seed=1), seen=seen)]
    network = Brighter()
    network.by.data.zero_()  # the fused image is infrared
    with Samples(tmp_path, items) as samples:
        samples.show(7, network)

    told = [quality(item.infrared, luma(item.visible), item.infrared, item.seen) for item in items]
    names = [name for name in events(tmp_path).Tags()["scalars"] if name.startswith("validation/")]
    assert names == [f"validation/{name}" for name in told[0]]
    for name in told[0]:
        mean = pytest.approx(np.mean([each[name] for each in told]), nan_ok=True)  # too small for MS-SSIM, for one
        assert scalars(tmp_path, f"validation/{name}") == [(7, mean)]
    assert scalars(tmp_path, "validation/SSIM_ir") == [(7, 1.0)]


def test_looking_changes_nothing_but_the_mode(tmp_path):
    generator = nn.BatchNorm2d(1)
    before = {name: each.clone() for name, each in generator.state_dict().items()}
    generator.forward = lambda infrared, visible: nn.BatchNorm2d.forward(generator, infrared)
    with Samples(tmp_path, [an_item(16, 16)]) as samples:
        samples.show(1, generator)

    assert all(torch.equal(each, before[name]) for name, each in generator.state_dict().items())
    assert not generator.training and generator.weight.grad is None


def test_a_picture_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "samples").write_text("in the way")
    with Samples(tmp_path, [an_item(16, 16)]) as samples, pytest.raises(RigError, match="cannot be written"):
        samples.show(1, Brighter())


def test_a_run_that_takes_no_step_writes_nothing(tmp_path):
    with Samples(tmp_path / "run", []):
        pass

    assert not (tmp_path / "run").exists()
