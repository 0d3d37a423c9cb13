"""Rendered scenes as an ordinary ultralytics data set: pictures, YOLO labels and a YAML file."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cv2
import yaml

from tardal_ros.detection.inputs import look
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection import Plan
from tardal_ros.evaluation.truth import Objects, rendered_examples
from tardal_ros.files import replace_bytes, replace_text
from tardal_ros.fusion.fuser import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.simulation import CLASSES, VERSION
from tardal_ros.simulation.labels import yolo_lines
from tardal_ros.training.detector_config import DetectorConfig
from tardal_ros.types import Array

QUALITY = 95

Progress = Callable[[int, int], None]
Scene = tuple[str, int, str]
"""Part of the set, seed and condition."""


def make_dataset(
    config: DetectorConfig, folder: Path, workers: int = 1, on_scene: Progress = lambda done, all: None
) -> Path:
    """Renders the training and validation scenes; scenes that are there already are kept.

    Each moment gives its fused image and, in turn, the visible or the infrared one by itself, so that the detector
    learns fused images above all, and to do without either spectrum. Validation shows fused images only.

    Args:
        config: What to render.
        folder: Where to write; is made. It belongs to this configuration from then on.
        workers: Processes that render at the same time.
        on_scene: Called with the number of scenes that are done and that there will be.

    Returns:
        The YAML file of the data set.

    Raises:
        RigError: The folder holds a set made otherwise, or cannot be written.
    """
    _claim(config, folder)
    parts = {"train": config.train, "val": config.validation}
    scenes = [(part, seed, condition) for part, plan in parts.items() for seed, condition in plan.scenes()]
    waiting = [scene for scene in scenes if not _marker(folder, *scene).exists()]
    on_scene(len(scenes) - len(waiting), len(scenes))
    for done, _ in enumerate(_rendered(config, folder, waiting, workers), len(scenes) - len(waiting) + 1):
        on_scene(done, len(scenes))
    return _write_index(folder, scenes)


def _rendered(config: DetectorConfig, folder: Path, scenes: list[Scene], workers: int) -> Iterator[None]:
    """Writes scenes, and yields after each; in this process if there is one worker."""
    if workers <= 1:
        for scene in scenes:
            _write_scene(config, folder, *scene)
            yield
        return
    # Fresh processes: a forked one would inherit the locks of the threads of torch and OpenCV.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(_write_scene, config, folder, *scene) for scene in scenes]
        try:
            for each in as_completed(running):
                each.result()
                yield
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def shown(index: int, part: str) -> tuple[str, ...]:
    """Which images of a pair become pictures (see `detection.inputs`), by the pair's place in its scene."""
    return ("fused", ("visible", "infrared")[index % 2]) if part == "train" else ("fused",)


def yolo_labels(objects: Objects, size: tuple[int, int]) -> str:
    """Lines `class cx cy w h`, relative to the image.

    Args:
        objects: What is in an image; ignored ones are left out.
        size: Width and height of that image.
    """
    wanted = ~objects.ignored
    return yolo_lines(objects.class_ids[wanted], objects.xyxy[wanted], size)


def _write_scene(config: DetectorConfig, folder: Path, part: str, seed: int, condition: str) -> None:
    stage = FusionStage(create_fuser(config.fuser))
    plan: Plan = config.train if part == "train" else config.validation
    names = []
    for index, example in enumerate(rendered_examples(seed, condition, "train", plan.times())):
        fused = stage.process(example.pair)
        for view in shown(index, part):
            image, name = look(fused, view), f"{example.name}_{view}"
            small = _shrunk(image, config.image_size)
            jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
            labels = yolo_labels(example.objects, (image.shape[1], image.shape[0]))
            replace_bytes(folder / "images" / part / f"{name}.jpg", jpeg)
            replace_text(folder / "labels" / part / f"{name}.txt", labels)
            names.append(f"./images/{part}/{name}.jpg")
    replace_text(_marker(folder, part, seed, condition), json.dumps(names))


def _shrunk(image: Array, longest: int) -> Array:
    """The picture at the size at which the detector will look at it."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    size = (round(width * factor), round(height * factor))
    return image if factor == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _claim(config: DetectorConfig, folder: Path) -> None:
    """Makes the folder this configuration's, or refuses one that is another's."""
    told = {
        "renderer": VERSION,
        "fuser": config.fuser,
        "image_size": config.image_size,
        "images": [config.train.images, config.validation.images],
        "every": [config.train.every, config.validation.every],
    }
    path = folder / "made_with.yaml"
    if path.exists():
        before = yaml.safe_load(path.read_text("utf-8"))
        other = next((key for key, value in told.items() if before.get(key) != value), None)
        if other is not None:
            raise RigError(
                f"{folder} holds a data set whose {other} is {before.get(other)}, not {told[other]}: choose another"
                " folder, or remove it."
            )
    replace_text(path, yaml.safe_dump(told))


def _write_index(folder: Path, scenes: list[Scene]) -> Path:
    """Lists the pictures of this configuration's scenes; those of others may lie beside them."""
    for part in ("train", "val"):
        names = [json.loads(_marker(folder, *scene).read_text("utf-8")) for scene in scenes if scene[0] == part]
        replace_text(folder / f"{part}.txt", "".join(f"{name}\n" for each in names for name in each))
    path = folder / "detector.yaml"
    told = {"path": str(folder.resolve()), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(CLASSES))}
    replace_text(path, yaml.safe_dump(told, sort_keys=False))
    return path


def _marker(folder: Path, part: str, seed: int, condition: str) -> Path:
    return folder / "scenes" / f"{part}_{condition}_{seed}.json"
