"""Sequences of images as bags of what a live rig would have published."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tardal_ros.bags.messages import IMAGES, Message, Messages, definition
from tardal_ros.bags.reel import Reel, Shot
from tardal_ros.bags.writer import STORAGES, BagWriter
from tardal_ros.capture.cadence import arrivals
from tardal_ros.errors import RigError
from tardal_ros.simulation import VISIBLE

START = 1_700_000_000 * 1_000_000_000
"""When every bag begins, in nanoseconds: the same command makes the same bag."""

DETECTIONS, LABEL_INFO, SCENE, DEPTH = "/truth/detections", "/truth/label_info", "/truth/scene", "/truth/depth"

_METADATA = "metadata.yaml"


def export(
    reel: Reel,
    folder: Path,
    storage: str = "mcap",
    images: str = "raw",
    note: Callable[[int], None] = lambda _: None,
) -> dict[str, int]:
    """Writes a sequence as a rosbag2 bag; it appears when it is finished, and replaces one that was written before.

    Topics are `/<stream>/image_raw` (or `/<stream>/image_raw/compressed`), `/<stream>/camera_info`, and where
    something is known about the images `/truth/scene`, `/truth/label_info`, `/truth/depth` and `/truth/detections`.
    Header stamps are what the cameras' clocks say; messages are in the order of their receipt, and logged with its
    time.

    Args:
        reel: The sequence.
        folder: The bag to make; the file in it is called the same.
        storage: One of `writer.STORAGES`.
        images: How to store images, one of `messages.IMAGES`; 16 bits are stored as PNG in place of JPEG.
        note: Called with the number of images that are written.

    Returns:
        How many messages each topic has.

    Raises:
        RigError: The sequence holds no image or cannot be read, or the bag cannot be written.
    """
    if storage not in STORAGES or images not in IMAGES:
        raise RigError(
            f"A bag of storage '{storage}' with images '{images}' cannot be written: choose of"
            f" {', '.join(STORAGES)} and {', '.join(IMAGES)}."
        )
    folder = folder.resolve()
    _check_vacant(folder)
    name = f"{folder.name}{STORAGES[storage]}"
    with _aside(folder) as draft:
        counts: Counter[str] = Counter()
        with BagWriter(draft / name, definition, storage=storage) as bag:
            for topic, received, (type_name, data), latched in _published(reel, images):
                bag.write(topic, type_name, received, data, latched=latched)
                counts[topic] += 1
                if "/image_raw" in topic:
                    note(sum(number for each, number in counts.items() if "/image_raw" in each))
        if not counts:
            why = f": {reel.problems[0]}" if reel.problems else ", because the sequence is empty."
            raise RigError(f"There is no image to write to the bag {folder}{why}")
    return dict(counts)


def _published(reel: Reel, images: str) -> Iterator[tuple[str, int, Message, bool]]:
    """Topic, time of receipt, message, and whether the topic is latched, in the order of receipt."""
    messages = Messages()
    suffix = "" if images == "raw" else "/compressed"
    clocks = {stream.name: stream for stream in reel.streams}
    last: tuple[str, str] | None = None
    for received, shot in arrivals(_taken(reel)):
        received += START
        frame = replace(shot.frame, stamp=START + clocks[shot.stream].stamp(shot.frame.stamp))
        label = shot.label if shot.stream == VISIBLE else None
        if label is not None and last is None and reel.names:
            yield LABEL_INFO, received, messages.label_info(frame, reel.names), True
        if label is not None and (label.scene, label.condition) != last:
            last = label.scene, label.condition
            yield SCENE, received, messages.scene(frame, *last), True
        if frame.camera_info is not None:
            yield f"/{shot.stream}/camera_info", received, messages.camera_info(frame, frame.camera_info), False
        yield f"/{shot.stream}/image_raw{suffix}", received, messages.image(frame, images), False
        if label is not None and label.depth is not None:
            yield DEPTH, received, messages.depth(frame, label.depth), False
        if label is not None and label.objects is not None:
            yield DETECTIONS, received, messages.objects(frame, label.objects), False


def _taken(reel: Reel) -> Iterator[tuple[int, int, Shot]]:
    """When each image is taken, and how much later it arrives."""
    latency = {stream.name: round(stream.latency * 1e9) for stream in reel.streams}
    for shot in reel.shots:
        yield shot.frame.stamp, latency[shot.stream], shot


def _check_vacant(folder: Path) -> None:
    """Refuses to replace what is no bag of this name.

    Raises:
        RigError: Something else is there.
    """
    try:
        if not folder.exists():
            return
        there = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise RigError(f"{folder} cannot become a bag: {error.strerror}; choose another folder.") from None
    own = {_METADATA, *(f"{folder.name}{suffix}" for suffix in STORAGES.values())}
    if there and (_METADATA not in there or not there <= own):
        strange = ", ".join(sorted(there - own)[:3]) or "an unfinished bag"
        raise RigError(f"{folder} is no bag that could be replaced, for it holds {strange}: choose another folder.")


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of another when it is finished; nothing is left of it otherwise."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as hidden:
            draft = Path(hidden) / folder.name
            yield draft
            if folder.exists():
                folder.rename(Path(hidden) / "old")
            draft.rename(folder)
    except OSError as error:
        raise RigError(f"Bag {folder} cannot be written: {error.strerror or error}.") from None
