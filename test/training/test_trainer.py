from __future__ import annotations

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("lightning_fabric", reason="needs lightning-fabric")
pytest.importorskip("kornia", reason="needs kornia")
pytest.importorskip("pydantic", reason="needs pydantic")

import torch

from tardal_ros.datasets.item import Item, Sample
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.fusion.tardal import Generator
from tardal_ros.training import checkpoint
from tardal_ros.training.batch import Batch, Stream
from tardal_ros.training.crops import Augmentation
from tardal_ros.training.release import generator_bytes
from tardal_ros.training.session import launch
from tardal_ros.training.trainer import Trainer, learning_rate, moving_average


class Noise:
    """Five pairs with an object each."""

    names = ("person", "car")
    samples = tuple(Sample(str(number), str(number), "day") for number in range(5))

    def __len__(self):
        return 5

    def check(self):
        pass

    def load(self, index):
        rng = np.random.default_rng(index)
        visible, infrared = rng.integers(0, 255, (70, 80, 3), np.uint8), rng.integers(0, 120, (70, 80), np.uint8)
        infrared[20:50, 20:60] = 230
        box = Objects(np.array([[20.0, 20, 60, 50]]), np.array([index % 2]), np.zeros(1, np.bool_), self.names)
        return Item(str(index), str(index), "day", visible, infrared, box)


class Unseen:
    """Takes the place of the samples that nobody looks at."""

    def scalars(self, step, values):
        pass

    def show(self, step, generator):
        pass


class Run:
    """A training with its losses, by step, and what it left on disk."""

    def __init__(self, config, fabric, folder):
        stream = Stream(Noise(), Augmentation(config.data.crop), config.seed)
        self.trainer, self.folder, self.losses = Trainer(config, fabric, folder, stream), folder, {}

    def watch(self, progress):
        self.losses[progress.step] = progress.losses

    def go(self, steps=None):
        """Trains to the end, or is killed after some steps."""
        if steps is not None:
            feed = self.trainer.feed()
            self.trainer.feed = lambda: islice(feed, steps)
        try:
            self.trainer.run(self.watch, Unseen())
        except StopIteration:
            assert steps is not None
        return self

    @property
    def saved(self):
        return checkpoint.load(self.folder / "checkpoint.pt")


@pytest.fixture
def train(fusion_config, fabric, tmp_path):
    """Makes a run of a configuration with changes."""

    def make(changes=None, mode="dt", folder="run"):
        return Run(fusion_config(changes, mode), fabric, tmp_path / folder)

    return make


def test_sixteen_bits_are_for_the_networks_and_not_for_what_they_are_given(fusion_config, fabric, tmp_path):
    told = []
    for name, each in (("full", fabric), ("half", launch("cpu", "1", 1, "auto", "bf16-mixed"))):
        run = Run(fusion_config({"steps": 1}, "ct"), each, tmp_path / name)
        given = []
        run.trainer._generator_side.module.register_forward_pre_hook(
            lambda side, args, named, given=given: given.append(named), with_kwargs=True
        )
        losses = run.go().losses[1]
        told.append((losses, given[0], run.trainer.networks["generator"].encoder[0].weight))
    (full, batch, weight), (half, same, other) = told
    for name in ("infrared", "visible", "target", "seen", "boxes"):
        torch.testing.assert_close(same[name], batch[name], rtol=0, atol=0)
    # Batch norm of two crops, on random weights, makes much of little.
    assert half.pop("detection") == pytest.approx(full.pop("detection"), rel=0.3)
    assert half != full and half == pytest.approx(full, rel=0.03, abs=0.01)
    assert other.dtype == torch.float32 and not torch.equal(weight, other)


def flat(state, prefix=""):
    """Every number and tensor of a checkpoint by its place."""
    if isinstance(state, (dict, list, tuple)):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return {place: leaf for key, each in items for place, leaf in flat(each, f"{prefix}/{key}").items()}
    return {prefix: state}


def differing(one, other):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys() and any(isinstance(each, torch.Tensor) for each in one.values())
    same = {key: torch.equal(a, other[key]) if torch.is_tensor(a) else a == other[key] for key, a in one.items()}
    return [key for key, equal in same.items() if not equal]


@pytest.mark.parametrize(
    ("taken", "kept"), [(2, 2), (3, 2), (1, 0)], ids=["at a checkpoint", "between two", "before the first"]
)
def test_a_run_that_goes_on_gives_the_same_numbers(train, taken, kept):
    whole = train({"steps": 4}, folder="whole").go()
    killed = train({"steps": 4}, folder="killed").go(taken)
    resumed = train({"steps": 4}, folder="killed")

    assert resumed.trainer.step == kept and list(killed.losses) == list(range(1, taken + 1))
    resumed.go()
    assert {**killed.losses, **resumed.losses} == whole.losses and len(whole.losses) == 4
    assert differing(whole.saved, resumed.saved) == [] and whole.saved["step"] == 4


def test_a_run_with_a_detector_goes_on_as_well(train):
    changes = {"steps": 2, "checkpoint_every": 1}
    whole = train(changes, "ct", "whole").go()
    first = train(changes, "ct", "killed").go(1).saved
    resumed = train(changes, "ct", "killed").go()

    assert resumed.losses == {2: whole.losses[2]} and differing(whole.saved, resumed.saved) == []
    turns = {f"{side}_{name}" for side in ("adversarial", "discriminator") for name in ("target", "detail")}
    assert set(whole.losses[2]) == {"source", "detection", *turns}
    # And every network learns.
    before, after = flat(first), flat(resumed.saved)
    for part in ("/networks/generator.", "/networks/detector.", "/discriminators/target.", "/discriminators/detail."):
        weights = [key for key in before if key.startswith(part) and before[key].ndim > 1 and ".dfl." not in key]
        assert weights and not any(torch.equal(before[key], after[key]) for key in weights), part


def test_a_run_that_is_done_takes_no_step(train):
    train().go()
    again = train().go()

    assert again.losses == {} and again.trainer.step == 3


def test_the_seed_decides(train):
    one, other = (train({"seed": seed, "steps": 1}, folder=str(seed)).go() for seed in (5, 6))

    assert one.losses[1] != other.losses[1]
    assert differing(one.saved["networks"], other.saved["networks"])


def test_a_checkpoint_has_all_that_changes(train):
    state = train().go().saved

    assert set(state) == {
        "step", "networks", "average", "optimizer", "schedule", "discriminators", "discriminator_optimizer"
    }  # fmt: skip
    # Published checkpoints have the weights of one discriminator under both names.
    target, detail = (
        {name: each for name, each in state["discriminators"].items() if name.startswith(part)}
        for part in ("target.", "detail.")
    )
    assert len(target) == len(detail) == 8
    # And give both of them to the generator's optimiser.
    for name, count in (("optimizer", 20), ("discriminator_optimizer", 16)):
        assert sum(len(group["params"]) for group in state[name]["param_groups"]) == count
    assert not any(torch.equal(*pair) for pair in zip(target.values(), detail.values(), strict=True))


@pytest.mark.parametrize(
    ("still", "moving"),
    [("generator", ("discriminators", "discriminators")), ("discriminators", ("networks", "generator"))],
)
def test_an_optimizer_moves_nothing_but_its_own_side(train, still, moving):
    section, rate = moving
    changes = {f"optimizer.{still}": 1e-30, f"optimizer.{rate}": 1e-2, "checkpoint_every": 1}
    first, third = ({**changes, "steps": steps} for steps in (1, 3))
    one, other = train(first, folder="one").go().saved, train(third, folder="other").go().saved
    kept = "networks" if still == "generator" else "discriminators"
    for name, value in one[kept].items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(other[kept][name], value, rtol=0, atol=1e-20)
    assert not any(
        torch.equal(other[section][name], value) for name, value in one[section].items() if name.endswith("weight")
    )


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"loss.target_discriminator": False}, ["detail"]),
        ({"loss.detail_discriminator": False}, ["target"]),
        ({"loss.target_discriminator": False, "loss.detail_discriminator": False}, []),
    ],
)
def test_it_trains_without_discriminators(train, changes, left):
    run = train(changes).go()

    expected = {"source", *(f"{what}_{name}" for name in left for what in ("adversarial", "discriminator"))}
    assert all(set(losses) == expected for losses in run.losses.values())
    assert {name.split(".")[0] for name in run.saved.get("discriminators", {})} == set(left)


def test_discriminators_may_learn_before_they_are_heard(train):
    losses = train({"loss.adversarial_after": 2}).go().losses

    assert [losses[step]["adversarial_target"] != 0 for step in (1, 2, 3)] == [False, False, True]
    assert all(losses[step]["discriminator_target"] != 0 for step in (1, 2, 3))


def test_the_moving_average_begins_with_the_weights_and_lags(train):
    changes = {"steps": 2, "checkpoint_every": 1, "optimizer.average": 0.9}
    run = train(changes).go(1)
    first = run.saved
    average = {name.removeprefix("module."): each for name, each in first["average"].items() if "module." in name}
    assert average.keys() == first["networks"].keys()
    assert all(torch.equal(each, first["networks"][name]) for name, each in average.items())

    run = train(changes).go()
    second = run.saved
    assert not torch.equal(
        second["networks"]["generator.encoder.0.weight"], first["networks"]["generator.encoder.0.weight"]
    )
    for name, each in second["networks"].items():
        expected = average[name].lerp(each, 9 / 11) if each.is_floating_point() else each
        torch.testing.assert_close(second["average"][f"module.{name}"], expected)
    assert not run.trainer.networks.training
    given = run.trainer.networks.state_dict()
    assert all(torch.equal(given[name], second["average"][f"module.{name}"]) for name in given)


def test_the_moving_average_forgets_how_it_began():
    one, nothing = torch.ones(2), torch.zeros(2)
    kept = [float(moving_average(0.9)(one, nothing, count)[0]) for count in (0, 1, 8, 71, 72, 10**6)]

    assert kept == pytest.approx([0.1, 2 / 11, 0.5, 72 / 81, 0.9 * 73 / 73.8, 0.9], rel=1e-3) and max(kept) <= 0.90001
    assert moving_average(0.9)(torch.tensor(3), torch.tensor(9), 5) == 9  # a counter
    assert moving_average(0.0)(one, nothing, 50).sum() == 0


def gradient_norm(optimizer):
    """Of the first step, by what AdamW keeps of it: a tenth."""
    parts = [each["exp_avg"].flatten() for each in optimizer["state"].values()]
    return float(torch.cat(parts).norm() / 0.1)


def test_gradients_are_clipped(train):
    free, held = (train({"steps": 1, "optimizer.clip": clip}, folder=str(clip)).go().saved for clip in (1e9, 0.01))
    for name in ("optimizer", "discriminator_optimizer"):
        assert gradient_norm(free[name]) > 0.02
        assert gradient_norm(held[name]) == pytest.approx(0.01, rel=1e-3)


def test_the_learning_rate_rises_and_falls(fusion_config):
    config = fusion_config({"steps": 100, "optimizer.warmup": 9, "optimizer.final": 0.01})
    rates = [learning_rate(step, config) for step in range(101)]

    assert rates[0] == pytest.approx(0.1) and rates[4] == pytest.approx(0.5 * 0.01**0.04)
    assert max(rates) == rates[9] == pytest.approx(0.01**0.09)
    assert rates[50] == pytest.approx(0.1) and rates[100] == pytest.approx(0.01)


def test_the_learning_rate_falls_at_milestones(fusion_config):
    config = fusion_config({"steps": 100, "optimizer.milestones": [30, 60], "optimizer.warmup": 0})
    rates = [learning_rate(step, config) for step in (0, 29, 30, 59, 60, 99)]

    assert rates == pytest.approx([1, 1, 0.75, 0.75, 0.5625, 0.5625])


def test_each_network_has_its_own_learning_rate_in_task_oriented_training(train):
    changes = {"steps": 1, "optimizer": {"generator": 0.25, "detector": 0.5, "warmup": 1}}
    run = train(changes, "tt").go()
    groups = run.saved["optimizer"]["param_groups"]

    assert set(run.losses[1]) == {"detection"} and "discriminators" not in run.saved
    assert [group["initial_lr"] for group in groups] == [0.25, 0.25, 0.5, 0.5]
    assert [group["weight_decay"] for group in groups] == [5e-4, 0.0, 5e-4, 0.0]
    # Step 2 is the last of the warm-up, and all of the fall.
    assert [group["lr"] for group in groups] == pytest.approx([0.0125, 0.0125, 0.025, 0.025])


def test_the_discriminators_learning_rate_stays(train):
    state = train({"steps": 2, "optimizer": {"discriminators": 0.125}}).go().saved

    assert [group["lr"] for group in state["discriminator_optimizer"]["param_groups"]] == [0.125]


@pytest.fixture
def frozen(tmp_path):
    """Changes to a configuration with frozen batch norm, and the weights that it starts from."""
    generator = Generator(4, 1)
    generator(torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16))
    path = tmp_path / "start.safetensors"
    path.write_bytes(generator_bytes(generator))
    return {"generator": {"start": str(path), "norm_steps": 0}}, generator.state_dict()


def test_frozen_statistics_stay_while_weights_learn(train, frozen):
    changes, start = frozen
    state = train(changes).go().saved["networks"]

    for name, value in start.items():
        kept = torch.equal(state[f"generator.{name}"], value)
        assert kept == ("running" in name or "num_batches" in name), name


def test_statistics_are_learnt_for_the_steps_that_were_asked_for(train):
    run = train({"steps": 4, "checkpoint_every": 2, "generator.norm_steps": 2})
    counted = []
    feed = run.trainer.feed()
    for _ in range(4):
        run.trainer.take(next(feed))
        network = run.trainer.networks["generator"], run.trainer._generator_side.networks["generator"]
        counted.append(tuple(int(each.state_dict()["encoder.1.num_batches_tracked"]) for each in network))

    assert [live for _, live in counted] == [1, 2, 2, 2]
    assert counted[-1][0] == 2  # and the average takes the counter over, too


def test_statistics_of_the_detector_are_learnt_for_as_many_steps(train):
    run = train({"steps": 3, "detector.norm_steps": 1}, "ct")
    detector = run.trainer._generator_side.networks["detector"]
    norms = [each for each in detector.modules() if hasattr(each, "num_batches_tracked")]
    feed, counted, means = run.trainer.feed(), [], []
    for _ in range(3):
        run.trainer.take(next(feed))
        counted.append({int(norm.num_batches_tracked) for norm in norms})
        means.append(torch.cat([norm.running_mean for norm in norms]))

    assert counted == [{1}, {1}, {1}] and torch.equal(means[0], means[2])


def test_frozen_an_image_does_not_depend_on_its_neighbours(train, frozen):
    run = train(frozen[0])
    batch = next(run.trainer.feed())
    run.trainer.take(batch)
    network = run.trainer._generator_side.networks["generator"]
    grey = batch.visible.mean(dim=1, keepdim=True)
    assert torch.allclose(network(batch.infrared[:1], grey[:1]), network(batch.infrared, grey)[:1], atol=1e-6)


def all_finite(state):
    return all(bool(torch.isfinite(each).all()) for each in flat(state).values() if torch.is_tensor(each))


@pytest.mark.parametrize("name", ["visible", "target"])
def test_a_batch_that_is_not_finite_stops_the_training(train, name):
    run = train({"steps": 5})
    feed = run.trainer.feed()
    good = [next(feed) for _ in range(4)]
    bad = Batch(**{**good[3].tensors(), name: getattr(good[3], name) * float("nan")}, names=good[3].names)
    run.trainer.feed = lambda: iter([*good[:3], bad])
    with pytest.raises(RigError, match=rf"no longer finite at step 4 .*{name}.*lost_batch_0\.pt") as error:
        run.go()
    assert f"of crops of {bad.names[0]}, {bad.names[1]}: " in str(error.value)

    lost = torch.load(run.folder / "lost_batch_0.pt", weights_only=True)
    assert set(lost) == set(bad.tensors()) and lost[name].isnan().all()
    assert torch.equal(lost["infrared"], bad.infrared)
    assert run.saved["step"] == 2 and all_finite(run.saved)
    assert run.trainer.step == 3 and all_finite(run.trainer.networks.state_dict())


def test_a_loss_that_is_not_finite_stops_it_too(train, monkeypatch):
    run = train()
    monkeypatch.setattr("tardal_ros.training.sides.source_loss", lambda fused, *_: fused.sum() * float("inf"))
    with pytest.raises(RigError, match=r"no longer finite at step 1 .*'source': -?inf.*lost_batch_0\.pt"):
        run.go()
    assert all_finite(run.trainer.networks.state_dict())


def test_a_gradient_that_is_not_finite_stops_it_as_well(train, monkeypatch):
    run = train()
    # The root of nothing: 0, with an infinite slope.
    monkeypatch.setattr(
        "tardal_ros.training.sides.source_loss", lambda fused, *_: (fused - fused.detach()).abs().sum().sqrt()
    )
    with pytest.raises(RigError, match=r"no longer finite at step 1 .*gradient.*lost_batch_0\.pt"):
        run.go()
    assert all_finite(run.trainer.networks.state_dict())


@pytest.mark.parametrize(
    "sign", ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes.", "CUDA out of memory. Tried"]
)
def test_memory_that_runs_out_is_told(train, monkeypatch, sign):
    def full(*images):
        raise RuntimeError(sign)

    train().go(2)
    run = train()
    monkeypatch.setattr(Generator, "features", full)
    with pytest.raises(RigError, match=r"ran out at step 3, with 2 crops of \[16, 16\]: lower data.batch or data.crop"):
        run.go()
    assert run.saved["step"] == 2


@pytest.mark.parametrize("sign", ["mat1 and mat2 shapes cannot be multiplied", "an illegal memory access"])
def test_any_other_error_is_not_hidden(train, monkeypatch, sign):
    def broken(*images):
        raise RuntimeError(sign)

    run = train()
    monkeypatch.setattr(Generator, "features", broken)
    with pytest.raises(RuntimeError, match=sign):
        run.go()


def test_a_folder_of_another_configuration_is_refused(train):
    train().go(2)
    with pytest.raises(RigError, match="was made with another configuration"):
        train({"optimizer.clip": 3.0})
    assert train().trainer.step == 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"generator": {"dim": 6, "depth": 1}}, "networks"),
        ({"data.crop": [24, 24]}, "discriminators"),
        ({"loss.detail_discriminator": False}, "discriminators"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused(train, tmp_path, changes, what):
    train(changes, folder="other").go(2)
    (tmp_path / "run").mkdir()
    (tmp_path / "other" / "checkpoint.pt").rename(tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(RigError, match=rf"The {what} in .*checkpoint\.pt is of another architecture"):
        train()


def test_a_damaged_checkpoint_is_refused(train):
    path = train().go(2).folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(RigError, match=r"checkpoint\.pt cannot be read"):
        train()


def test_a_folder_that_cannot_be_written_is_refused(train, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RigError, match=r"config\.yaml cannot be written"):
        train(folder="file/run")


def test_a_checkpoint_that_cannot_be_written_stops_the_training(train):
    run = train()
    (run.folder / "checkpoint.pt").mkdir()
    with pytest.raises(RigError, match=r"checkpoint\.pt cannot be written"):
        run.go()


def test_a_batch_that_processes_cannot_share_is_refused(fusion_config, tmp_path):
    fabric = SimpleNamespace(world_size=3)
    with pytest.raises(RigError, match=r"data\.batch is 2, which 3 processes cannot share"):
        Trainer(fusion_config(), fabric, tmp_path, None)
