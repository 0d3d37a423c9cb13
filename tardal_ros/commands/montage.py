"""Arguments of the `montage` command, and its pictures."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.commands.score_fusion import add_pairs_and_fusers, loaded, opened
from tardal_ros.errors import RigError
from tardal_ros.types import Array

_GAP, _BAR = 4, 24  # pixels between the tiles, and of the bar with a tile's name
_FONT, _SCALE, _INK, _PAPER = cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0, 255


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_pairs_and_fusers(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--names", nargs="+", metavar="NAME", help="pairs to show, by the names of their pictures")
    chosen.add_argument("--every", type=int, default=1, metavar="N", help="show each N-th pair (default: all)")
    parser.add_argument("--out", type=Path, default=Path("out/montage"), help="output folder (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Writes a picture for each pair: visible, infrared, and what each fuser makes of them.

    Raises:
        RigError: The data or a fuser cannot be used, there is no such pair, or the folder cannot be written.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.evaluation.fusion import REFERENCES, create_fusers
    from tardal_ros.files import replace_bytes

    fusers = create_fusers([name for name in arguments.fusers if name not in REFERENCES])  # they are shown anyway
    dataset = opened(arguments)
    chosen = _chosen([sample.name for sample in dataset.samples], arguments.names, arguments.every)
    for item in loaded(dataset, chosen):
        tiles = {"visible": item.visible, "infrared": item.infrared}
        tiles |= {name: fuser.fuse(item.visible, item.infrared, item.seen) for name, fuser in fusers.items()}
        picture = cv2.imencode(".png", side_by_side(tiles))[1].tobytes()
        replace_bytes(arguments.out / f"{item.name.replace('/', '_')}.png", picture)
    sys.stdout.write(f"{len(chosen)} pictures in {arguments.out}\n")
    return 0


def side_by_side(tiles: Mapping[str, Array]) -> Array:
    """Lays images of one size out in rows, about as many as columns, each with its name above.

    Args:
        tiles: At least one image, (H, W) grey or (H, W, 3) BGR, uint8, by name.

    Returns:
        (H', W', 3) BGR, uint8.
    """
    columns = math.ceil(math.sqrt(len(tiles)))
    named = [_with_name(name, image) for name, image in tiles.items()]
    named += [np.full_like(named[0], _PAPER)] * (-len(named) % columns)
    rows = [np.concatenate(named[start : start + columns], axis=1) for start in range(0, len(named), columns)]
    return np.concatenate(rows)


def _with_name(name: str, image: Array) -> Array:
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
    tile = cv2.copyMakeBorder(colour, _BAR, _GAP, _GAP, _GAP, cv2.BORDER_CONSTANT, value=(_PAPER,) * 3)
    cv2.putText(tile, name, (_GAP, _BAR - 8), _FONT, _SCALE, (_INK,) * 3, 1, cv2.LINE_AA)
    return tile


def _chosen(names: Sequence[str], wanted: Sequence[str] | None, every: int) -> Sequence[int]:
    """Indices of the pairs to show."""
    if wanted is None:
        if every < 1:
            raise RigError(f"--every is {every}: it must be 1 or more.")
        return range(0, len(names), every)
    if unknown := [name for name in wanted if name not in names]:
        raise RigError(f"There is no pair '{unknown[0]}': choose from {names[0]} to {names[-1]}.")
    return [names.index(name) for name in wanted]
