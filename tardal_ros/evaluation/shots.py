"""The pictures of a recording that are worth a look: where a fuser did worst, and where two disagree most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.files import replace_bytes
from tardal_ros.types import Array

MOST = 2
"""Pictures of each kind that are kept of a recording."""

LONGEST = 640
_QUALITY = 85

Render = Callable[[], Mapping[str, Array]]
"""Draws the pictures of a moment by what they are called; called only where they are kept."""


@dataclass(frozen=True)
class Shot:
    """The pictures of one moment.

    Attributes:
        kind: `worst` or `disagreement`.
        frame: The moment's name.
        note: What is special about it.
        badness: The higher, the more it is worth a look.
        pictures: JPEG files by what they show.
    """

    kind: str
    frame: str
    note: str
    badness: float
    pictures: Mapping[str, bytes]


class Shots:
    """Keeps the most telling moments of a recording."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Shot]] = {"worst": [], "disagreement": []}

    def look(self, frame: str, qabf: Mapping[str, float], lumas: Mapping[str, Array], render: Render) -> None:
        """Takes a moment into account.

        Args:
            frame: Its name.
            qabf: How well each fuser kept the edges; NaN where that is not defined.
            lumas: (H, W) uint8, what each fuser made.
            render: Its pictures.
        """
        known = {name: value for name, value in qabf.items() if not np.isnan(value)}
        if known:
            worst = min(known, key=lambda name: known[name])
            self._offer("worst", frame, -known[worst], f"Qabf of {worst} is {known[worst]:.3f}", render)
        apart = {pair: float(cv2.absdiff(lumas[pair[0]], lumas[pair[1]]).mean()) for pair in combinations(lumas, 2)}
        if apart:
            most = max(apart, key=lambda pair: apart[pair])
            note = f"{most[0]} and {most[1]} differ by {apart[most]:.1f} grey levels on average"
            self._offer("disagreement", frame, apart[most], note, render)

    def save(self, folder: Path, recording: str) -> list[dict[str, object]]:
        """Writes the pictures.

        Args:
            folder: Where `shots/` goes.
            recording: Its name.

        Returns:
            What `report.json` tells of them.

        Raises:
            RigError: A file cannot be written.
        """
        told: list[dict[str, object]] = []
        for shot in (shot for shots in self._kept.values() for shot in shots):
            paths = {}
            for label, data in shot.pictures.items():
                paths[label] = f"shots/{recording}/{shot.frame}-{label}.jpg"
                replace_bytes(folder / paths[label], data)
            told.append({"kind": shot.kind, "frame": shot.frame, "note": shot.note, "pictures": paths})
        return told

    def _offer(self, kind: str, frame: str, badness: float, note: str, render: Render) -> None:
        kept = self._kept[kind]
        if len(kept) == MOST and badness <= kept[-1].badness:
            return
        pictures = {label: _jpeg(image) for label, image in render().items()}
        kept.append(Shot(kind, frame, note, badness, pictures))
        kept.sort(key=lambda shot: -shot.badness)
        del kept[MOST:]


def _jpeg(image: Array) -> bytes:
    height, width = image.shape[:2]
    factor = min(LONGEST / max(height, width), 1.0)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1.0 else image
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
