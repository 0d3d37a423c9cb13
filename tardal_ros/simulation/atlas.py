"""The atlas: the texels of all skins in use, at the sizes at which they are seen."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.simulation.skin import FELT, SEEN, SOLID, Air, Skin

_ROOM = 1 << 23  # Texels at first; what is not used costs no memory.
_SHAPES = {SEEN: (), FELT: (2,), SOLID: (1,)}

Level = tuple[int, int, int, int]
"""First texel, width and height; first texel of what glows, or -1."""


class Atlas:
    """Texels of one kind in one array, so that compiled code reaches them all. It grows, and forgets nothing.

    Attributes:
        kind: `SEEN`, `FELT` or `SOLID`.
        air: What `Air.table` says of it.
        texels: (T,) uint64 for `SEEN`, with B, G, R and cover in 16 bits each, from the lowest on; else (T, channels)
            float32. See `Skin.texels`.
    """

    def __init__(self, kind: int, air: Air) -> None:
        """Prepares an empty one."""
        self.kind, self.air = kind, air.table(kind)
        self.texels: NDArray[Any] = np.zeros((_ROOM, *_SHAPES[kind]), np.uint64 if kind == SEEN else np.float32)
        self._end, self._lock = 0, Lock()
        self._levels: dict[tuple[Skin, int, int], Level] = {}

    def levels(self, skins: list[Skin], halvings: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where skins are, their widths and heights halved so many times; brings in those that are missing.

        Args:
            skins: N skins.
            halvings: (N, 2).

        Returns:
            (N, 4), see `Level`.
        """
        with self._lock:
            found = [
                self._levels.get((skin, across, down)) or self._add(skin, across, down)
                for skin, (across, down) in zip(skins, halvings.tolist(), strict=True)
            ]
        return np.array(found, np.int64).reshape(-1, 4)

    def _add(self, skin: Skin, across: int, down: int) -> Level:
        size = max(skin.size[0] >> across, 1), max(skin.size[1] >> down, 1)
        image, glow = skin.texels(self.kind, size)
        level = (self._append(image), *size, -1 if glow is None else self._append(glow))
        self._levels[skin, across, down] = level
        return level

    def _append(self, image: NDArray[Any]) -> int:
        if self.kind == SEEN:
            image = np.ascontiguousarray(image, np.uint16).view(np.uint64)
        flat, start = image.reshape(-1, *self.texels.shape[1:]), self._end
        self._end = start + len(flat)
        if self._end > len(self.texels):
            # A new array: another thread may be drawing from the old one.
            room = max(2 * len(self.texels), self._end)
            grown = np.zeros((room, *self.texels.shape[1:]), self.texels.dtype)
            grown[:start] = self.texels[:start]
            self.texels = grown
        self.texels[start : self._end] = flat
        return start
