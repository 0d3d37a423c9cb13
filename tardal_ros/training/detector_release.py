"""What a trained detector ships as: ONNX, a state dict, and a model card with its figures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tardal_ros.detection.detector import create_detector
from tardal_ros.detection.offline import contained
from tardal_ros.errors import MissingDependencyError
from tardal_ros.evaluation.detection import CONFIDENCE, as_table, open_labelled, score_dataset, test_scenes
from tardal_ros.evaluation.detection_metric import Scores
from tardal_ros.evaluation.summary import installed_versions
from tardal_ros.files import replace_bytes, replace_text, sha256_of
from tardal_ros.simulation import CLASSES, VERSION
from tardal_ros.training.detector_config import MIXED, DetectorConfig
from tardal_ros.training.detector_data import fusion_stage


def release(
    config: DetectorConfig,
    model: Any,
    data: Path,
    folder: Path,
    on_pair: Callable[[int, int], None],
    real: Path | None,
) -> list[Path]:
    """Exports a trained detector, scores what was exported, and writes its model card.

    Args:
        config: How it was trained.
        model: The trained `ultralytics.nn.tasks.DetectionModel`.
        data: The folder of the data set; test scenes are kept in `test/` in it.
        folder: Where to write the weights as `.onnx` and `.safetensors`, and the figures as `.json` and `.md`, all
            under the configuration's name.
        on_pair: Called with how many pairs of the test scenes are done and how many there are.
        real: Folder of labelled real pairs to score on as well.

    Returns:
        The files written.

    Raises:
        RigError: A folder cannot be read or written.
        MissingDependencyError: A library is not installed.
    """
    onnx, state = folder / f"{config.name}.onnx", folder / f"{config.name}.safetensors"
    replace_bytes(onnx, export_onnx(model, config.image_size))
    replace_bytes(state, state_dict(model, config.model, config.image_size))
    detector = create_detector(onnx, confidence=CONFIDENCE, device="cpu")
    stage = fusion_stage(config)
    scenes = test_scenes(config.test.plan(), data / "test")
    scores = {"rendered test scenes": score_dataset(detector, scenes, stage, on_pair=on_pair)}
    if real is not None:
        scores[f"{real.name}, zero-shot"] = score_dataset(detector, open_labelled(real), stage)
    figures = {name: {shown: asdict(each) for shown, each in of.items()} for name, of in scores.items()}
    table, card = folder / f"{config.name}.json", folder / f"{config.name}.md"
    replace_text(table, json.dumps(figures, indent=1) + "\n")
    training = len((data / "train.txt").read_text("utf-8").split())
    replace_text(card, model_card(config, training, [onnx, state], scores))
    return [onnx, state, table, card]


def export_onnx(model: Any, image_size: int) -> bytes:
    """Exports a detection model for any input size, with class names, stride and size in its metadata.

    Raises:
        MissingDependencyError: onnx or ultralytics is not installed.
    """
    with contained():
        import torch
        from ultralytics import YOLO
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise MissingDependencyError("Exporting needs onnx: run `pip install '.[export]'` in the checkout.") from None
    copy = deepcopy(model)
    copy.args = {"imgsz": image_size, "task": "detect"}
    copy.task = "detect"
    copy.criterion = None
    with tempfile.TemporaryDirectory(prefix="tardal_ros-") as folder:
        path = Path(folder, "detector.pt")  # ultralytics exports files only
        torch.save({"model": copy, "train_args": copy.args}, path)
        return Path(YOLO(path).export(format="onnx", imgsz=image_size, dynamic=True, verbose=False)).read_bytes()


def state_dict(model: Any, architecture: str, image_size: int) -> bytes:
    """The weights as safetensors, with what it takes to build their model.

    Args:
        model: A detection model with its class names.
        architecture: Its ultralytics name.
        image_size: Longer side of the images that it learnt from, in pixels.

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    from tardal_ros.fusion.weights import safetensors_bytes
    from tardal_ros.training.detection import channels_of

    told = {
        "model": architecture,
        "names": json.dumps([model.names[number] for number in range(len(model.names))]),
        "channels": str(channels_of(model)),
        "imgsz": str(image_size),
    }
    return safetensors_bytes(model.state_dict(), told)


def model_card(config: DetectorConfig, pictures: int, files: list[Path], scores: dict[str, dict[str, Scores]]) -> str:
    """The model card, in Markdown.

    Args:
        config: How the model was trained.
        pictures: How many pictures it learned from.
        files: What ships.
        scores: By data set, by what the detector looked at.
    """
    versions = installed_versions()
    plan, steps = config.train, config.epochs * -(-pictures // config.batch)
    weights = f" with `{config.fuser_weights}`" if config.fuser_weights else ""
    weights += f" at {config.scale:g} of the resolution" if config.scale < 1.0 else ""
    looks = {
        MIXED: f"every pair fused by `{config.fuser}`{weights}, and visible or infrared by itself in turn",
        "fused": f"every pair fused by `{config.fuser}`{weights}",
        "stack": "every pair as four channels, blue, green, red and infrared",
    }
    shown = looks.get(config.inputs, f"of every pair the {config.inputs} image")
    channels = "BGR" if config.channels == 3 else "BGR and infrared"
    begin = f"the weights `{config.start}`" if config.start else "random weights"
    lines = [
        "# Detector",
        "",
        f"`{config.model}` (ultralytics {versions.get('ultralytics', '?')}), {len(CLASSES)} classes:"
        f" {', '.join(CLASSES)}. Input: {channels} images of any size, looked at with a longer side of"
        f" {config.image_size} pixels.",
        "",
        f"- **Data**: {pictures} pictures of rendered `train` scenes ({plan.seeds} seeds from {plan.first} in each of"
        f" {', '.join(plan.conditions)}; {plan.images} moments each, {plan.every:g} s apart; renderer version"
        f" {VERSION}): {shown}. No real image.",
        f"- **Training**: from {begin}, {steps} steps of {config.batch} pictures ({config.epochs} epochs),"
        f" AdamW, largest learning rate {config.learning_rate:g}, seed {config.seed},"
        f" precision {config.precision}; the weights are the moving average.",
        "- **Licence**: AGPL-3.0, which ultralytics claims for models that its code trains.",
        f"- **Made with** {', '.join(f'{name} {version}' for name, version in versions.items())}.",
        "",
        "| file | sha256 |",
        "| --- | --- |",
        *(f"| {path.name} | `{sha256_of(path)}` |" for path in files),
    ]
    for data, of in scores.items():
        for shown, each in of.items():
            lines += [
                "",
                f"## {data[0].upper()}{data[1:]}: {shown} images",
                "",
                f"{each.images} images of {each.scenes} scenes. Intervals: bootstrap over scenes, 95 %.",
                "",
                as_table(each).rstrip(),
            ]
    return "\n".join([*lines, ""])
