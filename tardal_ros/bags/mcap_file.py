"""MCAP files of a bag, also those that are cut off or have no index."""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from tardal_ros.bags.storage import Serialised, Topic, is_latched
from tardal_ros.errors import MissingDependencyError, RigError


class McapFile:
    """An MCAP file; see `Storage`.

    With an index, messages come in the order of their receipt. Without one, they come in the order of the file, which
    is gone through once in advance to tell what can be read of it.
    """

    distro = ""

    def __init__(self, path: Path, name: Path) -> None:
        """Opens it.

        Args:
            path: The file.
            name: What to call it in sentences: the file itself, or the one that it was unpacked from.

        Raises:
            RigError: It is no MCAP file.
            MissingDependencyError: The mcap library is not installed.
        """
        try:
            from mcap.exceptions import McapError
            from mcap.reader import make_reader
        except ImportError:
            raise MissingDependencyError("Reading MCAP bags needs mcap: run `pip install mcap`.") from None
        self._name = name
        self._size = path.stat().st_size
        self.problems: list[str] = []
        self.topics: dict[str, Topic] = {}
        self.span: tuple[int, int] | None = None
        self._seen: dict[int, Any] = {}
        self._readable: int | None = None
        self._file: IO[bytes] = path.open("rb")
        try:
            self._reader: Any = make_reader(self._file)
        except McapError:
            self._file.close()
            raise RigError(f"{name} is no MCAP file: give a bag, or one of its .mcap or .db3 files.") from None
        summary = self._summary()
        if summary is not None:
            self._describe(summary.channels, summary.schemas, summary.statistics.channel_message_counts)
            if summary.statistics.message_count:
                self.span = summary.statistics.message_start_time, summary.statistics.message_end_time
        else:
            self._reader = None
            self._survey()

    def messages(self, topics: Collection[str]) -> Iterator[Serialised]:
        """See `Storage`."""
        if self._reader is None:
            yield from ((topic, stamp, data) for _, topic, stamp, data in self._scan() if topic in topics)
            return
        read = 0
        try:
            for _, channel, message in self._reader.iter_messages(list(topics)):
                yield channel.topic, message.log_time, message.data
                read += 1
        except _errors() as error:
            wanted = sum(topic.count for name, topic in self.topics.items() if name in topics)
            self.problems.append(
                f"{self._name} is damaged: {read} of {wanted} messages could be read ({_reason(error)})."
            )

    def close(self) -> None:
        """See `Storage`."""
        self._file.close()

    def _summary(self) -> Any:
        """What the end of the file tells of its messages; None unless it can be relied on."""
        try:
            summary = self._reader.get_summary()
        except _errors():
            return None
        statistics = summary.statistics if summary else None
        if statistics is None or statistics.chunk_count != len(summary.chunk_indexes):
            return None
        return summary if statistics.chunk_count or not statistics.message_count else None

    def _survey(self) -> None:
        """Goes through the file to tell what can be read."""
        counts: Counter[int] = Counter()
        first, last = 1 << 63, 0
        why = "it has no index"
        try:
            for channel, _, stamp, _ in self._scan():
                counts[channel] += 1
                first, last = min(first, stamp), max(last, stamp)
        except _errors() as error:
            why = f"it is cut off or damaged ({_reason(error)})"
        channels = {number: channel for number, (channel, _) in self._seen.items()}
        schemas = {channel.schema_id: schema for channel, schema in self._seen.values() if schema is not None}
        self._describe(channels, schemas, counts)
        self.span = (first, last) if counts else None
        seconds = (last - first) / 1e9 if counts else 0.0
        self.problems.append(
            f"{self._name} is read from its beginning in the order of the file, for {why}:"
            f" {counts.total()} messages of {seconds:.1f} s can be read."
        )
        self._readable = counts.total()

    def _scan(self) -> Iterator[tuple[int, str, int, bytes]]:
        """Channel, topic, time of receipt and message, as they lie in the file, as far as that was found readable."""
        from mcap.reader import NonSeekingReader

        self._file.seek(0)
        stream: Any = _Whole(self._file, self._size)
        messages = NonSeekingReader(stream).iter_messages(log_time_order=False)
        for schema, channel, message in itertools.islice(messages, self._readable):
            self._seen[channel.id] = channel, schema
            yield channel.id, channel.topic, message.log_time, message.data

    def _describe(self, channels: dict[int, Any], schemas: dict[int, Any], counts: dict[int, int]) -> None:
        for number, channel in channels.items():
            schema = schemas.get(channel.schema_id)
            known = self.topics.get(channel.topic)
            self.topics[channel.topic] = Topic(
                type=schema.name if schema else "",
                count=counts.get(number, 0) + (known.count if known else 0),
                definition=schema.data.decode("utf-8", "replace") if schema else "",
                is_idl=schema is not None and schema.encoding == "ros2idl",
                latched=is_latched(channel.metadata.get("offered_qos_profiles", "")),
            )


class _Whole:
    """A file that ends with an exception instead of with half a record."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, length: int) -> bytes:
        from mcap.exceptions import EndOfFile

        if length > self._left:
            raise EndOfFile("it ends within a record")
        self._left -= length
        return self._file.read(length)


def _errors() -> tuple[type[Exception], ...]:
    """What the library raises on bytes that are not what they should be."""
    import zstandard
    from mcap.exceptions import McapError

    # lz4 raises RuntimeError.
    return McapError, zstandard.ZstdError, struct.error, ValueError, KeyError, RuntimeError, OSError


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
