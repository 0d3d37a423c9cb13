"""Crops of registered pairs, with the boxes and masks that move with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tardal_ros.datasets.item import Item
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.types import AnyArray

try:
    from kornia.augmentation import AugmentationSequential, ColorJitter, RandomHorizontalFlip
except ImportError as error:
    raise MissingDependencyError("Training needs kornia: run `pip install '.[train]'` in the checkout.") from error

LEAST_LEFT = 0.25
"""Part of a box that must be within the crop, for the object to count."""

LEAST_SIDE = 4.0
"""Pixels that what is left of a box must have on its shorter side."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a pair, as the networks see it.

    Attributes:
        name: Of the pair.
        infrared: (1, H, W) float32 in [0, 1].
        visible: (3, H, W) RGB float32 in [0, 1].
        target: (1, H, W) float32 in [0, 1], the target mask.
        seen: (1, H, W) float32, 1 where infrared really sees, else 0.
        boxes: (N, 5) float32, class, then cx cy w h relative to the crop.
    """

    name: str
    infrared: Tensor
    visible: Tensor
    target: Tensor
    seen: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class Augmentation:
    """How crops are drawn.

    Attributes:
        size: Height and width of the crops in pixels.
        towards_objects: Share of the crops that are laid over an object, where there is one.
        flip: How often left and right change places.
        flip_vertical: How often top and bottom do.
        transpose: How often rows and columns do, in square crops.
        colour: By how much brightness, contrast and saturation of the visible image vary, as parts of them.
        tone: By how much gain and offset of the infrared image vary, as parts of it and of its mean.
    """

    size: tuple[int, int]
    towards_objects: float = 0.5
    flip: float = 0.5
    colour: float = 0.2
    tone: float = 0.1
    flip_vertical: float = 0.0
    transpose: float = 0.0

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise RigError(f"Crops of {self.size[0]}x{self.size[1]} pixels cannot be made: give 1 or more.")
        for name in ("towards_objects", "flip", "colour", "tone", "flip_vertical", "transpose"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RigError(f"{name} is {getattr(self, name)}: it must be 0 to 1.")
        if self.transpose and self.size[0] != self.size[1]:
            raise RigError(f"Crops of {self.size[0]}x{self.size[1]} pixels cannot be transposed: make them square.")

    def draw(self, item: Item, target: NDArray[np.float32], seed: int) -> Crop:
        """Draws a crop; the same arguments give the same crop.

        Args:
            item: The pair. Where it is smaller than the crop it is mirrored, which does not count as seen.
            target: (H, W) in [0, 1], the target mask of the whole pair.
            seed: Of everything random.
        """
        rng = np.random.default_rng(seed)
        ids, xyxy = _labels(item)
        # Kornia draws from torch's own generator, which is the caller's: it is given back as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            top, left = self._corner(item.infrared.shape, xyxy, rng)
            planes = _planes(item, target, (top, left), self.size)
            boxes, kept = clipped(xyxy - np.array([left, top] * 2), self.size)
            visible, rest, boxes = self._flipped(planes, boxes)
            visible = self._coloured(visible)
        infrared, target_mask, seen = rest[:1], rest[1:2], rest[2:]
        gain, shift = self.tone * rng.uniform(-1.0, 1.0, 2)
        toned = (infrared * (1.0 + gain) + infrared.mean() * shift).clamp(0, 1)
        # What is not seen stays as it is: a border that is black stays black.
        infrared = torch.where(seen > 0, toned, infrared)
        images, places = self._turned([infrared, visible, target_mask, seen], relative(boxes, self.size), rng)
        infrared, visible, target_mask, seen = images
        labels = np.concatenate([ids[kept, None], places], axis=1).astype(np.float32)
        return Crop(item.name, infrared, visible, target_mask, seen, torch.from_numpy(labels))

    def _corner(self, shape: tuple[int, ...], xyxy: Floats, rng: np.random.Generator) -> tuple[int, int]:
        """Top and left of the crop; negative where the image is smaller."""
        room = [whole - part for whole, part in zip(shape, self.size, strict=True)]
        at = rng.uniform(size=2)
        aimed = rng.uniform() < self.towards_objects and len(xyxy) > 0
        chosen = rng.integers(max(len(xyxy), 1))
        if not aimed:
            return _between(at[0], 0, room[0]), _between(at[1], 0, room[1])
        box = xyxy[chosen]
        corner = []
        for axis, (low, high) in enumerate(((box[1], box[3]), (box[0], box[2]))):
            middle, part = (low + high) / 2, self.size[axis]
            # Anywhere with the middle of the object well inside, as far as the image reaches.
            first, last = np.clip([middle - 0.8 * part, middle - 0.2 * part], min(room[axis], 0), max(room[axis], 0))
            corner.append(_between(at[axis], first, last))
        return corner[0], corner[1]

    def _flipped(self, planes: Tensor, boxes: Floats) -> tuple[Tensor, Tensor, Floats]:
        """Visible, the other planes, and boxes, all mirrored or none."""
        flips = AugmentationSequential(RandomHorizontalFlip(p=self.flip), data_keys=["input", "bbox_xyxy"])
        # To Kornia a pixel's centre is a whole number; to us it lies half a pixel from the edges.
        moved, turned = flips(planes[None], torch.from_numpy(boxes - 0.5)[None])
        return moved[0, :3], moved[0, 3:], turned[0].numpy().reshape(-1, 4) + 0.5

    def _turned(self, images: list[Tensor], boxes: Floats, rng: np.random.Generator) -> tuple[list[Tensor], Floats]:
        """All images, and boxes as cx cy w h, upside down or transposed, or neither."""
        upside_down, transposed = rng.uniform(size=2) < (self.flip_vertical, self.transpose)
        if upside_down:
            images = [image.flip(-2) for image in images]
            boxes = np.abs(boxes - np.array([0.0, 1.0, 0.0, 0.0]))
        if transposed:
            images = [image.mT.contiguous() for image in images]
            boxes = boxes[:, [1, 0, 3, 2]]
        return images, boxes

    def _coloured(self, visible: Tensor) -> Tensor:
        if self.colour == 0.0:
            return visible
        coloured: Tensor = ColorJitter(self.colour, self.colour, self.colour)(visible[None])[0]
        return coloured


def clipped(xyxy: Floats, size: tuple[int, int]) -> tuple[Floats, NDArray[np.int64]]:
    """Cuts boxes off at the edges of a crop, and drops those of which too little is left.

    Args:
        xyxy: (N, 4) edges in pixels of the crop.
        size: Height and width of the crop.

    Returns:
        (M, 4) the boxes that are left, and (M,) which they are.
    """
    inside = np.clip(xyxy, 0.0, np.array([size[1], size[0]] * 2, np.float64))
    sides, before = (np.maximum(each[:, 2:] - each[:, :2], 0.0) for each in (inside, xyxy))
    kept = (sides.prod(axis=1) >= LEAST_LEFT * before.prod(axis=1)) & (sides >= LEAST_SIDE).all(axis=1)
    return inside[kept], np.flatnonzero(kept).astype(np.int64)


def relative(xyxy: Floats, size: tuple[int, int]) -> Floats:
    """Boxes as cx cy w h, relative to an image of this height and width."""
    edges = xyxy / np.array([size[1], size[0]] * 2, np.float64)
    return np.concatenate([(edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]], axis=1)


def _labels(item: Item) -> tuple[NDArray[np.int64], Floats]:
    """Classes and boxes of the objects that count."""
    if item.objects is None:
        return np.zeros(0, np.int64), np.zeros((0, 4))
    wanted = ~item.objects.ignored
    return item.objects.class_ids[wanted], item.objects.xyxy[wanted]


def _planes(item: Item, target: NDArray[np.float32], corner: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(6, H, W) float32 of red, green, blue, infrared, target and seen, in [0, 1]."""
    visible = item.visible[..., ::-1] if item.visible.ndim == 3 else np.repeat(item.visible[..., None], 3, axis=2)
    seen = np.ones_like(target) if item.seen is None else (item.seen > 0).astype(np.float32)
    images = np.dstack([_cut(image, corner, size, "reflect") for image in (visible, item.infrared)])
    masks = np.dstack([_cut(mask, corner, size, "constant") for mask in (target, seen)])
    planes = np.concatenate([images.astype(np.float32) / np.float32(255), masks], axis=2)
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(2, 0, 1)))


def _cut(image: AnyArray, corner: tuple[int, int], size: tuple[int, int], mode: str) -> AnyArray:
    (top, left), (height, width) = corner, size
    part = image[max(top, 0) : top + height, max(left, 0) : left + width]
    before = max(-top, 0), max(-left, 0)
    pads = [(first, whole - first - have) for first, whole, have in zip(before, size, part.shape[:2], strict=True)]
    padded: AnyArray = np.pad(part, [*pads, *[(0, 0)] * (part.ndim - 2)], mode=mode)  # type: ignore[call-overload]
    return padded


def _between(at: float, first: float, last: float) -> int:
    """A whole number from the first to the last, both included, at this part of the way."""
    low, high = round(min(first, last)), round(max(first, last))
    return min(low + int(at * (high - low + 1)), high)
