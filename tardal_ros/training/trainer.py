"""The training of a fusion network: its generator, a detector and two discriminators take turns (TarDAL, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.training import checkpoint
from tardal_ros.training.batch import Batch, Stream, batches
from tardal_ros.training.config import TrainConfig
from tardal_ros.training.samples import Samples
from tardal_ros.training.sections import claim
from tardal_ros.training.sides import Discriminators, GeneratorSide

try:
    from lightning_fabric import Fabric
except ImportError as error:
    raise MissingDependencyError(
        "Training needs lightning-fabric: run `pip install '.[train]'` in the checkout."
    ) from error

_FALL = 0.75
"""Of the learning rates at a milestone."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")
"""What CUDA's error says, and the CPU's, which has no type of its own."""


@dataclass(frozen=True)
class Progress:
    """Where the training is.

    Attributes:
        step: How many steps are done.
        steps: How many there will be.
        losses: Of the newest step, by name.
    """

    step: int
    steps: int
    losses: dict[str, float]


class Trainer:
    """Trains by a configuration, or goes on with what an earlier run left in the folder.

    Crops, their order and everything random are functions of the seed and the step: a run that was interrupted gives
    the same numbers as one that was not.

    Args:
        config: How to train.
        fabric: Devices, precision and processes; launched.
        folder: Where the checkpoint is kept.
        train: Crops to learn from.

    Attributes:
        step: How many steps are done.

    Raises:
        RigError: The folder is another configuration's, its checkpoint does not fit, weights cannot be used, or the
            batch cannot be shared among the processes.
    """

    def __init__(self, config: TrainConfig, fabric: Fabric, folder: Path, train: Stream) -> None:
        if config.data.batch % fabric.world_size:
            raise RigError(
                f"data.batch is {config.data.batch}, which {fabric.world_size} processes cannot share: give a multiple."
            )
        self.step = 0
        self._config, self._fabric, self._folder, self._train = config, fabric, folder, train
        self._checkpoint = folder / "checkpoint.pt"
        torch.manual_seed(config.seed)
        generator_side, self._judges = GeneratorSide(config, train.names), Discriminators(config).to(fabric.device)
        self._average = AveragedModel(
            generator_side.networks, fabric.device, moving_average(config.optimizer.average), use_buffers=True
        )
        optimizer = AdamW(_groups(generator_side, config))
        self._schedule = LambdaLR(optimizer, lambda step: learning_rate(step, config))
        self._generator_side, self._optimizer = fabric.setup(generator_side, optimizer)
        self._discriminator_side: Any = None
        if len(self._judges):
            optimizer = AdamW(self._judges.parameters(), config.optimizer.discriminators)
            self._discriminator_side, self._discriminator_optimizer = fabric.setup(self._judges, optimizer)
        self._resume()

    @property
    def networks(self) -> nn.ModuleDict:
        """What comes out of it: moving averages of `generator` and, in modes `tt` and `ct`, `detector`."""
        self._average.module.eval()
        return cast(nn.ModuleDict, self._average.module)

    def run(self, watch: Callable[[Progress], None], samples: Samples) -> None:
        """Takes the steps that are left.

        Args:
            watch: Called after each, in the first process.
            samples: What the training is looked at with.

        Raises:
            RigError: The loss is no longer finite, memory runs out, or the folder cannot be written.
        """
        config, fabric = self._config, self._fabric
        feed = self.feed()
        while self.step < config.steps:
            losses = self._mean(self.take(next(feed)))
            if not fabric.is_global_zero:
                continue
            watch(Progress(self.step, config.steps, losses))
            samples.scalars(self.step, losses)
            last = self.step == config.steps
            if self.step % config.sample_every == 0 or last:
                samples.show(self.step, self.networks["generator"])
            if self.step % config.checkpoint_every == 0 or last:
                checkpoint.save(self._checkpoint, self._state())
        fabric.barrier()

    def feed(self) -> Iterator[Batch]:
        """The batches from this step on, without end: this process's share of them, on its device."""
        fabric, told = self._fabric, self._config.data
        shares = batches(self._train, told.batch, self.step, fabric.global_rank, fabric.world_size, told.workers)
        return (share.to(fabric.device) for share in shares)

    def take(self, batch: Batch) -> dict[str, float]:
        """One step: a turn of the generator and the detector, then one of the discriminators, on the same batch.

        Args:
            batch: See `feed`.

        Returns:
            The losses by name.

        Raises:
            RigError: See `run`.
        """
        spoilt = {name: math.nan for name, each in batch.tensors().items() if not torch.isfinite(each).all()}
        if spoilt:
            raise self._lost(spoilt, batch)
        try:
            fused, losses = self._generator_turn(batch)
            if self._discriminator_side is not None:
                losses |= self._discriminator_turn(batch, fused)
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _OUT_OF_MEMORY):
                raise
            raise RigError(
                f"Memory ran out at step {self.step + 1}, with {len(batch.infrared)} crops of"
                f" {list(self._config.data.crop)}: lower data.batch or data.crop; the last checkpoint is whole."
            ) from None
        self.step += 1
        return losses

    def _generator_turn(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        weight = self._config.loss.adversarial if self.step >= self._config.loss.adversarial_after else 0.0
        for name, part in (("generator", self._config.generator), ("detector", self._config.detector)):
            if part is not None:
                learns = part.norm_steps is None or self.step < part.norm_steps
                self._generator_side.networks[name].train(learns)
        fused, losses = self._generator_side(**batch.tensors(), judges=self._judges, adversarial=weight)
        told = self._descend(losses, self._generator_side, self._optimizer, batch)
        self._schedule.step()
        self._average.update_parameters(self._generator_side.networks)
        return fused.detach(), told

    def _discriminator_turn(self, batch: Batch, fused: Tensor) -> dict[str, float]:
        mix = self._mix(len(fused))
        losses = self._discriminator_side(batch.infrared, batch.visible, fused, batch.target, batch.seen, mix)
        return self._descend(losses, self._discriminator_side, self._discriminator_optimizer, batch)

    def _descend(self, losses: dict[str, Tensor], side: Any, optimizer: Any, batch: Batch) -> dict[str, float]:
        """Follows the gradient of the sum of the losses; returns them as numbers."""
        told = {name: float(loss.detach()) for name, loss in losses.items()}
        if not all(math.isfinite(value) for value in told.values()):
            raise self._lost(told, batch)
        optimizer.zero_grad()
        self._fabric.backward(torch.stack(list(losses.values())).sum())
        most = self._config.optimizer.clip
        norm = self._fabric.clip_gradients(side, optimizer, max_norm=most, error_if_nonfinite=False)
        if norm is not None and not torch.isfinite(norm):
            raise self._lost(told | {"gradient": float(norm)}, batch)
        optimizer.step()
        return told

    def _lost(self, told: dict[str, float], batch: Batch) -> RigError:
        path = self._folder / f"lost_batch_{self._fabric.global_rank}.pt"
        checkpoint.save(path, batch.tensors())
        return RigError(
            f"The loss is no longer finite at step {self.step + 1} ({told}), of crops of {', '.join(batch.names)}: its"
            f" batch is in {path}, and the last checkpoint is whole; look at the batch, or lower the learning rates."
        )

    def _mix(self, count: int) -> Tensor:
        """Where between real and fake the penalty looks: of the whole batch, the share of this process."""
        generator = torch.Generator().manual_seed(self._config.seed * 1_000_003 + self.step)
        mix = torch.rand(self._config.data.batch, 1, 1, 1, generator=generator)
        first = self._fabric.global_rank * count
        return mix[first : first + count].to(self._fabric.device)

    def _mean(self, losses: dict[str, float]) -> dict[str, float]:
        """Over the processes."""
        values = torch.tensor(list(losses.values()), device=self._fabric.device)
        means = cast(Tensor, self._fabric.all_reduce(values, reduce_op="mean"))
        return dict(zip(losses, means.tolist(), strict=True))

    def _parts(self) -> dict[str, Any]:
        """All that changes while it trains, by name."""
        parts = {
            "networks": self._generator_side.networks,
            "average": self._average,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }
        if self._discriminator_side is not None:
            parts |= {"discriminators": self._judges, "discriminator_optimizer": self._discriminator_optimizer}
        return parts

    def _state(self) -> dict[str, Any]:
        return {"step": self.step, **{name: part.state_dict() for name, part in self._parts().items()}}

    def _resume(self) -> None:
        if self._fabric.is_global_zero:
            claim(self._folder / "config.yaml", self._config)
        self._fabric.barrier()
        state = checkpoint.load(self._checkpoint)
        if state is not None:
            for name, part in self._parts().items():
                checkpoint.restore(part, state.get(name, {}), name, self._checkpoint)
            self.step = int(state["step"])


def learning_rate(step: int, config: TrainConfig) -> float:
    """Fraction of the largest learning rate: a line up over the warm-up, then down, exponentially or at milestones."""
    optimizer = config.optimizer
    if optimizer.milestones:
        fall = _FALL ** sum(step >= milestone for milestone in optimizer.milestones)
    else:
        fall = optimizer.final ** (step / config.steps)
    return min(1.0, (step + 1) / (optimizer.warmup + 1)) * float(fall)


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """How an `AveragedModel` takes in the newest values.

    At first it forgets faster, or it would long remember the values that everything began with: batch norm's first
    statistics are no measurement.

    Args:
        decay: What is kept of the average at each step, later on.
    """

    def update(average: Tensor, newest: Tensor, count: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return newest  # a counter
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        return average.lerp(newest, 1 - kept)

    return update


def _groups(side: GeneratorSide, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters by their learning rate; biases and norms do not decay."""
    rates = {"generator": config.optimizer.generator, "detector": config.optimizer.detector}
    groups = []
    for name, network in side.networks.items():
        parameters: list[nn.Parameter] = [each for each in network.parameters() if each.requires_grad]
        for decay, chosen in (
            (config.optimizer.weight_decay, [each for each in parameters if each.ndim > 1]),
            (0.0, [each for each in parameters if each.ndim <= 1]),
        ):
            groups.append({"params": chosen, "lr": rates[name], "weight_decay": decay})
    return groups
