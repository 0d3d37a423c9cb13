"""Boxes of a view as the text files of data sets: YOLO and Pascal VOC."""

from __future__ import annotations

from xml.etree import ElementTree

from tardal_ros.simulation.truth import Instance, Truth

VISIBLE_ENOUGH = 0.25
"""Objects of which less is seen get no label."""

_SMALLEST = 6.0  # Pixels; nor do smaller ones.


def labelled(truth: Truth) -> list[Instance]:
    """The objects that can be seen."""
    return [
        instance
        for instance in truth.instances
        if instance.visibility >= VISIBLE_ENOUGH and min(instance.box[2:] - instance.box[:2]) >= _SMALLEST
    ]


def yolo(truth: Truth) -> str:
    """A line `class cx cy w h` for each object that can be seen, relative to the image."""
    height, width = truth.labels.shape
    lines = []
    for instance in labelled(truth):
        left, top, right, bottom = instance.box / (width, height, width, height)
        numbers = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        lines.append(f"{instance.class_id} " + " ".join(f"{number:.6f}" for number in numbers) + "\n")
    return "".join(lines)


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
