"""Saliency masks of whole folders of pictures, as DGFusion's training wants them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2

from tardal_ros.datasets.dataset import REAL, FileSample, FolderDataset
from tardal_ros.datasets.layouts import Layout, pictures
from tardal_ros.datasets.saliency_mask import saliency_mask
from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes

Note = Callable[[int, int], None]
"""Called with how many masks are done, and of how many."""


@dataclass(frozen=True)
class Outcome:
    """What came of a folder.

    Attributes:
        written: Masks that were made.
        kept: Masks that were there already, newer than both pictures.
        problems: A sentence on each picture without a partner and each pair that cannot be used.
    """

    written: int
    kept: int
    problems: tuple[str, ...]


def write_masks(visible: Path, infrared: Path, out: Path, note: Note = lambda done, total: None) -> Outcome:
    """Writes `saliency_mask` of each pair as `OUT/NAME.png`, 8 bits; a mask is there as a whole or not at all.

    Args:
        visible: Folder of the visible pictures.
        infrared: Folder of the infrared pictures on the visible pixels, with the same names, endings aside.
        out: Folder of the masks.
        note: Told before the first mask that is made, and after each.

    Raises:
        RigError: A folder is missing, there is not one pair to use, or a mask cannot be written.
    """
    for folder in (visible, infrared):
        if not folder.is_dir():
            raise RigError(f"There is no folder {folder}: give a folder of pictures.")
        if out.exists() and out.samefile(folder):
            raise RigError(f"{out} holds the pictures themselves: give another folder for the masks.")
    samples, problems = _pairs(visible, infrared)
    stale = [sample for sample in samples if not _is_newer(_path(out, sample), sample)]
    kept = len(samples) - len(stale)
    broken = _write(stale, out, note) if stale else []
    if len(broken) == len(samples):
        raise RigError(f"No pair of {visible} and {infrared} can be used: {broken[-1]}")
    return Outcome(len(stale) - len(broken), kept, (*problems, *broken))


def _pairs(visible: Path, infrared: Path) -> tuple[list[FileSample], list[str]]:
    """The pairs, and a sentence on each picture that has no partner."""
    ours, theirs = pictures(visible), pictures(infrared)
    samples = [FileSample(name, name, REAL, ours[name], theirs[name]) for name in ours if name in theirs]
    if not samples:
        raise RigError(f"No picture in {visible} has the name of one in {infrared}: call the two of a pair the same.")
    problems = []
    for own, other, folder in ((ours, theirs, infrared), (theirs, ours, visible)):
        alone = [path for name, path in own.items() if name not in other]
        problems += [f"{path} is left out: {folder} has no picture of its name." for path in alone]
    return samples, problems


def _write(samples: Sequence[FileSample], out: Path, note: Note) -> list[str]:
    """Writes the masks of these pairs; returns a sentence on each that cannot be used."""
    dataset = FolderDataset(samples[0].visible.parent, Layout("folder"), ())
    dataset.take(samples, [])

    def write(index: int) -> str:
        try:
            item = dataset.load(index)
        except RigError as error:
            return f"The pair {samples[index].name} is left out: {error}."
        mask = saliency_mask(item.visible, item.infrared)
        replace_bytes(_path(out, samples[index]), cv2.imencode(".png", mask)[1].tobytes())
        return ""

    problems = []
    note(0, len(samples))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and files leave Python's lock to others
        for done, problem in enumerate(pool.map(write, range(len(samples))), 1):
            problems += [problem] if problem else []
            note(done, len(samples))
    return problems


def _path(out: Path, sample: FileSample) -> Path:
    return out / f"{sample.name}.png"


def _is_newer(mask: Path, sample: FileSample) -> bool:
    try:
        return mask.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in (sample.visible, sample.infrared))
    except OSError:
        return False  # there is no mask yet, or reading the pictures will say what is wrong
