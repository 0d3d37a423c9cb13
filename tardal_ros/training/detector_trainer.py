"""Training an ultralytics detection model, by ultralytics' own trainer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from tardal_ros.datasets.labels import Objects, read_yolo
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.offline import contained
from tardal_ros.detection.yolo import Network, Yolo
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection import CONFIDENCE
from tardal_ros.evaluation.detection_metric import Judged, score
from tardal_ros.training.detector_config import DetectorConfig
from tardal_ros.training.sections import claim


@dataclass(frozen=True)
class Progress:
    """Where the training is.

    Attributes:
        epoch: Which epoch, from 1 on.
        epochs: How many there are.
        step: Which step of the epoch, from 1 on.
        steps: How many an epoch has.
        losses: Means of the epoch so far, by name.
        map50: Of the newest validation; None before the first.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: dict[str, float]
    map50: float | None


def train(
    config: DetectorConfig, data: Path, folder: Path, on_step: Callable[[Progress], None], validate: bool = True
) -> Any:
    """Trains, or goes on with what an earlier run left in the folder.

    Checkpoints are written after each epoch, as a whole; a run that is killed loses the epoch that it was in. They are
    pickles, and those in the folder are trusted: it must be one that only you write to.

    Args:
        config: How to train.
        data: The YAML file of the data set.
        folder: Where to keep the run; is made.
        on_step: Called after each step.
        validate: Whether to validate after each epoch, or else after the last one only.

    Returns:
        The trained model, an `ultralytics.nn.tasks.DetectionModel`: the moving average of the weights.

    Raises:
        RigError: There is no such model, the folder holds a run of another configuration, the weights to start from do
            not fit, or the loss is no longer finite.
        MissingDependencyError: torch or ultralytics is not installed.
    """
    with contained():
        import torch
        from ultralytics.models.yolo.detect import DetectionTrainer
        from ultralytics.nn.tasks import load_checkpoint

    from tardal_ros.training.detection import build_model

    class Trainer(DetectionTrainer):  # type: ignore[misc]
        """Stays offline, validates by our own metric (ultralytics' needs torchvision), writes whole checkpoints."""

        last: Path
        best: Path

        def get_dataset(self) -> dict[str, Any]:
            # Ultralytics' own look at the file fetches fonts.
            told: dict[str, Any] = yaml.safe_load(Path(self.args.data).read_text("utf-8"))
            lists = {"train": str(Path(told["path"], told["train"])), "val": str(Path(told["path"], told["val"]))}
            return {**told, **lists, "nc": len(told["names"]), "channels": config.channels}

        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            return begin(super().get_model(cfg, weights, verbose), weights)

        def get_validator(self) -> Any:
            return _Validator(Path(self.data["val"]))

        def save_model(self) -> bool:
            final = self.last, self.best
            self.last, self.best = (path.with_suffix(".draft") for path in final)
            try:
                saved = bool(super().save_model())
                for draft, path in zip((self.last, self.best), final, strict=True):
                    if draft.exists():
                        draft.replace(path)
            finally:
                self.last, self.best = final
            return saved

        def final_eval(self) -> None:
            """The last epoch's validation was just now."""

    build_model(config.model, ("object",), config.channels)  # refuses what is no detector before ultralytics fails
    claim(folder / "config.yaml", config)
    begin = _beginning(config)
    last = folder / "run" / "weights" / "last.pt"
    overrides = _settings(config, data, folder, validate)
    if last.exists():
        model, checkpoint = load_checkpoint(last)
        if checkpoint["epoch"] + 1 >= config.epochs:
            return model.eval()
        overrides["resume"] = str(last)
    threads = torch.get_num_threads()
    trainer = Trainer(overrides=overrides)
    torch.set_num_threads(threads)  # on a CPU it has just taken all but one core
    trainer.add_callback("on_train_start", _prepare(config))
    trainer.add_callback("on_train_batch_end", _Watch(on_step).step)
    trainer.train()
    return trainer.ema.ema.eval()


def _beginning(config: DetectorConfig) -> Callable[[Any, Any], Any]:
    """What gives a new model the weights to start from; one that goes on has those that it went on with."""
    from tardal_ros.training.detection import adopt, check_architecture, read_weights

    if not config.start:
        return lambda model, resumed: model
    weights = read_weights(Path(config.start))
    check_architecture(weights, config.model, config.channels, widened=True)

    def begin(model: Any, resumed: Any) -> Any:
        if resumed is None:
            adopt(model, weights)
        return model

    return begin


def _prepare(config: DetectorConfig) -> Callable[[Any], None]:
    """What is done to the model before its first step; the moving average of its weights is another object by then."""
    from tardal_ros.training.detection import predict_in_half

    return lambda trainer: predict_in_half(trainer.model) if config.precision == "bf16-mixed" else None


class _Watch:
    """Follows the steps, and stops where the loss is lost."""

    def __init__(self, on_step: Callable[[Progress], None]) -> None:
        self._on_step = on_step
        self._epoch = self._step = -1

    def step(self, trainer: Any) -> None:
        if trainer.epoch != self._epoch:
            self._epoch, self._step = trainer.epoch, 0
        self._step += 1
        losses = {name: float(value) for name, value in trainer.tloss.items()}
        if not math.isfinite(float(trainer.loss.detach())):
            raise RigError(
                f"The loss is no longer finite at step {self._step} of epoch {self._epoch + 1} ({losses}): lower"
                f" learning_rate, or look at the pictures of the data set; {trainer.last} holds the epochs before."
            )
        map50 = trainer.metrics.get(_MAP50) if trainer.fitness is not None else None
        steps = len(trainer.train_loader)
        self._on_step(Progress(self._epoch + 1, trainer.epochs, self._step, steps, losses, map50))


_MAP50 = "map50"


class _Validator:
    """What the trainer calls after each epoch, in the form that it asks for."""

    def __init__(self, listed: Path) -> None:
        self.metrics = SimpleNamespace(keys=[_MAP50, "map50_95"])
        self._pictures = [listed.parent / line for line in listed.read_text("utf-8").split()]

    def __call__(self, trainer: Any) -> dict[str, float]:
        detector = detector_of(trainer.ema.ema, trainer.args.imgsz)
        names, mode = detector.names, cv2.IMREAD_COLOR if detector.channels == 3 else cv2.IMREAD_UNCHANGED
        judged = []
        for path in self._pictures:
            image = np.asarray(cv2.imread(str(path), mode), np.uint8)
            judged.append(Judged(path.stem, "", detector.detect(image), _labels(path, image.shape, names)))
        scores = score(judged, resamples=0)
        return {_MAP50: scores.map50.value, "map50_95": scores.map50_95.value, "fitness": scores.map50.value}


def detector_of(model: Any, image_size: int) -> Detector:
    """Makes a detector of a model in memory, for scoring it.

    Args:
        model: An `ultralytics.nn.tasks.DetectionModel` in evaluation mode.
        image_size: Longer side at which it looks.
    """
    import torch

    from tardal_ros.training.detection import channels_of

    place = next(model.parameters()).device

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():  # not inference_mode, whose tensors the model would keep and could not train with
            output = model(torch.from_numpy(batch).to(place))
        first = output[0] if isinstance(output, (list, tuple)) else output
        return np.asarray(first.float().cpu().numpy(), np.float32)

    names = tuple(model.names[index] for index in range(len(model.names)))
    stride = int(max(model.stride))
    size = image_size, image_size
    network = Network(Path("model"), run, names, stride, size, False, str(place), channels_of(model))
    return Detector(Yolo(network), confidence=CONFIDENCE)


def _labels(picture: Path, shape: tuple[int, ...], names: tuple[str, ...]) -> Objects:
    path = picture.parents[2] / "labels" / picture.parent.name / f"{picture.stem}.txt"
    return read_yolo(path, shape, names)


def _settings(config: DetectorConfig, data: Path, folder: Path, validate: bool) -> dict[str, Any]:
    """The trainer's own settings; what is not here is ultralytics' default."""
    plain = {} if config.hsv else {"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}
    return {
        **plain,
        "model": f"{config.model}.yaml",
        "data": str(data),
        "epochs": config.epochs,
        "imgsz": config.image_size,
        "batch": config.batch,
        "nbs": config.batch,  # every step is one of the optimizer: there are not many
        "optimizer": "AdamW",
        "lr0": config.learning_rate,
        "cos_lr": True,
        "warmup_epochs": 1.0,
        "warmup_bias_lr": 0.0,  # the default is made for SGD
        "mosaic": float(config.mosaic_epochs > 0),
        "close_mosaic": config.epochs - config.mosaic_epochs,
        "seed": config.seed,
        "amp": False,  # or it fetches a model to test the GPU with
        "cache": True,
        "val": validate,
        "patience": config.epochs,
        "plots": False,
        "verbose": False,
        "pretrained": False,
        "project": str(folder.resolve()),
        "name": "run",
        "exist_ok": True,
    }
