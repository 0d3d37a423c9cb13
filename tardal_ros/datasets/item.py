"""What passes from a data set to those who learn or judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tardal_ros.datasets.labels import Objects
from tardal_ros.types import Frame, Pair, View

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One pair of a data set.

    Attributes:
        name: Names it among the others.
        scene: Pairs of one scene resemble each other.
        condition: What the weather and light are.
    """

    name: str
    scene: str
    condition: str


@dataclass(frozen=True, eq=False)
class Item:
    """A pair, read or rendered. Arrays are read-only.

    Attributes:
        name: See `Sample`.
        scene: See `Sample`.
        condition: See `Sample`.
        visible: (H, W, 3) BGR or (H, W) grey, uint8.
        infrared: (H, W) uint8, on the visible pixels.
        objects: What is in it; None where the data set has no labels.
        target: (H, W) uint8, 255 on thermal targets; None where that is not known.
        seen: (H, W) uint8, 255 where infrared really sees; None where it sees everything.
    """

    name: str
    scene: str
    condition: str
    visible: Image
    infrared: Image
    objects: Objects | None = None
    target: Image | None = None
    seen: Image | None = None

    def pair(self, stamp: int = 0) -> Pair:
        """The pair as the stages of the rig take it, on one frame's pixels, as if taken at a time in nanoseconds."""
        frames = [Frame(image, stamp, "registered_optical_frame") for image in (self.visible, self.infrared)]
        return Pair(View(frames[0]), View(frames[1]), self.seen)


class Dataset(Protocol):
    """Pairs by number."""

    @property
    def names(self) -> tuple[str, ...]:
        """The class names; none without labels."""

    @property
    def samples(self) -> Sequence[Sample]:
        """What there is to load."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Item:
        """Reads or renders a pair."""

    def check(self) -> None:
        """Makes sure, before a long run, that every pair can be loaded."""
