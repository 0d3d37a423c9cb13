"""Two folders of pictures with equal names."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.capture.pairs import INFRARED, VISIBLE, PairMaker, as_infrared, as_visible
from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.types import Array, Frame

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
_NAMED = 5  # How many files a sentence names before it only counts.


class FolderSource:
    """Pairs from two folders, in the natural order of their names; a pair that cannot be read is left out."""

    def __init__(
        self, visible: str | Path, infrared: str | Path, frame_rate: float = 10.0, registered: bool = True
    ) -> None:
        """Takes note of the folders.

        Args:
            visible: Folder of the visible pictures.
            infrared: Folder of the infrared pictures, with the same names (extensions may differ).
            frame_rate: Pairs per second.
            registered: Whether infrared lies on the visible pixels already.

        Raises:
            RigError: The rate is not positive.
        """
        if not 0.0 < frame_rate < float("inf"):
            raise RigError(f"frame_rate is {frame_rate} Hz: it must be positive.")
        self._folders = Path(visible), Path(infrared)
        self._rate = frame_rate
        self._maker = PairMaker(registered)
        self._streams = self._maker.streams((frame_rate, frame_rate), None)
        self._pairs: list[tuple[Path, Path]] = []
        self._next = 0
        self._ready: deque[tuple[str, Frame]] = deque()
        self._problems: dict[str, None] = {}  # In order, and each once however often the folder is played.

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """Both cameras; their sizes are those of the first pair."""
        return self._streams

    @property
    def problems(self) -> tuple[str, ...]:
        """Files without a partner and pairs that were left out."""
        return tuple(self._problems)

    def open(self) -> None:
        """Lists the folders and reads the first pair.

        Raises:
            RigError: A folder is missing, no names agree, or no pair can be read.
        """
        visible, infrared = (self._listed(folder) for folder in self._folders)
        names = sorted(visible.keys() & infrared.keys(), key=natural_key)
        if not names:
            raise RigError(
                f"no picture in {self._folders[0]} ({_some(list(visible))}) has the name of one in {self._folders[1]}"
                f" ({_some(list(infrared))}): the two of a pair must be called the same, extension aside."
            )
        for folder, own in zip(self._folders, (visible, infrared), strict=True):
            alone = sorted(own.keys() - set(names), key=natural_key)
            if alone:
                self._problems[f"{len(alone)} pictures in {folder} have no partner: {_some(alone)}."] = None
        self._pairs = [(visible[name], infrared[name]) for name in names]
        self._next = 0
        self._ready.clear()
        if not self._advance():
            raise RigError(f"none of the {len(names)} pairs can be used; the last one: {list(self._problems)[-1]}")
        first = self._ready[0][1].image, self._ready[1][1].image
        self._streams = self._maker.streams((self._rate, self._rate), first)

    def read(self) -> tuple[str, Frame] | None:
        """The next picture; visible and infrared of a pair have the same stamp."""
        return self._ready.popleft() if self._ready or self._advance() else None

    def close(self) -> None:
        """Drops what was read ahead."""
        self._ready.clear()
        self._pairs = []

    def _listed(self, folder: Path) -> dict[str, Path]:
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        except OSError as error:
            raise RigError(f"cannot list the folder {folder}: {error.strerror}.") from error
        named: dict[str, Path] = {}
        for path in files:
            if path.name.startswith("."):
                continue
            if path.stem in named:
                self._problems[f"{path} is ignored: {named[path.stem].name} has the same name."] = None
                continue
            named[path.stem] = path
        return named

    def _advance(self) -> bool:
        """Reads the next usable pair; False at the end."""
        while self._next < len(self._pairs):
            index, self._next = self._next, self._next + 1
            paths = self._pairs[index]
            try:
                visible, infrared = _read(paths[0], as_visible), _read(paths[1], as_infrared)
                self._maker.check_sizes(visible, infrared)
            except RigError as error:
                self._problems[f"pair {paths[0].stem} is left out: {error}."] = None
                continue
            stamp = round(index * 1e9 / self._rate)
            self._ready.append(self._maker.frame(VISIBLE, visible, stamp))
            self._ready.append(self._maker.frame(INFRARED, infrared, stamp))
            return True
        return False


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sorting key by which `frame10` comes after `frame9`."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def read_image(path: Path) -> Array:
    """Reads a picture as it is stored.

    Returns:
        (H, W) or (H, W, 3 or 4).

    Raises:
        RigError: It cannot be read or is no picture.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise RigError(f"{path} cannot be read ({error.strerror})") from error
    if not data.size:
        raise RigError(f"{path} is empty")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise RigError(f"{path} is damaged ({error.err})") from error
    if image is None or not image.size:
        raise RigError(f"{path} is damaged or no picture")
    return np.asarray(image)


def _read(path: Path, convert: Callable[[Array], Array]) -> Array:
    image = read_image(path)
    try:
        return convert(image)
    except RigError as error:
        raise RigError(f"{path} {error}") from error


def _some(names: list[str]) -> str:
    """The first few names, and how many more."""
    if not names:
        return "no pictures"
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
