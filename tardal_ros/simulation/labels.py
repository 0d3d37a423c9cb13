"""Boxes of a view as the text files of data sets: YOLO and Pascal VOC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.truth import Instance, Truth

VISIBLE_ENOUGH = 0.25
"""Objects of which less is seen get no label, and need not be found."""

_SMALLEST = 6.0  # Pixels; nor do smaller ones.


def labelled(truth: Truth) -> list[Instance]:
    """The objects that can be seen."""
    return [
        instance
        for instance in truth.instances
        if instance.visibility >= VISIBLE_ENOUGH and min(instance.box[2:] - instance.box[:2]) >= _SMALLEST
    ]


def yolo(truth: Truth) -> str:
    """The YOLO label file of a view: the objects that can be seen."""
    height, width = truth.labels.shape
    seen = labelled(truth)
    boxes = np.array([instance.box for instance in seen]).reshape(-1, 4)
    return yolo_lines([instance.class_id for instance in seen], boxes, (width, height))


def yolo_lines(class_ids: Iterable[int], xyxy: NDArray[np.floating[Any]], size: tuple[int, int]) -> str:
    """A line `class cx cy w h` for each box, relative to the image.

    Args:
        class_ids: N indices of classes.
        xyxy: (N, 4) left, top, right and bottom edges in pixels.
        size: Width and height of the image.
    """
    edges = xyxy / np.tile(size, 2)
    rows = np.concatenate([(edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]], axis=1)
    return "".join(
        f"{number} {' '.join(f'{value:.6f}' for value in row)}\n" for number, row in zip(class_ids, rows, strict=True)
    )


def voc(truth: Truth, filename: str) -> str:
    """The same as an XML annotation, with edges in pixels: 0, 0, width, height are those of the whole image."""
    height, width = truth.labels.shape
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = filename
    _fill(root, "size", {"width": width, "height": height, "depth": 3})
    for instance in labelled(truth):
        entry = _fill(root, "object", {"name": instance.name, "truncated": int(instance.truncated), "difficult": 0})
        _fill(entry, "bndbox", dict(zip(("xmin", "ymin", "xmax", "ymax"), instance.box.astype(int), strict=True)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _fill(parent: ElementTree.Element, tag: str, values: dict[str, object]) -> ElementTree.Element:
    entry = ElementTree.SubElement(parent, tag)
    for name, value in values.items():
        ElementTree.SubElement(entry, name).text = str(value)
    return entry
