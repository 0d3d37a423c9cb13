"""Writes a scene as folders of pairs: the layout of M3FD, with labels and the whole truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.simulation.actors import CLASSES
from tardal_ros.simulation.labels import voc, yolo
from tardal_ros.simulation.scene import VERSION, Scene
from tardal_ros.simulation.truth import Truth
from tardal_ros.types import Array

# The picture in vi/ comes last: where it is, the others are, and who looks for pictures finds whole pairs only.
FILES = {
    "labels": "txt",
    "annotations": "xml",
    "meta": "json",
    "raw": "png",
    "mask": "png",
    "instances": "png",
    "depth": "png",
    "ir": "png",
    "vi": "png",
}
"""The folders of a side, with what the files in them end in, in the order in which those of a pair come."""

DEPTH_UNIT = 0.01
"""Metres of a step of the depth pictures: millimetres in 16 bits would end at 65 m, nearer than the rig looks."""


@dataclass(frozen=True)
class Side:
    """One eye of both spectra.

    Attributes:
        visible: The visible stream.
        infrared: The infrared stream.
        onto_visible: Makes of the infrared counts the 8-bit image on visible pixels.
        folder: Where to write its pairs; is made.
    """

    visible: str
    infrared: str
    onto_visible: Callable[[Array], Array]
    folder: Path


def export(
    scene: Scene,
    name: str,
    times: list[float],
    sides: Sequence[Side],
    on_frame: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes pairs, each of which is complete or not there at all; those that are there already are kept.

    Per pair and side a file `NAME_00000` in each of

    - `vi/`, the visible image, and `ir/`, the infrared one in 8 bits on its pixels;
    - `raw/`, the infrared image as the camera took it: 16-bit counts on its own pixels;
    - `labels/` and `annotations/`, the boxes of all objects that can be seen, for YOLO and as Pascal VOC's XML;
    - `mask/`, 255 at thermal targets; `instances/`, 16-bit, the number of the object at each pixel, 0 for none;
    - `depth/`, 16-bit, along the optical axis in steps of `DEPTH_UNIT`; 0 for the sky and beyond 655 m;
    - `meta/`, the exact pose, stamp, condition and renderer version, and all objects with their 3-D boxes.

    All but `raw/` are on the pixels of the visible image, as it comes out of its lens.

    Args:
        scene: What to write.
        name: Begins the names of the files.
        times: Seconds of the scene.
        sides: The eyes of which to write pairs.
        on_frame: Called after each time with the number of times that are done.

    Returns:
        How many pairs were written anew.

    Raises:
        RigError: A folder cannot be written, or the disk is full; the pairs before are whole.
    """
    written = 0
    try:
        for side in sides:
            for part in FILES:
                (side.folder / part).mkdir(parents=True, exist_ok=True)
            _write(side.folder, "classes", {side.folder / "classes.txt": "".join(f"{c}\n" for c in CLASSES).encode()})
        for index, time in enumerate(times):
            stem = f"{name}_{index:05d}"
            for side in sides:
                paths = {part: side.folder / part / f"{stem}.{suffix}" for part, suffix in FILES.items()}
                if not paths["vi"].exists():
                    contents = _contents(scene, time, side, paths["vi"].name)
                    _write(side.folder, stem, {path: contents[part] for part, path in paths.items()})
                    written += 1
            on_frame(index + 1)
    except OSError as error:
        raise unwritable(sides[0].folder, error, written) from None
    return written


@contextmanager
def aside(folder: Path, name: str) -> Iterator[Path]:
    """A hidden folder in which files become whole before they are moved to their places; it goes with what is left.

    If the process is killed it stays, and the next one of that name takes it over.
    """
    hidden = folder / f".{name}"
    try:
        hidden.mkdir(exist_ok=True)
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def unwritable(folder: Path, error: OSError, written: int = 0) -> RigError:
    """What to tell where pairs cannot be written."""
    return RigError(
        f"{folder} cannot be written ({error.strerror or error}): make room or choose another folder; the"
        f" {written} new pairs are whole, and the same command goes on from there."
    )


def _write(folder: Path, name: str, files: dict[Path, bytes]) -> None:
    """Writes all files aside, then moves them to their places in order."""
    with aside(folder, name) as hidden:
        parts = {path: hidden / f"{number}" for number, path in enumerate(files)}
        for path, content in files.items():
            parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)


def _contents(scene: Scene, time: float, side: Side, filename: str) -> dict[str, bytes]:
    truth, counts = scene.truth(side.visible, time), scene.view(side.infrared, time)
    images = {
        "raw": counts,
        "mask": truth.targets,
        "instances": truth.labels,
        "depth": _steps(truth.depth),
        "ir": side.onto_visible(counts),
        "vi": scene.view(side.visible, time),
    }
    contents = {part: cv2.imencode(".png", image)[1].tobytes() for part, image in images.items()}
    texts = {
        "labels": yolo(truth),
        "annotations": voc(truth, filename),
        "meta": json.dumps(_meta(scene, truth), indent=1),
    }
    return contents | {part: text.encode() for part, text in texts.items()}


def _steps(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    steps = np.round(depth / DEPTH_UNIT)
    return np.where(steps <= np.iinfo(np.uint16).max, steps, 0).astype(np.uint16)


def _meta(scene: Scene, truth: Truth) -> dict[str, object]:
    return {
        "renderer": VERSION,
        "condition": scene.condition,
        "hazard": scene.hazard,
        "split": scene.split,
        "camera": truth.stream,
        "stamp_ns": truth.stamp,
        "camera_to_world": truth.pose.tolist(),
        "depth_unit_m": DEPTH_UNIT,
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
