"""Rendered scenes as an ordinary ultralytics data set: pictures, YOLO labels and a YAML file."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import cv2
import yaml

from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import rendered_examples
from tardal_ros.detection.inputs import look
from tardal_ros.files import replace_bytes, replace_text
from tardal_ros.fusion.fuser import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.simulation import CLASSES, VERSION
from tardal_ros.simulation.labels import yolo_lines
from tardal_ros.training.detector_config import MIXED, DetectorConfig
from tardal_ros.training.sections import Section, claim
from tardal_ros.types import Array

QUALITY = 95

Progress = Callable[[int, int], None]
Scene = tuple[str, int, str]
"""Part of the set, seed and condition."""


def make_dataset(
    config: DetectorConfig, folder: Path, workers: int = 1, on_scene: Progress = lambda done, all: None
) -> Path:
    """Renders the training and validation scenes; scenes that are there already are kept.

    With mixed inputs each moment gives its fused image and, in turn, the visible or the infrared one by itself, so that
    the detector learns fused images above all, and to do without either spectrum; validation shows fused images only.

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
    claim(folder / "made_with.yaml", _made_with(config))
    parts = {"train": config.train.plan(), "val": config.validation.plan()}
    scenes = [(part, seed, condition) for part, plan in parts.items() for seed, condition in plan.scenes()]
    waiting = [scene for scene in scenes if not _marker(folder, *scene).exists()]
    on_scene(len(scenes) - len(waiting), len(scenes))
    work = spread(_write_scene, [(config, folder, *scene) for scene in waiting], workers)
    for done, _ in enumerate(work, len(scenes) - len(waiting) + 1):
        on_scene(done, len(scenes))
    lists = {part: _listed(folder, [scene for scene in scenes if scene[0] == part]) for part in parts}
    return write_index(folder, lists, CLASSES)


def spread(work: Callable[..., None], calls: Iterable[Sequence[Any]], workers: int) -> Iterator[None]:
    """Calls a function, in several processes at the same time, and yields whenever a call is done.

    Args:
        work: A function of a module.
        calls: Its arguments, call by call.
        workers: How many processes; with one, it is this one.
    """
    if workers <= 1:
        for arguments in calls:
            work(*arguments)
            yield
        return
    # Fresh processes: a forked one would inherit the locks of the threads of torch and OpenCV.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(work, *arguments) for arguments in calls]
        try:
            for each in as_completed(running):
                each.result()
                yield
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def shown(index: int, part: str, inputs: str = MIXED) -> tuple[str, ...]:
    """Which images of a pair become pictures (see `detection.inputs`), by the pair's place in its scene."""
    if inputs != MIXED:
        return (inputs,)
    return ("fused", ("visible", "infrared")[index % 2]) if part == "train" else ("fused",)


def yolo_labels(objects: Objects, size: tuple[int, int]) -> str:
    """Lines `class cx cy w h`, relative to the image.

    Args:
        objects: What is in an image; ignored ones are left out.
        size: Width and height of that image.
    """
    wanted = ~objects.ignored
    return yolo_lines(objects.class_ids[wanted], objects.xyxy[wanted], size)


def fusion_stage(config: DetectorConfig) -> FusionStage:
    """What fuses the pairs that the detector looks at.

    Raises:
        RigError: There is no such fuser, or its weights cannot be used.
    """
    return FusionStage(create_fuser(config.fuser, config.weights_of_fuser, scale=config.scale))


def line_of(config: DetectorConfig, part: str, name: str) -> str:
    """A picture's line in a list of pictures that lies in the folder of the data set.

    Args:
        config: What for: a mixture is kept as JPEG; pictures of a single input are kept without loss, so that none has
            an advantage over another. A stack is a PNG whose alpha is infrared.
        part: Part of the data set.
        name: Of the picture.
    """
    return f"./images/{part}/{name}{'.jpg' if config.inputs == MIXED else '.png'}"


def write_picture(config: DetectorConfig, folder: Path, part: str, name: str, image: Array, objects: Objects) -> None:
    """Writes a picture and its labels, which come last: where they are, the picture is.

    Args:
        config: How large, and what for.
        folder: Of the data set.
        part: Part of it.
        name: Of the picture.
        image: See `detection.inputs.look`.
        objects: What is in it.

    Raises:
        RigError: The folder cannot be written.
    """
    small, path = _shrunk(image, config.image_size), folder / line_of(config, part, name)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if path.suffix == ".jpg" else []
    replace_bytes(path, cv2.imencode(path.suffix, small, options)[1].tobytes())
    replace_text(folder / "labels" / part / f"{name}.txt", yolo_labels(objects, (image.shape[1], image.shape[0])))


def write_index(folder: Path, lists: Mapping[str, Iterable[str]], names: Sequence[str]) -> Path:
    """Writes the YAML file of a data set and its lists of pictures; other pictures may lie beside them.

    Args:
        folder: Of the data set.
        lists: The pictures of `train` and `val`, see `line_of`.
        names: The class names.

    Raises:
        RigError: The folder cannot be written.
    """
    for part, pictures in lists.items():
        replace_text(folder / f"{part}.txt", "".join(f"{picture}\n" for picture in pictures))
    path = folder / "detector.yaml"
    told = {"path": str(folder.resolve()), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(names))}
    replace_text(path, yaml.safe_dump(told, sort_keys=False))
    return path


def _write_scene(config: DetectorConfig, folder: Path, part: str, seed: int, condition: str) -> None:
    stage = fusion_stage(config)
    plan = (config.train if part == "train" else config.validation).plan()
    names = []
    for index, example in enumerate(rendered_examples(seed, condition, "train", plan.times(), plan.view)):
        fused = stage.process(example.pair)
        for view in shown(index, part, config.inputs):
            name = f"{example.name}_{view}"
            write_picture(config, folder, part, name, look(fused, view), example.objects)
            names.append(line_of(config, part, name))
    replace_text(_marker(folder, part, seed, condition), json.dumps(names))


def _shrunk(image: Array, longest: int) -> Array:
    """The picture at the size at which the detector will look at it."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    size = (round(width * factor), round(height * factor))
    return image if factor == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


class _MadeWith(Section):
    """What decides on the pictures of a scene."""

    renderer: str
    fuser: str
    fuser_weights: str = ""
    scale: float = 1.0
    inputs: str = MIXED
    image_size: int
    images: tuple[int, int]
    every: tuple[float, float]


def _made_with(config: DetectorConfig) -> _MadeWith:
    return _MadeWith(
        renderer=VERSION,
        fuser=config.fuser,
        fuser_weights=config.fuser_weights,
        scale=config.scale,
        inputs=config.inputs,
        image_size=config.image_size,
        images=(config.train.images, config.validation.images),
        every=(config.train.every, config.validation.every),
    )


def _listed(folder: Path, scenes: Iterable[Scene]) -> Iterator[str]:
    """The pictures of scenes."""
    for scene in scenes:
        yield from json.loads(_marker(folder, *scene).read_text("utf-8"))


def _marker(folder: Path, part: str, seed: int, condition: str) -> Path:
    return folder / "scenes" / f"{part}_{condition}_{seed}.json"
