"""Writes a scene as a folder of pairs: the layout of M3FD, with YOLO labels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.simulation.actors import CLASSES
from tardal_ros.simulation.rig import INFRARED, VISIBLE
from tardal_ros.simulation.scene import VERSION, Scene
from tardal_ros.simulation.truth import Truth
from tardal_ros.types import Array

FOLDERS = ("vi", "ir", "labels", "mask", "meta")
VISIBLE_ENOUGH = 0.25
"""Objects of which less is seen get no label."""

_SMALLEST = 6.0  # Pixels; nor do smaller ones.


def export(
    scene: Scene,
    name: str,
    times: list[float],
    folder: Path,
    onto_visible: Callable[[Array], Array],
    on_frame: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes pairs, each of which is complete or not there at all; those that are there already are kept.

    Per pair `NAME_00000`: `vi/` the visible left image; `ir/` the infrared left one in 8 bits on its pixels; `labels/`
    a line `class cx cy w h` for each object that can be seen; `mask/` 255 at thermal targets; `meta/` the exact pose,
    stamp, condition, renderer version, and all objects with their 3-D boxes.

    Args:
        scene: What to write.
        name: Begins the names of the files.
        times: Seconds of the scene.
        folder: Where to write; is made.
        onto_visible: Makes of the infrared counts the 8-bit image on visible pixels.
        on_frame: Called after each pair with the number of pairs that are there.

    Returns:
        How many pairs were written anew.

    Raises:
        RigError: The folder cannot be written, or the disk is full; the pairs before are whole.
    """
    written = 0
    try:
        for part in FOLDERS:
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "classes.txt").write_text("".join(f"{each}\n" for each in CLASSES))
        for index, time in enumerate(times):
            stem = f"{name}_{index:05d}"
            # The file in meta/ comes last: where it is, the others are.
            if not (folder / "meta" / f"{stem}.json").exists():
                _write(folder, stem, _files(scene, time, onto_visible))
                written += 1
            on_frame(index + 1)
    except OSError as error:
        raise RigError(
            f"{folder} cannot be written ({error.strerror or error}): make room or choose another folder; the"
            f" {written} new pairs are whole, and the same command goes on from there."
        ) from None
    return written


def _files(scene: Scene, time: float, onto_visible: Callable[[Array], Array]) -> dict[str, bytes]:
    truth = scene.truth(VISIBLE, time)
    images = {
        "vi": scene.view(VISIBLE, time),
        "ir": onto_visible(scene.view(INFRARED, time)),
        "mask": truth.targets,
    }
    files = {f"{part}.png": cv2.imencode(".png", image)[1].tobytes() for part, image in images.items()}
    files["labels.txt"] = "".join(_label(truth)).encode()
    files["meta.json"] = json.dumps(_meta(scene, truth), indent=1).encode()
    return files


def _write(folder: Path, stem: str, files: dict[str, bytes]) -> None:
    """All of a pair or nothing: written aside, then moved."""
    aside = folder / f".{stem}"
    try:
        aside.mkdir(exist_ok=True)
        for name, content in files.items():
            (aside / name).write_bytes(content)
        for name in files:
            part, suffix = name.split(".")
            (aside / name).replace(folder / part / f"{stem}.{suffix}")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _label(truth: Truth) -> list[str]:
    height, width = truth.labels.shape
    lines = []
    for instance in truth.instances:
        left, top, right, bottom = instance.box
        if instance.visibility < VISIBLE_ENOUGH or min(right - left, bottom - top) < _SMALLEST:
            continue
        numbers = (
            (left + right) / 2 / width,
            (top + bottom) / 2 / height,
            (right - left) / width,
            (bottom - top) / height,
        )
        lines.append(f"{instance.class_id} " + " ".join(f"{number:.6f}" for number in numbers) + "\n")
    return lines


def _meta(scene: Scene, truth: Truth) -> dict[str, object]:
    return {
        "renderer": VERSION,
        "condition": scene.condition,
        "hazard": scene.hazard,
        "split": scene.split,
        "stamp_ns": truth.stamp,
        "camera_to_world": truth.pose.tolist(),
        "objects": [
            {
                "number": instance.number,
                "class": instance.name,
                "box": instance.box.tolist(),
                "visibility": round(instance.visibility, 4),
                "truncated": instance.truncated,
                "corners": np.round(instance.corners, 4).tolist(),
            }
            for instance in truth.instances
        ],
    }
