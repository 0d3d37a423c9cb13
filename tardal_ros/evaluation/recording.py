"""What is evaluated: recordings, moment by moment, be they data sets, videos, rendered scenes or bags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tardal_ros.capture.video import VideoSource
from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import rendered_examples, scene_name
from tardal_ros.errors import RigError
from tardal_ros.registration.sync import Synchronizer
from tardal_ros.simulation import VEHICLE, VERSION
from tardal_ros.types import Array, Frame, Pair, View

STREAMS = ("visible/left", "infrared/left")
"""The cameras that are evaluated; the first one is the reference for time and pixels."""

STILL = 10_000_000_000
"""Nanoseconds from one picture of a data set to the next: pictures are no sequence, and no track lasts so long."""

UNKNOWN = "all"
"""The condition where none is known."""

RATE = 4.0
"""Moments per second of a rendered scene."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A pair of images to evaluate on.

    Attributes:
        name: Unique in its recording, usable in a file name; of a bag, the reference frame's stamp in nanoseconds.
        scene: Moments of one scene resemble each other; resampling takes or leaves them together.
        condition: What the weather and light are; `UNKNOWN` where nobody says.
        pair: Paired in time, not yet registered; a pair whose frames share a frame_id is registered already.
        objects: What is truly in the visible image, on its pixels; None where that is not known.
        depth: (H, W) float32, how far away it is in metres along the optical axis, on the visible image's pixels, not
            finite where there is nothing (REP-118); None where that is not known.
    """

    name: str
    scene: str
    condition: str
    pair: Pair
    objects: Objects | None = None
    depth: Array | None = None

    @property
    def stamp(self) -> int:
        """When it was, in nanoseconds."""
        return self.pair.stamp


class Recording(Protocol):
    """Moments in order. It is cheap to make and can be pickled: a worker process opens it anew."""

    @property
    def name(self) -> str:
        """Unique among those evaluated, usable as a file name."""

    @property
    def dataset(self) -> str:
        """The group under which figures are averaged."""

    @property
    def calibration(self) -> Path | None:
        """Rig file for `RegistrationStage`; None where pairs are registered."""

    @property
    def problems(self) -> list[str]:
        """What was passed over, one sentence each; whole after `moments` has ended."""

    def fingerprint(self) -> str:
        """Changes when the data changes.

        Raises:
            RigError: There is no such data.
        """

    def moments(self) -> Iterator[Moment]:
        """Reads them, in order and from the beginning.

        Raises:
            RigError: There is nothing that can be read.
        """

    def pairing(self) -> dict[str, int]:
        """After `moments` has ended: how many frames made no pair, by reason; nothing for data sets."""


class DatasetRecording:
    """The pictures of a data set. Those that cannot be read are passed over."""

    calibration: Path | None = None

    def __init__(self, root: Path, infer_seen: bool = False) -> None:
        """Takes note of where it is.

        Args:
            root: Its folder, in one of `datasets.layouts.LAYOUTS`; the recording is called as it.
            infer_seen: See `open_dataset`.
        """
        self._root, self._infer_seen = root, infer_seen
        self.name = self.dataset = root.resolve().name
        self.problems: list[str] = []

    def fingerprint(self) -> str:
        """See `Recording`."""
        return fingerprint((path for path in self._root.rglob("*") if path.is_file()), f"{self._infer_seen}")

    def moments(self) -> Iterator[Moment]:
        """See `Recording`."""
        dataset = open_dataset(self._root, on_broken="skip", infer_seen=self._infer_seen)
        self.problems = [each.reason for each in dataset.skipped]
        for index in range(len(dataset)):
            try:
                item = dataset.load(index)
            except RigError as error:
                self.problems.append(str(error))
                continue
            yield Moment(
                item.name.replace("/", "_"), item.scene, item.condition, item.pair(index * STILL), item.objects
            )

    def pairing(self) -> dict[str, int]:
        """See `Recording`."""
        return {}


class VideoRecording:
    """A visible and an infrared video whose pictures lie on each other."""

    calibration: Path | None = None

    def __init__(self, visible: Path, infrared: Path, dataset: str) -> None:
        """Takes note of the files.

        Args:
            visible: Video of the visible camera; the recording is called as this file.
            infrared: Video of the infrared camera.
            dataset: See `Recording`.
        """
        self._paths = visible, infrared
        self.name, self.dataset = f"{dataset}_{visible.stem}", dataset
        self.problems: list[str] = []
        self._drops: dict[str, int] = {}

    def fingerprint(self) -> str:
        """See `Recording`."""
        return fingerprint(self._paths)

    def moments(self) -> Iterator[Moment]:
        """See `Recording`."""
        source = VideoSource(*self._paths)
        synchronizer: Synchronizer[Frame] = Synchronizer(STREAMS[0], STREAMS[1:])
        source.open()
        try:
            while (read := source.read()) is not None:
                stream, frame = read
                for match in synchronizer.add(stream, frame.stamp, frame, frame.stamp):
                    yield self._moment(match.items[STREAMS[0]], match.items[STREAMS[1]])
            for match in synchronizer.flush():
                yield self._moment(match.items[STREAMS[0]], match.items[STREAMS[1]])
        finally:
            source.close()
            self.problems = list(source.problems)
            self._drops = synchronizer.status.drops_by_reason

    def pairing(self) -> dict[str, int]:
        """See `Recording`."""
        return self._drops

    def _moment(self, visible: Frame | None, infrared: Frame | None) -> Moment:
        assert visible is not None and infrared is not None
        return Moment(f"{visible.stamp:012d}", self.name, UNKNOWN, Pair(View(visible), View(infrared)))


class RenderedRecording:
    """Moments of a rendered *test* scene, with the truth."""

    calibration: Path | None = None

    def __init__(self, seed: int, condition: str, seconds: float = 2.0, view: str = VEHICLE) -> None:
        """Takes note of what to render, `RATE` moments a second.

        Args:
            seed: See `simulation.Scene`.
            condition: See `simulation.Scene`.
            seconds: How much of it.
            view: See `simulation.Scene`.

        Raises:
            RigError: It would have no moment.
        """
        if not seconds > 0.0:
            raise RigError(f"{seconds} seconds of a rendered scene cannot be evaluated: give more than 0.")
        self._of, self._view = (seed, condition, "test"), view
        self._count = max(round(seconds * RATE), 1)
        self.dataset = "rendered" if view == VEHICLE else f"rendered_{view}"
        self.name = f"rendered_{scene_name(*self._of, view)}"
        self.problems: list[str] = []

    def fingerprint(self) -> str:
        """See `Recording`."""
        return fingerprint((), f"{self.name}, {self._count} moments, version {VERSION}")

    def moments(self) -> Iterator[Moment]:
        """See `Recording`."""
        times = [index / RATE for index in range(self._count)]
        for example in rendered_examples(*self._of, times, self._view):
            yield Moment(example.name, example.scene, example.condition, example.pair, example.objects)

    def pairing(self) -> dict[str, int]:
        """See `Recording`."""
        return {}


def videos(root: Path) -> list[VideoRecording]:
    """The pairs of videos `vi/NAME.mp4` and `ir/NAME.mp4` below a folder; none where it has no videos.

    Raises:
        RigError: A video has no partner.
    """
    visible, infrared = ({path.stem: path for path in sorted((root / part).glob("*.mp4"))} for part in ("vi", "ir"))
    if alone := sorted(set(visible) ^ set(infrared)):
        path = visible.get(alone[0]) or infrared[alone[0]]
        raise RigError(f"{path} has no partner: videos go by pairs, vi/NAME.mp4 and ir/NAME.mp4 in {root}.")
    return [VideoRecording(path, infrared[name], root.resolve().name) for name, path in visible.items()]


def fingerprint(paths: Iterable[Path], besides: str = "") -> str:
    """Tells files from what they were before, by names, sizes and times of change.

    Args:
        paths: The files.
        besides: What else the data depends on.

    Raises:
        RigError: A file is missing.
    """
    digest = hashlib.sha256(besides.encode())
    for path in sorted(paths):
        try:
            told = path.stat()
        except OSError as error:
            raise RigError(f"{path} cannot be read ({error.strerror}): check the path.") from None
        digest.update(f"{path} {told.st_size} {told.st_mtime_ns}\n".encode())
    return digest.hexdigest()
