"""Folders of pairs with the objects that are truly in them, as examples to judge by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.labels import Told, objects_json
from tardal_ros.datasets.rendered import Example
from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes, replace_text


def save_example(folder: Path, example: Example) -> None:
    """Writes an example for `read_folder`; its file in `objects/` comes last: where that is, the others are.

    Raises:
        RigError: The folder cannot be written.
    """
    pair = example.pair
    pictures = {"vi": pair.visible.left.image, "ir": pair.infrared.left.image, "seen": pair.mask}
    for part, image in pictures.items():
        if image is not None:
            replace_bytes(folder / part / f"{example.name}.png", cv2.imencode(".png", image)[1].tobytes())
    told = objects_json(Told(example.scene, example.condition), example.objects)
    replace_text(folder / "objects" / f"{example.name}.json", told)


def read_folder(folder: Path) -> Iterator[Example]:
    """Reads what `save_example` wrote, or any labelled data set (see `datasets.layouts`).

    Where nothing tells what infrared really sees, the black border of a warped picture does not count as seen.

    Args:
        folder: Its root.

    Raises:
        RigError: Something is missing or broken, or there are no labels; the sentence names it.
    """
    dataset = open_dataset(folder, infer_seen=True)
    for index in range(len(dataset)):
        item = dataset.load(index)
        if item.objects is None:
            raise RigError(f"{folder} has no labels to judge by: add labels/ and classes.txt.")
        yield Example(item.name, item.scene, item.condition, item.pair(), item.objects)
