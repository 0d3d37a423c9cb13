"""Two video files."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.capture.pairs import INFRARED, VISIBLE, PairMaker, as_infrared, as_visible
from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.types import Array, Frame

_Shot = tuple[Array, int]


class VideoSource:
    """Frames of a visible and an infrared video, until the shorter one ends.

    Registered videos with the same number of frames are paired one by one, by the visible's stamps. Otherwise every
    frame has the stamp that its own file gives it.
    """

    def __init__(self, visible: str | Path, infrared: str | Path, registered: bool = True) -> None:
        """Takes note of the files.

        Args:
            visible: Video of the visible camera.
            infrared: Video of the infrared camera; colour-coded ones become grey.
            registered: Whether infrared lies on the visible pixels already.
        """
        self._paths = Path(visible), Path(infrared)
        self._registered = registered
        self._maker = PairMaker(registered)
        self._streams = self._maker.streams((0.0, 0.0), None)
        self._films: tuple[_Film, ...] = ()
        self._heads: list[_Shot | None] = [None, None]
        self._paired = False
        self._ready: deque[tuple[str, Frame]] = deque()
        self._problems: dict[str, None] = {}  # In order, and each once however often the files are played.

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """Both cameras."""
        return self._streams

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many frames the open files claim to have, the visible one first; may be off by one."""
        return tuple(film.length for film in self._films)

    @property
    def paired(self) -> bool:
        """Whether frames come in pairs of one stamp; known once the files are open."""
        return self._paired

    @property
    def problems(self) -> tuple[str, ...]:
        """Files that break off or differ in length."""
        return tuple(self._problems)

    def open(self) -> None:
        """Opens both files and reads their first frames.

        Raises:
            RigError: A file is missing or no video, or registered videos have different sizes.
        """
        self.close()
        films = tuple(_Film(path) for path in self._paths)
        self._films = films
        heads = [film.read() for film in films]
        for film, head in zip(films, heads, strict=True):
            if head is None:
                self.close()
                raise RigError(f"{film.path} holds no frame that can be decoded: is it a whole video file?")
            if film.guessed:
                self._problems[f"{film.path} does not say its frame rate: {film.rate:g} Hz is assumed."] = None
        first = [head[0] for head in heads if head is not None]
        try:
            self._maker.check_sizes(as_visible(first[0]), as_infrared(first[1]))
        except RigError as error:
            self.close()
            raise RigError(f"{self._paths[0]} and {self._paths[1]} do not fit: {error}.") from error
        self._paired = self._registered and films[0].length == films[1].length
        seconds = [film.length / film.rate for film in films]
        if seconds[0] != seconds[1] and not self._paired:
            lasts = [f"{film.path} lasts {film.length / film.rate:.2f} s" for film in films]
            self._problems[f"{lasts[0]} and {lasts[1]}: the shorter one ends both."] = None
        self._heads = list(heads)
        self._streams = self._maker.streams((films[0].rate, films[1].rate), (first[0], first[1]))

    def read(self) -> tuple[str, Frame] | None:
        """The next frame; None as soon as one of the files has no more."""
        if not self._ready and not self._advance():
            return None
        return self._ready.popleft()

    def close(self) -> None:
        """Closes both files."""
        for film in self._films:
            film.close()
        self._films = ()
        self._heads = [None, None]
        self._ready.clear()

    def _advance(self) -> bool:
        """Makes the next frame, or both of a pair, ready; False at the end."""
        for index, film in enumerate(self._films):
            self._heads[index] = self._heads[index] or film.read()
        visible, infrared = self._heads
        if visible is None or infrared is None:
            for film in self._films:
                if film.broken:
                    self._problems[f"{film.path} breaks off after {film.count} of {film.length} frames."] = None
            return False
        if self._paired or visible[1] <= infrared[1]:
            self._ready.append(self._maker.frame(VISIBLE, as_visible(visible[0]), visible[1]))
            self._heads[0] = None
        if self._paired or infrared[1] < visible[1]:
            stamp = visible[1] if self._paired else infrared[1]
            self._ready.append(self._maker.frame(INFRARED, as_infrared(infrared[0]), stamp))
            self._heads[1] = None
        return True


class _Film:
    """One video file."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise RigError(f"there is no video file {path}.")
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise RigError(f"cannot open {path}: it is damaged, no video, or of a kind that this OpenCV cannot decode.")
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.guessed = not 0.0 < rate < 10_000.0
        self.rate = 25.0 if self.guessed else rate
        self.length = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = 0
        self.broken = False
        self._begin = 0.0
        self._last = -1

    def read(self) -> _Shot | None:
        """The next picture, and its nanoseconds since the first one."""
        good, image = self._capture.read()
        if not good or image is None:
            # The length that a header claims may be off by one.
            self.broken = self.count < self.length - 1
            return None
        position = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if self.count == 0:
            self._begin = position
        stamp = round((position - self._begin) * 1e6)
        if self.count == 0 or stamp <= self._last:
            stamp = self._last + round(1e9 / self.rate) if self.count else 0
        self.count += 1
        self._last = stamp
        return np.asarray(image), stamp

    def close(self) -> None:
        self._capture.release()
