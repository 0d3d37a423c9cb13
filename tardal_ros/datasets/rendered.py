"""Rendered scenes, registered as the rig does it, with what is truly in them."""

from __future__ import annotations

import gc
import io
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tardal_ros.capture.geometry import to_rig
from tardal_ros.datasets.item import Image, Item, Sample
from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.simulation import (
    CLASSES,
    CONDITIONS,
    INFRARED,
    SPLITS,
    VEHICLE,
    VERSION,
    VISIBLE,
    RigGeometry,
    Scene,
    Truth,
)
from tardal_ros.simulation.labels import VISIBLE_ENOUGH
from tardal_ros.types import Array, Frame, Pair, View, freeze

SMALLEST = 10.0
"""Objects of fewer pixels on their shorter side need not be found, at the rig's full size (1024x768)."""

CACHE = 1 << 30
"""Bytes of rendered images that a data set keeps in memory."""


@dataclass(frozen=True)
class Plan:
    """Which moments of which scenes to render.

    Attributes:
        conditions: Conditions of the scenes.
        seeds: How many scenes of each condition.
        first: The first seed.
        images: Moments of each scene.
        every: Seconds from one to the next.
        view: From a car's roof, or from a drone: one of `simulation.VIEWS`.
    """

    conditions: tuple[str, ...] = ("day", "overcast", "night", "challenge")
    seeds: int = 8
    first: int = 0
    images: int = 6
    every: float = 5.0
    view: str = VEHICLE

    def scenes(self) -> list[tuple[int, str]]:
        """Seed and condition of each scene."""
        return [(seed, name) for seed in range(self.first, self.first + self.seeds) for name in self.conditions]

    def times(self) -> list[float]:
        """The moments of each scene, in seconds."""
        return [index * self.every for index in range(self.images)]


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
    class_ids = np.array([each.class_id for each in instances], np.int64)
    numbers = np.array([each.number for each in instances], np.int64)
    return Objects(xyxy, class_ids, hidden | small, CLASSES, numbers)


def rendered_examples(
    seed: int, condition: str, split: str, times: Iterable[float], view: str = VEHICLE
) -> Iterator[Example]:
    """Renders moments of a scene and registers them as the rig does.

    Args:
        seed: See `Scene`.
        condition: See `Scene`.
        split: See `Scene`.
        times: Seconds of the scene.
        view: See `Scene`.

    Raises:
        RigError: There is no such scene.
    """
    return (example for example, _ in _moments(seed, condition, split, times, view, targets=False))


def _moments(
    seed: int, condition: str, split: str, times: Iterable[float], view: str, targets: bool
) -> Iterator[tuple[Example, Image]]:
    """Examples, with the masks of thermal targets where they are asked for (black ones else)."""
    gc.collect()  # the scene before is a ring of few objects with large arrays, which Python is slow to notice
    scene = Scene(seed, condition, split, view=view)
    stage = RegistrationStage(to_rig(scene.rig))
    name = scene_name(seed, condition, split, view)
    for index, time in enumerate(times):
        images = {stream: scene.view(stream, time) for stream in (VISIBLE, INFRARED)}
        # The moments are too far apart for the AGC to carry anything from one to the next.
        pair = stage.process(_raw_pair(scene.rig, images, round(time * 1e9)))
        objects = objects_of(scene.truth(VISIBLE, time))
        target = np.zeros_like(pair.infrared.left.image)
        if targets:
            # The mask goes the way of the infrared image, so that it lies on what that shows.
            hot = {VISIBLE: images[VISIBLE], INFRARED: scene.truth(INFRARED, time).targets}
            target = stage.process(_raw_pair(scene.rig, hot, round(time * 1e9))).infrared.left.image
        yield Example(f"{name}_{index:05d}", name, scene.hazard or condition, pair, objects), target


def scene_name(seed: int, condition: str, split: str, view: str = VEHICLE) -> str:
    """What a scene is called among the others."""
    return f"{split}_{condition}_{seed}" if view == VEHICLE else f"{split}_{view}_{condition}_{seed}"


def _raw_pair(geometry: RigGeometry, images: dict[str, Array], stamp: int) -> Pair:
    visible, infrared = (
        Frame(image, stamp, geometry.cameras[stream].frame_id, geometry.cameras[stream].info)
        for stream, image in images.items()
    )
    tone = Agc().update(infrared.image)
    return Pair(View(visible), View(Frame(infrared.image, stamp, infrared.frame_id, infrared.camera_info, tone)))


class RenderedDataset:
    """Rendered scenes as a data set; a scene is rendered, with all its moments, when the first of them is asked for.

    Attributes:
        names: The class names.
        samples: What there is to load, scene by scene.
    """

    names = CLASSES

    def __init__(
        self, plan: Plan, split: str, longest: int, keep: Path | None = None, cache_bytes: int = CACHE
    ) -> None:
        """Sets it up; nothing is rendered yet.

        Args:
            plan: Which moments of which scenes.
            split: See `Scene`.
            longest: The longer side of the images, in pixels; the boxes are scaled with them.
            keep: Folder where scenes are kept for the next run; None to render them again.
            cache_bytes: How much to keep in memory; the scene that was not asked for longest goes first.

        Raises:
            RigError: There are no such scenes, or nothing to render.
        """
        unknown = [name for name in plan.conditions if name not in CONDITIONS]
        if unknown:
            raise RigError(f"There is no condition '{unknown[0]}': choose of {', '.join(CONDITIONS)}.")
        if split not in SPLITS:
            raise RigError(f"There is no split '{split}' of rendered scenes: choose one of {', '.join(SPLITS)}.")
        if longest < 1:
            raise RigError(f"Rendered images of {longest} pixels cannot be made: give 1 or more.")
        self._scenes = plan.scenes()
        if not self._scenes or plan.images < 1:
            raise RigError("The plan has no scenes or no moments: give at least one of each.")
        self._plan, self._split, self._longest = plan, split, longest
        self._keep, self._limit = keep, cache_bytes
        self._cache: OrderedDict[int, tuple[Item, ...]] = OrderedDict()
        names = [scene_name(seed, condition, split, plan.view) for seed, condition in self._scenes]
        self.samples = tuple(
            Sample(f"{name}_{index:05d}", name, condition)
            for name, (_, condition) in zip(names, self._scenes, strict=True)
            for index in range(plan.images)
        )

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> Item:
        """Renders a moment, or finds it in memory or in the folder; its `condition` goes by the scene's hazard.

        Raises:
            RigError: The folder cannot be written.
        """
        scene, moment = divmod(range(len(self))[index], self._plan.images)
        if scene not in self._cache:
            self._cache[scene] = self._kept(scene) or self._render(scene)
            while len(self._cache) > 1 and sum(map(_bytes, self._cache.values())) > self._limit:
                self._cache.popitem(last=False)
        self._cache.move_to_end(scene)
        return self._cache[scene][moment]

    def check(self) -> None:
        """There is nothing that could be broken."""

    def _render(self, scene: int) -> tuple[Item, ...]:
        moments = _moments(*self._scenes[scene], self._split, self._plan.times(), self._plan.view, targets=True)
        items = tuple(shrunk(_item(example, target), self._longest) for example, target in moments)
        if self._keep is not None:
            replace_bytes(self._path(scene), _packed(items))
        return items

    def _kept(self, scene: int) -> tuple[Item, ...] | None:
        if self._keep is None or not self._path(scene).exists():
            return None
        try:
            return _unpacked(self._path(scene), self._plan.images)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None  # it is rendered, and written, again

    def _path(self, scene: int) -> Path:
        assert self._keep is not None
        plan, name = self._plan, scene_name(*self._scenes[scene], self._split, self._plan.view)
        return self._keep / f"{name}_{plan.images}x{plan.every:g}s_{self._longest}px_v{VERSION}.npz"


def shrunk(item: Item, longest: int) -> Item:
    """Makes a pair smaller, by the mean of the pixels that become one, with boxes and masks.

    Args:
        item: The pair.
        longest: What its longer side is to be, in pixels; one that is not larger stays as it is.
    """
    height, width = item.infrared.shape
    factor = longest / max(height, width)
    if factor >= 1.0:
        return item
    size = max(round(width * factor), 1), max(round(height * factor), 1)

    def small(image: Image | None) -> Image | None:
        return None if image is None else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    objects, seen = item.objects, small(item.seen)
    if objects is not None:
        scale = np.array([size[0] / width, size[1] / height] * 2)
        objects = Objects(freeze(objects.xyxy * scale), objects.class_ids, objects.ignored, objects.names)
    # A pixel is seen only where all of it is.
    seen = None if seen is None else freeze(np.where(seen == 255, np.uint8(255), np.uint8(0)))
    visible, infrared, target = small(item.visible), small(item.infrared), small(item.target)
    assert visible is not None and infrared is not None
    target = None if target is None else freeze(target)
    return Item(item.name, item.scene, item.condition, freeze(visible), freeze(infrared), objects, target, seen)


def _item(example: Example, target: Image) -> Item:
    pair = example.pair
    visible, infrared = pair.visible.left.image, pair.infrared.left.image
    return Item(example.name, example.scene, example.condition, visible, infrared, example.objects, target, pair.mask)


def _bytes(items: tuple[Item, ...]) -> int:
    images = (image for item in items for image in (item.visible, item.infrared, item.target, item.seen))
    return sum(image.nbytes for image in images if image is not None)


def _packed(items: tuple[Item, ...]) -> bytes:
    arrays: dict[str, Any] = {}
    for number, item in enumerate(items):
        assert item.objects is not None and item.target is not None and item.seen is not None
        arrays |= {
            f"{number}/told": np.array([item.name, item.scene, item.condition]),
            f"{number}/visible": item.visible,
            f"{number}/infrared": item.infrared,
            f"{number}/target": item.target,
            f"{number}/seen": item.seen,
            f"{number}/xyxy": item.objects.xyxy,
            f"{number}/class_ids": item.objects.class_ids,
            f"{number}/ignored": item.objects.ignored,
        }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _unpacked(path: Path, images: int) -> tuple[Item, ...]:
    items = []
    with np.load(path, allow_pickle=False) as file:
        for number in range(images):
            name, scene, condition = file[f"{number}/told"].tolist()
            visible, infrared, target, seen, xyxy, class_ids, ignored = (
                freeze(file[f"{number}/{each}"])
                for each in ("visible", "infrared", "target", "seen", "xyxy", "class_ids", "ignored")
            )
            objects = Objects(xyxy, class_ids, ignored, CLASSES)
            items.append(Item(name, scene, condition, visible, infrared, objects, target, seen))
    return tuple(items)
