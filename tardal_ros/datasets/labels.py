"""What is in an image, as data sets write it down: YOLO lines and Pascal VOC annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError

_SLACK = 1.0  # Pixels: Pascal VOC counts from 1, and labelling programs count from 0 or from 1.


@dataclass(frozen=True, eq=False)
class Objects:
    """What is in one image.

    Attributes:
        xyxy: (N, 4) float64 edges, in the convention of `Detections`.
        class_ids: (N,) int64, indices into `names`.
        ignored: (N,) bool, objects too small or too hidden: finding them is neither right nor wrong.
        names: The class names.
        object_ids: (N,) int64, a number for each object, the same in all images of a sequence; None where not known.
    """

    xyxy: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    names: tuple[str, ...]
    object_ids: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.class_ids)


def class_names(path: Path) -> tuple[str, ...]:
    """Reads class names in the order of their lines, each with or without its number before it.

    Raises:
        RigError: The file is missing or names nothing.
    """
    lines = [line.split(maxsplit=1) for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise RigError(f"{path} names no class: write one name a line, in the order of the labels' numbers.")
    numbered = all(len(words) == 2 and words[0] == str(number) for number, words in enumerate(lines))
    return tuple(words[1].strip() if numbered else " ".join(words).strip() for words in lines)


def read_yolo(path: Path, shape: tuple[int, ...], names: tuple[str, ...]) -> Objects:
    """Reads a YOLO label file, lines `class cx cy w h` relative to the image.

    Args:
        path: The file.
        shape: Height and width of the image, and what follows.
        names: The class names.

    Raises:
        RigError: The file is missing, has another layout, a class without a name, or a number outside 0 to 1.
    """
    lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
    try:
        rows = np.array(lines, np.float64).reshape(-1, 5)
    except ValueError:
        raise RigError(f"{path} is no YOLO label file: each line must be `class cx cy w h`.") from None
    unnamed = [number for number in rows[:, 0].tolist() if number not in range(len(names))]
    if unnamed:
        raise RigError(
            f"{path} has the class {unnamed[0]:g}, which is not named: the data set has {len(names)} classes"
            f" ({', '.join(names)}), counted from 0; correct the label or the class names."
        )
    if not ((rows[:, 1:] >= 0) & (rows[:, 1:] <= 1)).all():
        raise RigError(f"{path} has a number outside 0 to 1: centre and size are parts of the image; correct it.")
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    centre, extent = rows[:, 1:3], rows[:, 3:]
    xyxy = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) * size
    return Objects(xyxy, rows[:, 0].astype(np.int64), np.zeros(len(rows), np.bool_), names)


def read_voc(path: Path, shape: tuple[int, ...], names: tuple[str, ...]) -> Objects:
    """Reads a Pascal VOC annotation; objects marked as difficult are ignored ones.

    Args:
        path: The XML file.
        shape: Height and width of the image, and what follows.
        names: The class names; upper and lower case are the same.

    Raises:
        RigError: The file is missing or broken, has a class that is not among the names, or a box that is empty or
            outside the image.
    """
    text = read_text(path)
    # Annotations declare no entities, and those that do may be made to fill the memory.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RigError(f"{path} declares a document type, which annotations do not: remove the declaration.")
    try:
        entries = ElementTree.fromstring(text).findall("object")
    except ElementTree.ParseError as error:
        raise RigError(f"{path} is broken XML ({error}): restore it, or leave this image out.") from None
    ids = [_class_id(path, entry, names) for entry in entries]
    boxes = [_voc_box(path, entry, shape) for entry in entries]
    hard = [(entry.findtext("difficult") or "0").strip() == "1" for entry in entries]
    return Objects(np.array(boxes, np.float64).reshape(-1, 4), np.array(ids, np.int64), np.array(hard, np.bool_), names)


def _class_id(path: Path, entry: ElementTree.Element, names: tuple[str, ...]) -> int:
    name = (entry.findtext("name") or "").strip()
    known = [each.casefold() for each in names]
    if name.casefold() not in known:
        raise RigError(f"{path} has the class '{name}', which is none of {', '.join(names)}: correct one of them.")
    return known.index(name.casefold())


def _voc_box(path: Path, entry: ElementTree.Element, shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        told = [float(entry.findtext(f"bndbox/{tag}") or "") for tag in ("xmin", "ymin", "xmax", "ymax")]
    except ValueError:
        raise RigError(f"{path} has an object without a whole bndbox: give xmin, ymin, xmax and ymax.") from None
    edges, size = np.array(told, np.float64), np.array([shape[1], shape[0]] * 2, np.float64)
    if not ((edges >= -_SLACK) & (edges <= size + _SLACK)).all():
        raise RigError(f"{path} has a box outside its image of {shape[1]}x{shape[0]} pixels: correct it.")
    edges = edges.clip(0.0, size)
    if not (edges[:2] < edges[2:]).all():
        raise RigError(f"{path} has an empty box, with min at or beyond max: correct or remove it.")
    return edges


def read_text(path: Path) -> str:
    """Reads a text file.

    Raises:
        RigError: It is missing or not in UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RigError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
