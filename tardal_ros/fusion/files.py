"""Fusing files: two pictures, two folders of them, or two videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.capture.folder import SUFFIXES, natural_key, read_image
from tardal_ros.capture.pairs import INFRARED, VISIBLE, as_infrared, as_visible
from tardal_ros.capture.video import VideoSource
from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes
from tardal_ros.fusion.fuser import Fuser
from tardal_ros.registration.sync import Match, Synchronizer
from tardal_ros.types import Array, Frame

CODECS: Mapping[str, str] = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "FFV1"}
"""What fused videos are encoded with, by the ending of their files; only the last one loses nothing."""

Note = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True)
class Job:
    """What to fuse into what.

    Attributes:
        visible: A picture, a folder of pictures, or a video.
        infrared: The same of infrared, on the visible pixels; in folders, pictures pair by name, endings aside.
        out: The picture, the folder or the video to write. A folder takes a single picture in, too.
        mask: A picture that is not black where infrared really sees; for folders, also a folder of such, by name.
        overwrite: Whether to replace results that are there; else those in a folder are kept, and others refused.
    """

    visible: Path
    infrared: Path
    out: Path
    mask: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        fused: Pictures, or frames of a video.
        kept: Pictures that were there already.
        problems: A sentence on each file that could not be used.
    """

    fused: int
    kept: int = 0
    problems: tuple[str, ...] = ()


def fuse_files(fuser: Fuser, job: Job, note: Note = lambda done, total: None) -> Outcome:
    """Fuses files; each result is there as a whole or not at all.

    Args:
        fuser: What fuses them; between pictures that are no video, its gain control forgets.
        job: What to fuse.
        note: Told before the first of several pictures or frames, and after each.

    Raises:
        RigError: Nothing can be fused, or a result cannot be written.
    """
    for path in (job.visible, job.infrared, *([job.mask] if job.mask else [])):
        if not path.exists():
            raise RigError(f"There is no {path}: check the path.")
    if job.visible.is_dir() != job.infrared.is_dir():
        raise RigError(f"{job.visible} and {job.infrared} do not go together: give two files, or two folders.")
    if job.visible.is_dir():
        _keep_sources(job, job.out)
        return _fuse_folders(fuser, job, note)
    if job.mask is not None and job.mask.is_dir():
        raise RigError(f"The mask {job.mask} is a folder: give the picture that goes with {job.visible}.")
    pictures = [path.suffix.lower() in SUFFIXES for path in (job.visible, job.infrared)]
    if pictures[0] != pictures[1]:
        raise RigError(f"{job.visible} and {job.infrared} do not go together: give two pictures, or two videos.")
    return _fuse_stills(fuser, job) if pictures[0] else _fuse_videos(fuser, job, note)


def _fuse_stills(fuser: Fuser, job: Job) -> Outcome:
    out = _result(job, ".png", SUFFIXES)
    try:
        image = _fused(fuser, job.visible, job.infrared, job.mask)
    except RigError as error:
        raise RigError(f"{job.visible} and {job.infrared} cannot be fused: {error}") from None
    _write(out, image)
    return Outcome(1)


def _fuse_folders(fuser: Fuser, job: Job, note: Note) -> Outcome:
    problems: list[str] = []
    visible, infrared = _pictures(job.visible, problems), _pictures(job.infrared, problems)
    for own, other, folder in ((visible, infrared, job.infrared), (infrared, visible, job.visible)):
        alone = sorted(own.keys() - other.keys(), key=natural_key)
        problems += [f"{own[name]} is left out: {folder} has no picture of its name." for name in alone]
    names = sorted(visible.keys() & infrared.keys(), key=natural_key)
    masks: dict[str, Path | None] = dict.fromkeys(names, job.mask)
    if job.mask is not None and job.mask.is_dir():
        found = _pictures(job.mask, problems)
        alone = [name for name in names if name not in found]
        problems += [f"The pair {name} is left out: {job.mask} has no picture of its name." for name in alone]
        masks = {name: found[name] for name in names if name in found}
    fused = kept = 0
    note(0, len(masks))
    for done, (name, mask) in enumerate(masks.items(), 1):
        out = job.out / f"{name}.png"
        if out.exists() and not job.overwrite:
            kept += 1
        else:
            try:
                image = _fused(fuser, visible[name], infrared[name], mask)
            except RigError as error:
                problems.append(f"The pair {name} is left out: {error}")
            else:
                _write(out, image)
                fused += 1
        note(done, len(masks))
    if not fused + kept:
        why = problems[-1] if problems else "they hold no pictures."
        raise RigError(f"No pair of {job.visible} and {job.infrared} can be fused: {why}")
    return Outcome(fused, kept, tuple(problems))


def _fuse_videos(fuser: Fuser, job: Job, note: Note) -> Outcome:
    out = _result(job, ".mp4", CODECS)
    mask = _read_mask(job.mask)
    fuser.reset()
    fused = 0
    with closing(VideoSource(job.visible, job.infrared)) as source:
        source.open()
        rates = [stream.rate for stream in source.streams]
        seconds = min(length / rate for length, rate in zip(source.lengths, rates, strict=True))
        rate = rates[0] if source.paired else min(rates)  # else the slower one's frames find partners
        total = round(seconds * rate)
        size = source.streams[0].width, source.streams[0].height
        note(0, total)
        with _video(out, rate, size) as add:
            for visible, infrared in _matches(source):
                add(fuser.fuse(visible.image, infrared.image, mask))
                fused += 1
                note(min(fused, total), total)
    problems = list(source.problems)
    if any(length % 2 for length in size):
        problems.append(f"{out} lacks the last row or column of its images: videos have an even number of them.")
    return Outcome(fused, 0, tuple(problems))


def _result(job: Job, suffix: str, suffixes: Collection[str]) -> Path:
    """The file to write."""
    out = job.out / f"{job.visible.stem}{suffix}" if job.out.is_dir() else job.out
    if out.suffix.lower() not in suffixes:
        raise RigError(f"{out} cannot be written: end its name in one of {', '.join(sorted(suffixes))}.")
    _keep_sources(job, out)
    if out.exists() and not job.overwrite:
        raise RigError(f"{out} is there already: remove it, have it overwritten, or give another name.")
    return out


def _keep_sources(job: Job, out: Path) -> None:
    if out.exists() and any(out.samefile(source) for source in (job.visible, job.infrared)):
        raise RigError(f"{out} is what shall be fused: give another place for the result.")


def _pictures(folder: Path, problems: list[str]) -> dict[str, Path]:
    """The pictures of a folder by their names without endings."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise RigError(f"The folder {folder} cannot be listed: {error.strerror}.") from None
    named: dict[str, Path] = {}
    for path in files:
        if path.stem in named:
            problems.append(f"{path} is left out: {named[path.stem].name} has the same name.")
        elif not path.name.startswith("."):
            named[path.stem] = path
    return named


def _fused(fuser: Fuser, visible: Path, infrared: Path, mask: Path | None) -> Array:
    """What comes of two pictures that have nothing to do with earlier ones."""
    fuser.reset()
    return fuser.fuse(_read(visible, as_visible), _read(infrared, as_infrared), _read_mask(mask))


def _read(path: Path, convert: Callable[[Array], Array]) -> Array:
    try:
        image = read_image(path)
    except RigError as error:
        raise RigError(f"{error}.") from None
    try:
        return convert(image)
    except RigError as error:
        raise RigError(f"{path} {error}.") from None


def _read_mask(path: Path | None) -> Array | None:
    return None if path is None else (_read(path, as_infrared) > 0).astype(np.uint8) * 255


def _write(out: Path, image: Array) -> None:
    replace_bytes(out, cv2.imencode(out.suffix, image)[1].tobytes())


def _matches(source: VideoSource) -> Iterator[tuple[Frame, Frame]]:
    """Frames of one moment; paired videos have equal stamps."""
    synchronizer: Synchronizer[Frame] = Synchronizer(VISIBLE, [INFRARED])
    while (read := source.read()) is not None:
        stream, frame = read
        for match in synchronizer.add(stream, frame.stamp, frame, frame.stamp):
            yield _both(match)
    for match in synchronizer.flush():
        yield _both(match)


def _both(match: Match[Frame]) -> tuple[Frame, Frame]:
    visible, infrared = match.items[VISIBLE], match.items[INFRARED]
    assert visible is not None and infrared is not None  # both are required
    return visible, infrared


@contextmanager
def _video(out: Path, rate: float, size: tuple[int, int]) -> Iterator[Callable[[Array], None]]:
    """A video to add BGR images to; it is there once it is whole."""
    draft = out.with_name(f".{out.stem}.{os.getpid()}.draft{out.suffix}")  # the ending tells OpenCV the container
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        codec = cv2.VideoWriter_fourcc(*CODECS[out.suffix.lower()])  # type: ignore[attr-defined]
        writer = cv2.VideoWriter(str(draft), codec, rate, size)
        if not writer.isOpened():
            raise RigError(f"This OpenCV cannot write {out}: make room, or choose another ending or folder.")
        try:
            yield writer.write
        finally:
            writer.release()
        if not cv2.VideoCapture(str(draft)).isOpened():
            raise RigError(f"{out} cannot be written as a whole: make room or choose another folder.")
        draft.replace(out)
    except OSError as error:
        raise RigError(f"{out} cannot be written ({error.strerror}): choose another folder.") from None
    finally:
        with suppress(OSError):
            draft.unlink()
