"""Registered pairs with what is in them, out of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.capture.folder import read_image
from tardal_ros.capture.pairs import as_infrared, as_visible
from tardal_ros.datasets.item import Dataset, Image, Item, Sample
from tardal_ros.datasets.labels import class_names, read_voc, read_yolo
from tardal_ros.datasets.layouts import Layout, find_layout, parts_of, pictures, side_by_side
from tardal_ros.datasets.splits import Split, in_scenes, read_split
from tardal_ros.errors import RigError
from tardal_ros.registration.agc import to_grey8
from tardal_ros.types import Array, freeze

__all__ = [
    "BROKEN",
    "REAL",
    "Dataset",
    "FileSample",
    "FolderDataset",
    "Item",
    "Sample",
    "Skipped",
    "open_dataset",
    "seen_of",
]

BROKEN = ("refuse", "skip")
"""What can be done with a pair that cannot be used."""

REAL = "real"
"""The condition of pictures whose names do not tell one."""

_NAMED = 5  # How many broken pairs a sentence names before it only counts.
_THREAD = 5  # Pixels: what is black and narrower than this is a thread.
_RIM = 2
_CONDITIONS = {"D": "day", "N": "night"}  # MFNet, MSRS and Takumi's end their names so: 00537D, 00881N.


@dataclass(frozen=True)
class FileSample(Sample):
    """A pair of pictures, and what is known about them, as files.

    Attributes:
        visible: The visible picture.
        infrared: The infrared picture.
        labels: What is in it; None where the data set has no labels.
        target: The mask of its thermal targets.
        seen: The mask of where infrared really sees.
    """

    visible: Path
    infrared: Path
    labels: Path | None = None
    target: Path | None = None
    seen: Path | None = None


@dataclass(frozen=True)
class Skipped:
    """A pair that was left out.

    Attributes:
        name: See `Sample`.
        reason: A sentence that names the file.
    """

    name: str
    reason: str


class FolderDataset:
    """A data set on disk, in one of `layouts.LAYOUTS`.

    Attributes:
        names: The class names; none without labels.
        samples: What there is to load.
        skipped: Pairs that were left out as broken.
    """

    def __init__(
        self, root: Path, layout: Layout, names: tuple[str, ...], on_broken: str = "refuse", infer_seen: bool = False
    ) -> None:
        """Sets up an empty one; `open_dataset` fills it."""
        self.names = names
        self.samples: tuple[FileSample, ...] = ()
        self.skipped: tuple[Skipped, ...] = ()
        self._root, self._layout = root, layout
        self._on_broken, self._infer_seen = on_broken, infer_seen

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, samples: Iterable[FileSample], broken: Sequence[Skipped]) -> None:
        """Keeps these samples, and refuses or skips the broken ones.

        Raises:
            RigError: There are broken ones and they are to be refused, or nothing is left.
        """
        if broken and self._on_broken == "refuse":
            more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
            first = "; ".join(each.reason.rstrip(".") for each in broken[:_NAMED])
            raise RigError(
                f"{len(broken)} pairs of {self._root} cannot be used: {first}{more}. Mend or remove them, or have"
                " broken ones skipped."
            )
        self.samples, self.skipped = tuple(samples), (*self.skipped, *broken)
        if not self.samples:
            why = f" (all were skipped, the first because {broken[0].reason})" if broken else ""
            raise RigError(f"There are no pictures to use in {self._root}{why}: give another folder or list.")

    def check(self) -> None:
        """Reads every file once, to find what is broken before a long run does.

        Raises:
            RigError: Something is broken and is to be refused, or nothing is left.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            reasons = list(pool.map(self._reason, self.samples))
        pairs = list(zip(self.samples, reasons, strict=True))
        broken = [Skipped(sample.name, reason) for sample, reason in pairs if reason]
        self.take([sample for sample, reason in pairs if not reason], broken)

    def load(self, index: int) -> Item:
        """Reads a pair.

        Raises:
            RigError: A file is missing or broken, or the sizes of a pair differ.
        """
        return self._read(self.samples[index])

    def _reason(self, sample: FileSample) -> str:
        try:
            self._read(sample)
        except RigError as error:
            return str(error)
        return ""

    def _read(self, sample: FileSample) -> Item:
        visible = _read(sample.visible, as_visible)
        infrared = freeze(to_grey8(_read(sample.infrared, as_infrared)))
        target, seen = (None if path is None else _mask(path) for path in (sample.target, sample.seen))
        for path, image in ((sample.infrared, infrared), (sample.target, target), (sample.seen, seen)):
            if image is not None and image.shape[:2] != visible.shape[:2]:
                raise RigError(
                    f"{path} is {_size(image)} and {sample.visible} is {_size(visible)}: the pictures of a pair lie on"
                    " each other, so register them first"
                )
        if seen is None and self._infer_seen:
            seen = seen_of(infrared)
        objects = None
        if sample.labels is not None:
            read = read_yolo if self._layout.suffix == ".txt" else read_voc
            objects = read(sample.labels, visible.shape, self.names)
        return Item(sample.name, sample.scene, sample.condition, visible, infrared, objects, target, seen)


def open_dataset(
    root: Path,
    layout: str = "auto",
    part: str | None = None,
    file_list: Path | None = None,
    on_broken: str = "refuse",
    infer_seen: bool = False,
    labels: bool = True,
) -> FolderDataset:
    """Lists a data set; `check` then reads all of it.

    Args:
        root: Its folder.
        layout: One of `layouts.NAMES`, or `auto`.
        part: Such as `train`: a folder of that name where the layout has them, else `meta/train.txt`, or what
            `file_list` says of it; None for everything.
        file_list: The pictures to take; see `splits.listed`.
        on_broken: What to do with pairs that cannot be used, one of `BROKEN`.
        infer_seen: Whether to find by `seen_of` where infrared sees nothing; else `seen/` tells, or it sees everything.
        labels: Whether to read labels, if there are any; those that cannot be read do not matter then.

    Raises:
        RigError: The folder has no known layout or no such part, a pair is broken, or nothing is there.
    """
    if on_broken not in BROKEN:
        raise RigError(f"on_broken is '{on_broken}': choose one of {', '.join(BROKEN)}.")
    found = find_layout(root, layout)
    if not labels:
        found = replace(found, labels="", classes=())
    split = read_split(file_list, part) if file_list is not None else Split()
    pairs, broken = _pairs(root, found, _part_folders(root, found, part, split))
    wanted = _listed(root, found, part, split)
    if wanted is not None:
        by_stem = {name.rpartition("/")[2]: name for name in (*pairs, *broken)}
        names = [name if name in pairs else by_stem.get(name.rpartition("/")[2], name) for name in wanted]
        absent = f"is listed, but there is no such picture in {root}"
        broken = {name: broken.get(name, f"{name} {absent}") for name in names if name not in pairs}
        pairs = {name: pairs[name] for name in names if name in pairs}
    dataset = FolderDataset(root, found, _class_names(root, found), on_broken, infer_seen)
    dataset.take(in_scenes(pairs.values(), split.scenes), [Skipped(name, why) for name, why in broken.items()])
    return dataset


def seen_of(infrared: Image) -> Image:
    """Finds where a warped infrared image sees nothing: exact black that reaches the border of the image.

    Threads of black are no border, and the rim of what is seen, which is mixed with it, does not count as seen.

    Args:
        infrared: (H, W) uint8.

    Returns:
        (H, W) uint8, 255 where infrared sees, else 0.
    """
    wide = _THREAD
    black = cv2.copyMakeBorder((infrared == 0).astype(np.uint8), wide, wide, wide, wide, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(
        cv2.morphologyEx(black, cv2.MORPH_OPEN, np.ones((wide, wide), np.uint8)), connectivity=4
    )
    outside = (labels == labels[0, 0])[wide:-wide, wide:-wide].astype(np.uint8)
    blind = cv2.dilate(outside, np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8))
    return freeze(np.where(blind == 1, np.uint8(0), np.uint8(255)))


def _part_folders(root: Path, layout: Layout, part: str | None, split: Split) -> tuple[str, ...]:
    """The part folders to look into; none of a name where parts are no folders."""
    there = parts_of(root, layout)
    if part is None or not layout.in_parts or part in split.parts:
        return there
    if part not in there:
        raise RigError(f"{root} has no part '{part}': choose one of {', '.join(there)}, or give a file list.")
    return (part,)


def _listed(root: Path, layout: Layout, part: str | None, split: Split) -> tuple[str, ...] | None:
    """The names to take; None for all."""
    if part is None:
        return next(iter(split.parts.values())) if list(split.parts) == [""] else None
    if part in split.parts:
        return split.parts[part]
    if layout.in_parts:
        return None
    path = root / "meta" / f"{part}.txt"
    if not path.exists():
        there = f"the list has {', '.join(split.parts)}" if split.parts else f"there is no {path}"
        raise RigError(f"{root} has no part '{part}', for {there}: choose another, or give a file list.")
    return read_split(path, part).parts[part]


def _pairs(root: Path, layout: Layout, parts: Sequence[str]) -> tuple[dict[str, FileSample], dict[str, str]]:
    """Pairs by name, and why others are broken."""
    if not layout.infrared:
        return {name: _sample(name, layout, vi, ir) for name, ir, vi in side_by_side(root)}, {}
    pairs: dict[str, FileSample] = {}
    broken: dict[str, str] = {}
    for part in parts:
        infrared, visible = (root / folder.format(part=part) for folder in (layout.infrared, layout.visible))
        extra = {kind: pictures(infrared.parent / kind) for kind in ("mask", "seen")}
        own = pictures(infrared), pictures(visible)
        for stem in dict.fromkeys([*own[1], *own[0]]):
            name = f"{part}/{stem}" if len(parts) > 1 else stem
            labels = root / layout.labels.format(part=part) / f"{stem}{layout.suffix}" if layout.labels else None
            missing = infrared if stem not in own[0] else visible if stem not in own[1] else None
            if missing is not None:
                broken[name] = f"{missing / stem}.* is missing, the partner of {(own[0] | own[1])[stem]}"
            elif labels is None or labels.exists():
                masks = extra["mask"].get(stem), extra["seen"].get(stem)
                pairs[name] = _sample(name, layout, own[1][stem], own[0][stem], labels, *masks)
            else:
                broken[name] = f"{labels} is missing; write an empty one if nothing is in {own[1][stem]}"
    return pairs, broken


def _sample(name: str, layout: Layout, visible: Path, infrared: Path, *rest: Path | None) -> FileSample:
    shared = re.match(layout.scene, visible.stem) if layout.scene else None
    ending = re.search(r"\d([DN])$", visible.stem)
    condition = _CONDITIONS[ending[1]] if ending else REAL
    return FileSample(name, shared[0] if shared else name, condition, visible, infrared, *rest)


def _class_names(root: Path, layout: Layout) -> tuple[str, ...]:
    if not layout.labels or layout.classes:
        return layout.classes
    path = root / "classes.txt"
    if not path.exists():
        raise RigError(f"{path} is missing: name the classes of {root / layout.labels} in it, or the layout.")
    return class_names(path)


def _read(path: Path, convert: Callable[[Array], Array]) -> Array:
    try:
        image = read_image(path)
    except RigError as error:
        raise RigError(f"{error}: restore it, or remove its partner") from None
    try:
        return convert(image)
    except RigError as error:
        raise RigError(f"{path} {error}") from None


def _mask(path: Path) -> Image:
    return freeze(to_grey8(_read(path, as_infrared)))


def _size(image: Array) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
