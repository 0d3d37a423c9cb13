"""Writing rosbag2 bags, with or without ROS."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from tardal_ros.errors import MissingDependencyError, RigError

Definitions = Callable[[str], str]

STORAGES = MappingProxyType({"mcap": ".mcap", "sqlite3": ".db3"})
"""The file formats, and how names of their files end."""


class BagWriter:
    """Writes serialised messages to a file that is also a rosbag2 bag.

    The file is complete by itself; the `metadata.yaml` beside it makes its folder a bag for `ros2 bag`. Both appear
    only when the writer is closed, and replace those of an earlier run. After an exception, what was written is kept.
    Several threads may write.
    """

    def __init__(self, path: Path, definitions: Definitions | None = None, storage: str = "mcap") -> None:
        """Opens a bag for writing.

        Args:
            path: The file to write, ending in `.mcap` or `.db3` as its storage asks for.
            definitions: Returns the .msg text of an interface that is not one of ROS 2's common interfaces, given its
                name, such as `vision_msgs/msg/LabelInfo`.
            storage: `mcap`, with chunks compressed by zstd, or `sqlite3`, uncompressed.

        Raises:
            RigError: The file cannot be written, or there is no such storage.
        """
        if STORAGES.get(storage) != path.suffix:
            known = ", ".join(f"{name} ({suffix})" for name, suffix in STORAGES.items())
            raise RigError(f"Bag {path} cannot be written with storage '{storage}': the storages are {known}.")
        try:
            from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        except ImportError as error:
            raise MissingDependencyError("Writing bags needs rosbags: run `pip install rosbags`.") from error
        self.path = path
        self._lock = threading.Lock()
        self._types = Types(definitions)
        self._connections: dict[str, Any] = {}
        with self._failures():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
            # Release 8 of the format is read by Humble and by everything newer.
            plugin = StoragePlugin[storage.upper()]
            self._writer: Writer | None = Writer(self._folder / path.stem, version=8, storage_plugin=plugin)
            if plugin is StoragePlugin.MCAP:
                self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()

    def write(self, topic: str, type_name: str, stamp: int, data: bytes, *, latched: bool = False) -> None:
        """Appends one message.

        Args:
            topic: The topic's full name.
            type_name: The interface, such as `sensor_msgs/msg/Image`.
            stamp: When the message was received, in nanoseconds of the ROS clock.
            data: The message in CDR, as rclpy serialises it.
            latched: Whether the topic is reliable and transient-local, so that a player offers it to late subscribers;
                the topic's first message decides.

        Raises:
            RigError: The disk is full, the bag is closed, or the interface's definition cannot be found.
        """
        with self._lock, self._failures():
            if self._writer is None:
                raise RigError(f"Bag {self.path} is closed; open another one to write to.")
            if topic not in self._connections:
                self._types.add(type_name)
                self._connections[topic] = self._writer.add_connection(
                    topic, type_name, typestore=self._types.store, offered_qos_profiles=_qos(latched)
                )
            self._writer.write(self._connections[topic], stamp, data)

    def close(self) -> None:
        """Finishes the bag and puts it under its final name; does nothing the second time.

        Raises:
            RigError: The bag cannot be finished; nothing is left of it.
        """
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return
            try:
                with self._failures():
                    writer.close()
                    written = self._folder / self.path.stem
                    (written / self.path.name).replace(self.path)
                    (written / "metadata.yaml").replace(self.path.with_name("metadata.yaml"))
            finally:
                shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise RigError(
                f"Bag {self.path} cannot be written: {getattr(error, 'strerror', None) or error}."
            ) from error


class Types:
    """The interfaces that a bag describes: ROS 2's common ones, and others as they are needed."""

    def __init__(self, definitions: Definitions | None, store: Any = None) -> None:
        """Takes note of where to look.

        Args:
            definitions: See `BagWriter`.
            store: The rosbags typestore to begin with; that of the latest release by default.
        """
        from rosbags.typesys import Stores, get_typestore

        self.store = store or get_typestore(Stores.LATEST)
        self._definitions = definitions

    def add(self, type_name: str) -> None:
        """Makes an interface known, with those that it is made of."""
        from rosbags.typesys import get_types_from_msg

        if type_name in self.store.fielddefs:
            return
        if self._definitions is None:
            raise RigError(f"A bag cannot hold {type_name}, because its definition is not known here.")
        types = get_types_from_msg(self._definitions(type_name), type_name)
        for _, fields in types.values():
            for _, description in fields:
                for name in _named_types(description):
                    self.add(name)
        self.store.register(types)


def _named_types(description: Any) -> Iterator[str]:
    """Yields the interface that a field's type names, also as the element of a list."""
    from rosbags.interfaces import Nodetype

    kind, value = description
    if kind == Nodetype.NAME:
        yield value
    elif kind != Nodetype.BASE:
        yield from _named_types(value[0])


def _qos(latched: bool) -> list[Any]:
    """Returns the QoS profiles to note for a topic; none leaves them to the player."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    if not latched:
        return []
    never = QosTime(9223372036, 854775807)
    return [
        Qos(
            history=QosHistory.KEEP_LAST,
            depth=1,
            reliability=QosReliability.RELIABLE,
            durability=QosDurability.TRANSIENT_LOCAL,
            deadline=never,
            lifespan=never,
            liveliness=QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=never,
            avoid_ros_namespace_conventions=False,
        )
    ]
