"""Data sets, rendered scenes and videos as one sequence of images, in the timing of any cameras."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import cv2

from tardal_ros.capture.cadence import Cadence, Trigger
from tardal_ros.capture.pairs import PairMaker
from tardal_ros.capture.rendered import RenderedSource
from tardal_ros.capture.source import Source, StreamInfo
from tardal_ros.capture.video import VideoSource
from tardal_ros.datasets.dataset import FolderDataset
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.rendered import objects_of, rendered_examples, scene_name
from tardal_ros.errors import RigError
from tardal_ros.evaluation.recording import UNKNOWN
from tardal_ros.simulation import CLASSES, INFRARED, VISIBLE, RigGeometry, Scene, default_rig
from tardal_ros.types import Array, Frame


@dataclass(frozen=True, eq=False)
class Label:
    """What is known about a visible image.

    Attributes:
        scene: Images of one scene resemble each other.
        condition: What the weather and light are.
        objects: What is in it; None where that is not known.
        depth: (H, W) float32, how far away it is in metres along the optical axis, inf where there is nothing
            (REP-118); None where that is not known.
    """

    scene: str
    condition: str
    objects: Objects | None = None
    depth: Array | None = None


@dataclass(frozen=True, eq=False)
class Shot:
    """One image of a sequence.

    Attributes:
        stream: Its camera.
        frame: The image; its stamp is the true time of capture in nanoseconds since the sequence's beginning.
        label: What is known about it; only visible/left's counts.
    """

    stream: str
    frame: Frame
    label: Label | None = None


@dataclass(frozen=True, eq=False)
class Reel:
    """A sequence that can become a bag.

    Attributes:
        streams: Its cameras.
        shots: The images in the order of capture, once.
        seconds: How long it is, more or less; inf if it does not end.
        names: The class names; none where nothing is labelled.
        problems: Sentences about what was left out, complete once the shots came to their end.
    """

    streams: tuple[StreamInfo, ...]
    shots: Iterator[Shot]
    seconds: float
    names: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)

    @property
    def images(self) -> int:
        """How many images to expect."""
        return sum(math.ceil(self.seconds * stream.rate) for stream in self.streams)


def dataset_reel(dataset: FolderDataset, rate: float = 10.0) -> Reel:
    """The pairs of a data set, one after the other; those that cannot be read leave a gap.

    Args:
        dataset: The data set.
        rate: Pairs per second.

    Raises:
        RigError: The rate is not positive.
    """
    Cadence(rate)  # refuses a rate that no camera has
    maker = PairMaker(registered=True)
    problems = [f"Pair {skipped.name} is left out: {skipped.reason}" for skipped in dataset.skipped]

    def shots() -> Iterator[Shot]:
        for index, sample in enumerate(dataset.samples):
            try:
                item = dataset.load(index)
            except RigError as error:
                problems.append(f"Pair {sample.name} is left out: {error}")
                continue
            label = Label(item.scene, item.condition, item.objects)
            for stream, image in ((VISIBLE, item.visible), (INFRARED, item.infrared)):
                yield Shot(*maker.frame(stream, image, round(index * 1e9 / rate)), label)

    return Reel(maker.streams((rate, rate), None), shots(), len(dataset) / rate, dataset.names, problems)


def video_reel(visible: Path, infrared: Path, registered: bool = True) -> Reel:
    """Two videos, until the shorter one ends.

    Args:
        visible: Video of the visible camera.
        infrared: Video of the infrared camera.
        registered: Whether infrared lies on the visible pixels already.

    Raises:
        RigError: A file is missing or no video, or registered videos have different sizes.
    """
    source = VideoSource(visible, infrared, registered)
    source.open()
    label = Label(visible.stem, UNKNOWN)
    problems = list(source.problems)

    def shots() -> Iterator[Shot]:
        try:
            yield from (Shot(*item, label) for item in _read(source))
        finally:
            problems[:] = source.problems
            source.close()

    streams = source.streams
    lengths = [_frames(path) / stream.rate for path, stream in zip((visible, infrared), streams, strict=True)]
    return Reel(streams, shots(), min(lengths), (), problems)


def rendered_reel(
    cadences: Mapping[str, Cadence],
    seed: int = 0,
    condition: str = "day",
    split: str = "test",
    view: str = "vehicle",
    rig: RigGeometry | None = None,
) -> Reel:
    """What the simulated cameras take, as the capture node publishes it; endless, and built with the first image.

    Args:
        cadences: The cameras and their timing.
        seed: See `Scene`.
        condition: See `Scene`.
        split: See `Scene`.
        view: See `Scene`.
        rig: The cameras; those of `default_rig` by default.

    Raises:
        RigError: There is no such camera; the shots raise it where there is no such scene.
    """
    rig = rig or default_rig()
    source = RenderedSource(seed, condition, split, cadences, view=view, rig=rig)
    # What is there depends on the arguments and the time alone, not on the cameras.
    eye = RigGeometry(MappingProxyType({VISIBLE: rig.cameras[VISIBLE]}), rig.plane_normal, rig.plane_distance)
    name = scene_name(seed, condition, split)

    def shots() -> Iterator[Shot]:
        twin = Scene(seed, condition, split, view=view, rig=eye)
        source.open()
        for stream, frame in _read(source):
            label = None
            if stream == VISIBLE:
                truth = twin.truth(VISIBLE, frame.stamp / 1e9)
                label = Label(name, twin.hazard or condition, objects_of(truth), truth.depth)
            yield Shot(stream, frame, label)

    return Reel(source.streams, shots(), math.inf, CLASSES)


def registered_reel(rate: float = 10.0, seed: int = 0, condition: str = "day", split: str = "test") -> Reel:
    """The left pairs of a rendered scene, registered as the rig does it; endless.

    Args:
        rate: Pairs per second.
        seed: See `Scene`.
        condition: See `Scene`.
        split: See `Scene`.

    Raises:
        RigError: The rate is not positive.
    """
    Cadence(rate)
    camera = default_rig().cameras[VISIBLE]
    times = (index / rate for index in itertools.count())

    def shots() -> Iterator[Shot]:
        for example in rendered_examples(seed, condition, split, times):
            label = Label(example.scene, example.condition, example.objects)
            for stream, view in ((VISIBLE, example.pair.visible), (INFRARED, example.pair.infrared)):
                yield Shot(stream, view.left, label)

    size = camera.info.width, camera.info.height
    streams = tuple(StreamInfo(name, camera.frame_id, *size, rate, camera.info) for name in (VISIBLE, INFRARED))
    return Reel(streams, shots(), math.inf, CLASSES)


def retimed(reel: Reel, cadences: Mapping[str, Cadence], seed: int = 0) -> Reel:
    """The same images as if cameras of another timing had taken them.

    A camera takes what the sequence shows at its time of capture less its phase: the nearest image, if that is at most
    half a period of the sequence away. Slower cameras leave images out, faster ones take some twice.

    Args:
        reel: The sequence.
        cadences: Timing of each of its streams.
        seed: Chooses the jitter.
    """
    streams = tuple(_timed(stream, cadences[stream.name]) for stream in reel.streams)
    reach = {stream.name: math.ceil(0.5e9 / stream.rate) for stream in reel.streams}
    return replace(reel, streams=streams, shots=_retake(reel.shots, reach, cadences, seed))


def limited(reel: Reel, duration: float) -> Reel:
    """The beginning of a sequence.

    Args:
        reel: The sequence.
        duration: Seconds from which on images are left out.

    Raises:
        RigError: The duration is not positive.
    """
    if not 0.0 < duration < math.inf:
        raise RigError(f"A bag of {duration} s cannot be made: the duration must be positive.")
    shots = itertools.takewhile(lambda shot: shot.frame.stamp < duration * 1e9, reel.shots)
    return replace(reel, shots=shots, seconds=min(reel.seconds, duration))


def _retake(
    shots: Iterator[Shot], reach: Mapping[str, int], cadences: Mapping[str, Cadence], seed: int
) -> Iterator[Shot]:
    """The images that cameras of these timings take; `reach` is how far away in time they may be, in nanoseconds."""
    clocks = {name: Trigger(cadence, seed, name) for name, cadence in cadences.items()}
    tapes: dict[str, deque[Shot]] = {name: deque() for name in clocks}
    while clocks:
        name = min(clocks, key=lambda each: clocks[each].next)
        tape, capture = tapes[name], clocks[name].tick()
        shown = capture - round(cadences[name].phase * 1e9)
        while not tape or tape[-1].frame.stamp < shown:
            shot = next(shots, None)
            if shot is None:
                break
            tapes[shot.stream].append(shot)
        while len(tape) > 1 and abs(tape[1].frame.stamp - shown) <= abs(tape[0].frame.stamp - shown):
            tape.popleft()
        if tape and abs(tape[0].frame.stamp - shown) <= reach[name]:
            yield replace(tape[0], frame=replace(tape[0].frame, stamp=capture))
        elif not tape or tape[-1].frame.stamp < shown:
            del clocks[name]  # the sequence has ended


def _timed(stream: StreamInfo, cadence: Cadence) -> StreamInfo:
    clock = cadence.latency, cadence.offset, cadence.drift
    return StreamInfo(
        stream.name, stream.frame_id, stream.width, stream.height, cadence.rate, stream.camera_info, *clock
    )


def _read(source: Source) -> Iterator[tuple[str, Frame]]:
    return iter(source.read, None)


def _frames(path: Path) -> int:
    """How many frames a video claims to have."""
    video = cv2.VideoCapture(str(path))
    try:
        return int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        video.release()
