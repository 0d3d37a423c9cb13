from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("kornia", reason="needs kornia")
pytest.importorskip("pydantic", reason="needs pydantic")

import torch
from torch import nn

from tardal_ros.errors import RigError
from tardal_ros.fusion.tardal import Generator
from tardal_ros.training.batch import Batch
from tardal_ros.training.release import generator_bytes
from tardal_ros.training.sides import Discriminators, GeneratorSide

NAMES = ("person", "car")


@pytest.fixture(scope="module", autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def a_batch(side=16, count=2, seed=0):
    """Noise with an object in each image, of which infrared does not see the left quarter."""
    rng = torch.Generator().manual_seed(seed)
    infrared, target, *visible = (torch.rand(count, 1, side, side, generator=rng) for _ in range(5))
    seen = torch.ones(count, 1, side, side)
    seen[..., : side // 4] = 0
    boxes = torch.tensor([[index, index % 2, 0.5, 0.5, 0.6, 0.4] for index in range(count)])
    return Batch(infrared, torch.cat(visible, dim=1), target, seen, boxes, ("",) * count)


def generator_gradients(side, judges, batch, adversarial=0.1):
    """What the generator's turn leaves in every parameter, by name; and the losses."""
    _, losses = side(**batch.tensors(), judges=judges, adversarial=adversarial)
    torch.stack(list(losses.values())).sum().backward()
    return {name: each.grad for name, each in side.networks["generator"].named_parameters()}, losses


def judged(judges, batch, fused):
    mix = torch.full((len(fused), 1, 1, 1), 0.3)
    return judges(batch.infrared, batch.visible, fused, batch.target, batch.seen, mix)


def all_reached(gradients):
    # The bias before a batch norm is of no consequence: its gradient is rounding.
    return all(bool(each.abs().max() > 0) for name, each in gradients.items() if name.endswith("weight"))


def test_detection_reaches_the_generator_in_task_oriented_training(fusion_config):
    config = fusion_config(mode="tt")
    side = GeneratorSide(config, NAMES)
    gradients, losses = generator_gradients(side, Discriminators(config), a_batch(64))

    assert list(losses) == ["detection"] and losses["detection"] > 0
    assert all_reached(gradients)
    assert any(each.grad.abs().max() > 0 for each in side.networks["detector"].parameters() if each.requires_grad)


def test_detection_reaches_the_generator_in_cooperative_training(fusion_config):
    # Nothing else does, with the fusion loss weighed by nothing.
    config = fusion_config({"loss.fusion": 0.0}, "ct")
    gradients, losses = generator_gradients(GeneratorSide(config, NAMES), Discriminators(config), a_batch(64))

    assert losses["source"] == losses["adversarial_target"] == losses["adversarial_detail"] == 0
    assert all_reached(gradients)


def test_cooperative_training_weighs_both(fusion_config):
    told = []
    for changes in ({}, {"loss.fusion": 0.5, "loss.detection": 3.0}):
        torch.manual_seed(1)
        config = fusion_config(changes, "ct")
        judges = Discriminators(config)
        told.append(GeneratorSide(config, NAMES)(**a_batch(64).tensors(), judges=judges, adversarial=0.1)[1])

    once, weighed = told
    assert list(once) == ["source", "adversarial_target", "adversarial_detail", "detection"]
    for name, value in once.items():
        torch.testing.assert_close(weighed[name], value * (3.0 if name == "detection" else 0.5))


def test_contrast_of_targets_is_weighed(fusion_config):
    told = []
    for changes in ({"loss.contrast": 1.0}, {"loss.contrast": 4.0, "loss.fusion": 0.5}):
        torch.manual_seed(1)
        config = fusion_config(changes, "ct")
        side = GeneratorSide(config, NAMES)
        told.append(generator_gradients(side, Discriminators(config), a_batch(64))[1])
    assert told[0]["contrast"] > 0
    torch.testing.assert_close(told[1]["contrast"], 2 * told[0]["contrast"])


def test_direct_training_has_no_detector(fusion_config):
    config = fusion_config({"loss.fusion": 7.0, "loss.detection": 7.0})
    side = GeneratorSide(config, ())
    gradients, losses = generator_gradients(side, Discriminators(config), a_batch())

    assert list(side.networks) == ["generator"] and list(losses) == [
        "source",
        "adversarial_target",
        "adversarial_detail",
    ]
    assert all_reached(gradients)
    unweighed = GeneratorSide(fusion_config(), ())
    unweighed.load_state_dict(side.state_dict())
    torch.testing.assert_close(
        unweighed(**a_batch().tensors(), judges=Discriminators(config), adversarial=0.1)[1]["source"], losses["source"]
    )


def test_task_oriented_training_has_no_discriminators(fusion_config):
    judges = Discriminators(fusion_config(mode="tt"))

    assert len(judges) == 0 and not list(judges.parameters())


def test_discriminators_learn_nothing_from_the_generator_s_turn(fusion_config):
    config = fusion_config()
    side, judges = GeneratorSide(config, ()), Discriminators(config)
    generator_gradients(side, judges, a_batch())

    assert all(each.grad is None for each in judges.parameters())


def test_the_generator_learns_nothing_from_the_discriminators_turn(fusion_config):
    config, batch = fusion_config(), a_batch()
    side, judges = GeneratorSide(config, ()), Discriminators(config)
    fused, _ = side(**batch.tensors(), judges=judges, adversarial=0.1)
    losses = judged(judges, batch, fused)  # not even where it is not detached
    torch.stack(list(losses.values())).sum().backward()

    assert list(losses) == ["discriminator_target", "discriminator_detail"]
    assert all(each.grad is None for each in side.parameters())
    assert all(each.grad.abs().max() > 0 for name, each in judges.named_parameters() if "bias" not in name)


def test_both_discriminators_move_the_generator(fusion_config):
    config, batch = fusion_config(), a_batch()
    judges = Discriminators(config)
    fused = torch.rand(2, 1, 16, 16, requires_grad=True)
    told = judges.adversarial(batch.infrared, batch.visible, fused, batch.target, batch.seen)
    gradients = [torch.autograd.grad(value, fused)[0] for value in told.values()]

    assert list(told) == ["adversarial_target", "adversarial_detail"]
    assert all(each.abs().max() > 0 for each in gradients) and not torch.allclose(*gradients)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, ["target", "detail"]),
        ({"loss.target_discriminator": False}, ["detail"]),
        ({"loss.detail_discriminator": False}, ["target"]),
        ({"loss.target_discriminator": False, "loss.detail_discriminator": False}, []),
        ({"loss.adversarial": 0.0}, []),
    ],
)
def test_discriminators_can_be_left_out(fusion_config, changes, left):
    config, batch = fusion_config(changes), a_batch()
    judges = Discriminators(config)
    fused, losses = GeneratorSide(config, ())(**batch.tensors(), judges=judges, adversarial=0.1)

    assert len(judges) == len(left)
    assert list(losses) == ["source", *(f"adversarial_{name}" for name in left)]
    assert list(judged(judges, batch, fused.detach())) == [f"discriminator_{name}" for name in left]


@pytest.mark.parametrize("masked", [False, True])
def test_targets_can_be_left_out_of_the_details(fusion_config, masked):
    config, batch = fusion_config({"loss.detail_mask": masked, "loss.target_discriminator": False}), a_batch()
    judges, fused = Discriminators(config), torch.rand(2, 1, 16, 16)
    told = []
    for target in (batch.target, torch.rand_like(batch.target)):
        changed = Batch(**{**batch.tensors(), "target": target}, names=batch.names)
        (other,) = judges.adversarial(batch.infrared, batch.visible, fused, target, batch.seen).values()
        told.append(torch.stack([other, *judged(judges, changed, fused).values()]))

    assert torch.equal(*told) != masked


class ByPixel(nn.Module):
    """A generator that sees no neighbours."""

    def forward(self, infrared, visible):
        return 0.6 * infrared + 0.4 * visible


def test_what_infrared_does_not_see_changes_nothing(fusion_config):
    config, batch = fusion_config(), a_batch()
    side, judges = GeneratorSide(config, ()), Discriminators(config)
    side.networks["generator"] = ByPixel()
    told = []
    for other in (batch, a_batch(seed=9)):
        images = {
            name: torch.where(batch.seen > 0, getattr(batch, name), getattr(other, name))
            for name in ("infrared", "visible", "target")
        }
        mixed = Batch(**images, seen=batch.seen, boxes=batch.boxes, names=batch.names)
        fused, losses = side(**mixed.tensors(), judges=judges, adversarial=0.1)
        told.append({**losses, **judged(judges, mixed, fused)})

    assert len(told[0]) == 5
    for name, value in told[0].items():
        torch.testing.assert_close(told[1][name], value, rtol=0, atol=0, msg=name)


@pytest.fixture
def started(tmp_path):
    """Weights that have seen something, as a file."""
    generator = Generator(4, 1)
    for _ in range(3):
        generator(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))
    path = tmp_path / "start.safetensors"
    path.write_bytes(generator_bytes(generator))
    return path, generator.state_dict()


def test_weights_to_start_from_tell_their_own_size(fusion_config, started):
    config = fusion_config({"generator": {"start": str(started[0])}})
    state = GeneratorSide(config, ()).networks["generator"].state_dict()

    assert config.generator.dim == 32
    assert all(torch.equal(state[name], value) for name, value in started[1].items())


def test_weights_that_are_not_there_are_named(fusion_config, tmp_path):
    config = fusion_config({"generator": {"start": str(tmp_path / "none.safetensors")}})
    with pytest.raises(RigError, match=r"none\.safetensors does not exist"):
        GeneratorSide(config, ())
