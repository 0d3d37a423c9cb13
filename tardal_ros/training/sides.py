"""The two sides of TarDAL's game, and what each of them minimises (TarDAL, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tardal_ros.fusion.dgfusion import DiscrepancyGuidedFusion, build_network
from tardal_ros.fusion.tardal import Generator, build_generator
from tardal_ros.fusion.weights import read_checkpoint
from tardal_ros.training.config import TrainConfig
from tardal_ros.training.detection import DetectionTask, luma, recombine
from tardal_ros.training.discriminator import Discriminator, discriminator_loss, generator_adversarial
from tardal_ros.training.losses import contrast_term, detail_images, dgfusion_losses, source_loss, target_images


class Discriminators(nn.Module):
    """D_T, which tells targets in fused images from those in infrared, and D_D, which does so with visible gradients.

    Either may be missing; in mode `tt` there is none.

    Args:
        config: How to train.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        loss, wanted = config.loss, config.mode != "tt" and config.loss.adversarial > 0.0
        self._detail_mask = loss.detail_mask
        self.target = Discriminator(config.data.crop) if wanted and loss.target_discriminator else None
        self.detail = Discriminator(config.data.crop) if wanted and loss.detail_discriminator else None

    def __len__(self) -> int:
        return (self.target is not None) + (self.detail is not None)

    def forward(
        self, infrared: Tensor, visible: Tensor, fused: Tensor, target: Tensor, seen: Tensor, mix: Tensor
    ) -> dict[str, Tensor]:
        """What the discriminators minimise, by name.

        Args:
            infrared: See `Batch`.
            visible: See `Batch`.
            fused: (N, 1, H, W), without gradient.
            target: See `Batch`.
            seen: See `Batch`.
            mix: (N, 1, 1, 1) in [0, 1], where between real and fake the penalty looks.
        """
        losses = {}
        with _full_precision(fused):  # the penalty is a sixth power
            if self.target is not None:
                shown = target_images(infrared, fused, target, seen)
                losses["discriminator_target"] = discriminator_loss(self.target, *shown, mix)
            if self.detail is not None:
                shown = self._detail_images(visible, fused, target, seen)
                losses["discriminator_detail"] = discriminator_loss(self.detail, *shown, mix)
        return losses

    def adversarial(
        self, infrared: Tensor, visible: Tensor, fused: Tensor, target: Tensor, seen: Tensor
    ) -> dict[str, Tensor]:
        """What the generator minimises to please them, by name; they learn nothing from it."""
        losses = {}
        if self.target is not None:
            _, fake = target_images(infrared, fused, target, seen)
            losses["adversarial_target"] = generator_adversarial(self.target, fake)
        if self.detail is not None:
            _, fake = self._detail_images(visible, fused, target, seen)
            losses["adversarial_detail"] = generator_adversarial(self.detail, fake)
        return losses

    def _detail_images(self, visible: Tensor, fused: Tensor, target: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        return detail_images(luma(visible), fused, target if self._detail_mask else None, seen)


class GeneratorSide(nn.Module):
    """The generator, and in modes `tt` and `ct` the detector that looks at what it fuses.

    Args:
        config: How to train.
        names: The class names of the labels.

    Attributes:
        networks: `generator`, and `detector` if there is one.

    Raises:
        RigError: Weights to start from cannot be used, or the labels have other classes.
    """

    def __init__(self, config: TrainConfig, names: Sequence[str]) -> None:
        super().__init__()
        self._config = config
        self.networks = nn.ModuleDict({"generator": _generator(config)})
        self._task = None
        if config.detector is not None:
            self._task = DetectionTask(config.detector.model, names, config.detector.start)
            self.networks["detector"] = self._task.model

    def forward(
        self,
        infrared: Tensor,
        visible: Tensor,
        target: Tensor,
        seen: Tensor,
        boxes: Tensor,
        judges: Discriminators,
        adversarial: float,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Fuses a batch and says what is wrong with it.

        Args:
            infrared: See `Batch`.
            visible: See `Batch`.
            target: See `Batch`.
            seen: See `Batch`.
            boxes: See `Batch`.
            judges: The discriminators.
            adversarial: Weight of what they think.

        Returns:
            The fused luma, (N, 1, H, W); and what to minimise the sum of, by name (TarDAL, equations 3 and 12).
        """
        fused = self.networks["generator"](infrared, luma(visible)).float()
        losses: dict[str, Tensor] = {}
        if self._config.mode != "tt":
            weight = self._config.loss.fusion if self._config.mode == "ct" else 1.0
            with _full_precision(fused):
                told = self._source(fused, infrared, luma(visible), target, seen)
                losses |= {name: weight * value for name, value in told.items()}
                told = judges.adversarial(infrared, visible, fused, target, seen)
                losses |= {name: weight * adversarial * value for name, value in told.items()}
        if self._task is not None:
            detection = self._task.loss(recombine(fused, visible), boxes)
            losses["detection"] = self._config.loss.detection * detection.total
        return fused, losses

    def _source(self, fused: Tensor, infrared: Tensor, grey: Tensor, target: Tensor, seen: Tensor) -> dict[str, Tensor]:
        loss = self._config.loss
        if loss.source == "dgfusion":
            return dgfusion_losses(fused.clamp(0, 1), infrared, grey, target, seen)
        kind, saliency = loss.source, loss.saliency
        losses = {"source": source_loss(fused, infrared, grey, kind, saliency, seen, loss.pixel, loss.tilt)}
        if loss.contrast > 0.0:
            losses["contrast"] = loss.contrast * contrast_term(fused, infrared, target, seen)
        return losses


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Variances and high powers lose too much in sixteen bits."""
    return torch.autocast(tensor.device.type, enabled=False)


def _generator(config: TrainConfig) -> nn.Module:
    told = config.generator
    if told.start:
        build = build_network if told.network == "dgfusion" else build_generator
        return build(told.start, read_checkpoint(told.start))
    return DiscrepancyGuidedFusion(told.channels) if told.network == "dgfusion" else Generator(told.dim, told.depth)
