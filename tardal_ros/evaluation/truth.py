"""Pairs with the objects that are truly in them: rendered ones, and folders of labelled pictures."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.capture.geometry import to_rig
from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.simulation import CLASSES, INFRARED, VISIBLE, RigGeometry, Scene, Truth
from tardal_ros.simulation.labels import VISIBLE_ENOUGH
from tardal_ros.types import Array, Frame, Pair, View, freeze

SMALLEST = 10.0
"""Objects of fewer pixels on their shorter side need not be found, at the rig's full size (1024x768)."""


@dataclass(frozen=True, eq=False)
class Objects:
    """What is in one image.

    Attributes:
        xyxy: (N, 4) float64 edges, in the convention of `Detections`.
        class_ids: (N,) int64, indices into `names`.
        ignored: (N,) bool, objects too small or too hidden: finding them is neither right nor wrong.
        names: The class names.
    """

    xyxy: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Example:
    """A registered pair and what is in it.

    Attributes:
        name: Names it among the others.
        scene: Examples of one scene resemble each other.
        condition: What the weather and light are; a challenge goes by its hazard.
        pair: Infrared in eight bits on the visible pixels, with its mask.
        objects: What is in the visible left image.
    """

    name: str
    scene: str
    condition: str
    pair: Pair
    objects: Objects


def objects_of(truth: Truth, smallest: float = SMALLEST) -> Objects:
    """The objects of a rendered view; those that nobody can see are ignored.

    Args:
        truth: The truth of the view.
        smallest: Pixels that the shorter side of an object must have.
    """
    instances = truth.instances
    xyxy = np.array([each.box for each in instances], np.float64).reshape(-1, 4)
    hidden = np.array([each.visibility < VISIBLE_ENOUGH for each in instances], np.bool_)
    small = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1) < smallest
    return Objects(xyxy, np.array([each.class_id for each in instances], np.int64), hidden | small, CLASSES)


def rendered_examples(seed: int, condition: str, split: str, times: Iterable[float]) -> Iterator[Example]:
    """Renders moments of a scene and registers them as the rig does.

    Args:
        seed: See `Scene`.
        condition: See `Scene`.
        split: See `Scene`.
        times: Seconds of the scene.

    Raises:
        RigError: There is no such scene.
    """
    gc.collect()  # the scene before is a ring of few objects with large arrays, which Python is slow to notice
    scene = Scene(seed, condition, split)
    stage = RegistrationStage(to_rig(scene.rig))
    name = f"{split}_{condition}_{seed}"
    for index, time in enumerate(times):
        images = {stream: scene.view(stream, time) for stream in (VISIBLE, INFRARED)}
        # The moments are too far apart for the AGC to carry anything from one to the next.
        pair = stage.process(_raw_pair(scene.rig, images, round(time * 1e9)))
        objects = objects_of(scene.truth(VISIBLE, time))
        yield Example(f"{name}_{index:05d}", name, scene.hazard or condition, pair, objects)


def save_example(folder: Path, example: Example) -> None:
    """Writes an example for `read_folder`; its file in `objects/` comes last: where that is, the others are.

    Raises:
        RigError: The folder cannot be written.
    """
    objects, pair = example.objects, example.pair
    told = {
        "scene": example.scene,
        "condition": example.condition,
        "names": objects.names,
        "xyxy": objects.xyxy.tolist(),
        "class_ids": objects.class_ids.tolist(),
        "ignored": objects.ignored.tolist(),
    }
    pictures = {"vi": pair.visible.left.image, "ir": pair.infrared.left.image, "seen": pair.mask}
    for part, image in pictures.items():
        if image is not None:
            replace_bytes(folder / part / f"{example.name}.png", cv2.imencode(".png", image)[1].tobytes())
    replace_bytes(folder / "objects" / f"{example.name}.json", json.dumps(told).encode())


def read_folder(folder: Path) -> Iterator[Example]:
    """Reads what `save_example` wrote, or any folder of registered pairs with YOLO labels.

    Args:
        folder: Has `vi/` and `ir/`, and either `objects/` or `labels/` and `classes.txt`.

    Raises:
        RigError: Something is missing or broken; the sentence names it.
    """
    pictures = sorted((folder / "vi").glob("*"))
    if not pictures:
        raise RigError(f"{folder} holds no pictures in vi/: give a folder with vi/, ir/, labels/ and classes.txt.")
    for path in pictures:
        told = folder / "objects" / f"{path.stem}.json"
        seen = folder / "seen" / f"{path.stem}.png"
        visible, infrared = _picture(path, cv2.IMREAD_COLOR), _picture(_partner(path), cv2.IMREAD_GRAYSCALE)
        frames = [Frame(image, 0, "registered_optical_frame") for image in (visible, infrared)]
        mask = _picture(seen, cv2.IMREAD_GRAYSCALE) if seen.exists() else None
        pair = Pair(View(frames[0]), View(frames[1]), mask)
        if told.exists():
            scene, condition, objects = _read_objects(told)
        elif not (folder / "objects").exists():
            names = _class_names(folder / "classes.txt")
            labels = folder / "labels" / f"{path.stem}.txt"
            scene, condition, objects = path.stem, "real", read_labels(labels, visible.shape, names)
        else:
            continue  # it was not finished
        yield Example(path.stem, scene, condition, pair, objects)


def _raw_pair(geometry: RigGeometry, images: dict[str, Array], stamp: int) -> Pair:
    visible, infrared = (
        Frame(image, stamp, geometry.cameras[stream].frame_id, geometry.cameras[stream].info)
        for stream, image in images.items()
    )
    tone = Agc().update(infrared.image)
    return Pair(View(visible), View(Frame(infrared.image, stamp, infrared.frame_id, infrared.camera_info, tone)))


def _read_objects(path: Path) -> tuple[str, str, Objects]:
    try:
        told = json.loads(_text(path))
        objects = Objects(
            np.array(told["xyxy"], np.float64).reshape(-1, 4),
            np.array(told["class_ids"], np.int64),
            np.array(told["ignored"], np.bool_),
            tuple(told["names"]),
        )
        return told["scene"], told["condition"], objects
    except (KeyError, TypeError, ValueError) as error:
        raise RigError(f"{path} is broken ({error!r}): remove it and make the folder anew.") from None


def read_labels(path: Path, shape: tuple[int, ...], names: tuple[str, ...]) -> Objects:
    """Reads a YOLO label file, lines `class cx cy w h` relative to the image.

    Args:
        path: The file.
        shape: Height and width of the image, and what follows.
        names: The class names.

    Raises:
        RigError: The file is missing, has another layout, a class without a name, or a number outside 0 to 1.
    """
    try:
        rows = np.array([line.split() for line in _text(path).splitlines() if line.strip()], np.float64).reshape(-1, 5)
    except ValueError:
        raise RigError(f"{path} is no YOLO label file: each line must be `class cx cy w h`.") from None
    ids, centre, extent = rows[:, 0].astype(np.int64), rows[:, 1:3], rows[:, 3:]
    if ((ids < 0) | (ids >= len(names))).any() or not ((rows[:, 1:] >= 0) & (rows[:, 1:] <= 1)).all():
        raise RigError(f"{path} has a class that is not named, or a number outside 0 to 1: correct it.")
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    xyxy = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) * size
    return Objects(xyxy, ids, np.zeros(len(ids), np.bool_), names)


def _class_names(path: Path) -> tuple[str, ...]:
    """Names in the order of their lines, each with or without its number before it."""
    lines = [line.split(maxsplit=1) for line in _text(path).splitlines() if line.strip()]
    numbered = all(len(words) == 2 and words[0] == str(number) for number, words in enumerate(lines))
    return tuple(words[1].strip() if numbered else " ".join(words).strip() for words in lines)


def _partner(picture: Path) -> Path:
    """The infrared picture of the same name, whatever its format."""
    folder = picture.parent.parent / "ir"
    return next(iter(sorted(folder.glob(f"{picture.stem}.*"))), folder / picture.name)


def _picture(path: Path, mode: int) -> Array:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise RigError(f"The picture {path} is missing or cannot be read: restore it, or remove its partner.")
    return freeze(image)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
