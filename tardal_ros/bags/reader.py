"""Reading rosbag2 bags of any length, with or without ROS."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tardal_ros.bags.files import ZSTD, find_files
from tardal_ros.bags.interfaces import Decode, Interfaces, decoding_errors
from tardal_ros.bags.mcap_file import McapFile
from tardal_ros.bags.sqlite_file import SqliteFile
from tardal_ros.bags.storage import Serialised, Storage, Topic
from tardal_ros.errors import MissingDependencyError, RigError

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class BagReader:
    """Reads a bag message by message, in the order of receipt, in little memory.

    MCAP and sqlite3, of Humble to Lyrical, in one file or several, compressed by chunk, message or file. What is
    damaged is read as far as it can be.

    Attributes:
        topics: Each topic's type and how many messages can be read, as a `Topic`.
        span: When its first and its last message were received, in nanoseconds; None where it is empty.
        duration: From the first to the last message, in seconds.
        problems: Sentences about what cannot be read, complete once `messages` has ended.
    """

    def __init__(self, path: Path) -> None:
        """Looks at the bag.

        Args:
            path: A bag's folder, or one of its files.

        Raises:
            RigError: There is no bag, or nothing of it can be read.
            MissingDependencyError: A library is not installed.
        """
        self._path = path
        files = find_files(path)
        self.problems = list(files.problems)
        self.topics: dict[str, Topic] = {}
        self._distro = files.distro
        self._files: list[Path] = []
        self.span: tuple[int, int] | None = None
        for file in files.paths:
            try:
                with _opened(file) as storage:
                    self._add(file, storage)
            except RigError as error:
                if len(files.paths) == 1:
                    raise
                self.problems.append(f"One of the bag's {len(files.paths)} files is passed over: {error}")
        if not self._files:
            raise RigError(f"None of the {len(files.paths)} files of bag {path} can be read: {self.problems[-1]}")
        self.duration = (self.span[1] - self.span[0]) / 1e9 if self.span else 0.0

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, int, Any]]:
        """Reads the messages.

        Args:
            topics: Of which topics; of all by default.

        Yields:
            Topic, time of receipt in nanoseconds, and the message with the attributes that its interface has; its
            arrays are views on what was read.

        Raises:
            RigError: A topic is not in the bag, or its interface is not known. Of all topics, those are passed over.
        """
        decoders = self._decoders(topics)
        failed: Counter[str] = Counter()
        wrong = decoding_errors()
        for topic, received, data in self.serialised(decoders):
            try:
                message = decoders[topic](data)
            except wrong:
                failed[topic] += 1
                continue
            yield topic, received, message
        self.problems += [
            f"{count} of {self.topics[topic].count} messages of {topic} are damaged and passed over."
            for topic, count in failed.items()
        ]

    def serialised(self, topics: Collection[str] | None = None) -> Iterator[Serialised]:
        """Reads the messages in CDR, as rclpy serialises them; see `messages`."""
        topics = self._checked(topics)
        for file in self._files:
            with _opened(file) as storage:
                told = len(storage.problems)
                for topic, received, data in storage.messages(topics):
                    yield topic, received, _inflated(data)
                self.problems += storage.problems[told:]

    def _checked(self, topics: Collection[str] | None) -> Collection[str]:
        if topics is None:
            return self.topics
        if missing := sorted(set(topics) - set(self.topics)):
            raise RigError(f"Bag {self._path} has no topic {missing[0]}: it has {self.listing()}.")
        return topics

    def listing(self) -> str:
        """The topics and their types, to tell them in a sentence."""
        return ", ".join(f"{name} ({topic.type})" for name, topic in sorted(self.topics.items())) or "no topics"

    def _decoders(self, topics: Collection[str] | None) -> dict[str, Decode]:
        interfaces = Interfaces(self._distro)
        decoders = {}
        for name in self._checked(topics):
            try:
                decoders[name] = interfaces.decoder(self.topics[name])
            except RigError as error:
                if topics is not None:
                    raise RigError(f"Topic {name} of bag {self._path} cannot be decoded: {error}.") from None
                self.problems.append(f"Topic {name} is passed over: {error}.")
        return decoders

    def _add(self, file: Path, storage: Storage) -> None:
        """Takes in what one file holds."""
        self._files.append(file)
        self._distro = self._distro or storage.distro
        if storage.span is not None:
            first, last = storage.span
            self.span = min(first, (self.span or storage.span)[0]), max(last, (self.span or storage.span)[1])
        for name, topic in storage.topics.items():
            before = self.topics.get(name)
            self.topics[name] = replace(topic, count=topic.count + (before.count if before else 0))
        self.problems += storage.problems


@contextmanager
def _opened(path: Path) -> Iterator[Storage]:
    """A file of the bag, unpacked beside the system's temporary files where it is compressed as a whole."""
    if path.suffix != ZSTD:
        with _closing(path, path) as storage:
            yield storage
        return
    with tempfile.TemporaryDirectory(prefix="bag-") as folder:
        inner = Path(folder) / path.stem
        problems = _unpack(path, inner)
        with _closing(inner, path) as storage:
            storage.problems[:0] = problems
            yield storage


@contextmanager
def _closing(path: Path, name: Path) -> Iterator[Storage]:
    try:
        storage: Storage = McapFile(path, name) if path.suffix == ".mcap" else SqliteFile(path, name)
    except OSError as error:
        raise RigError(f"{name} cannot be read: {error.strerror or error}.") from None
    try:
        yield storage
    finally:
        storage.close()


def _unpack(source: Path, target: Path) -> list[str]:
    """Decompresses a file, as far as that goes; returns what went wrong."""
    zstandard = _zstandard()
    try:
        with source.open("rb") as packed, target.open("wb") as file:
            shutil.copyfileobj(
                zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True), file, 1 << 20
            )
    except zstandard.ZstdError as error:
        return [f"{source} is damaged ({error}): it is read up to there."]
    except OSError as error:
        raise RigError(f"{source} cannot be unpacked to {target.parent}: {error.strerror or error}.") from None
    return []


def _inflated(data: bytes) -> bytes:
    """A message, decompressed where messages are compressed one by one; CDR never begins with zstd's magic number."""
    if data[:4] != _ZSTD_MAGIC:
        return data
    try:
        return bytes(_zstandard().ZstdDecompressor().decompressobj().decompress(data))
    except _zstandard().ZstdError:
        return b""


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise MissingDependencyError("Reading compressed bags needs zstandard: run `pip install mcap`.") from None
    return zstandard
