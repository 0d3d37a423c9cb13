"""SQLite files of a bag (.db3), also those that are cut off."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tardal_ros.bags.storage import Serialised, Topic, is_latched
from tardal_ros.errors import RigError

_MAGIC = b"SQLite format 3\0"


class SqliteFile:
    """A .db3 file of rosbag2, of any release; see `Storage`.

    A file that is cut off or damaged is read in the order in which it was written, as far as that goes.
    """

    def __init__(self, path: Path, name: Path) -> None:
        """Opens it.

        Args:
            path: The file.
            name: What to call it in sentences: the file itself, or the one that it was unpacked from.

        Raises:
            RigError: It is no bag, or its list of topics is damaged.
        """
        self._name = name
        self.problems: list[str] = []
        self.distro = ""
        missing = _missing_bytes(path, name)
        self._damage = f"{missing} bytes are missing" if missing else ""
        # A file in WAL mode without its log can be opened only if SQLite may take it for unchanging.
        mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
        self._base = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False)
        try:
            if missing:
                # SQLite opens files that are too short only for those who may repair them.
                self._base.execute("PRAGMA writable_schema=ON")
            self._read_topics()
        except (sqlite3.Error, TypeError, ValueError) as error:
            self._base.close()
            raise RigError(
                f"{name} cannot be read as a bag ({error}): restore it, or try `sqlite3 {path.name} .recover`."
            ) from None

    def messages(self, topics: Collection[str]) -> Iterator[Serialised]:
        """See `Storage`."""
        names = {number: name for number, name in self._names.items() if name in topics}
        if not names:
            return
        order = "timestamp, id" if self._is_indexed and not self._damage else "id"
        marks = ",".join("?" * len(names))
        read = 0
        try:
            for number, stamp, data in self._base.execute(
                f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) ORDER BY {order}",
                tuple(names),
            ):
                yield names[number], stamp, data
                read += 1
        except sqlite3.Error as error:
            if not self._damage:
                self.problems.append(
                    f"{self._name} is damaged: {read} messages could be read before its damaged place ({error})."
                )

    def close(self) -> None:
        """See `Storage`."""
        self._base.close()

    def _read_topics(self) -> None:
        columns = {name for _, name, *_ in self._base.execute("PRAGMA table_info(topics)")}
        if not {"id", "name", "type"} <= columns:
            raise ValueError("it has no table of topics")
        self._is_indexed = any(
            "timestamp" in (sql or "")
            for (sql,) in self._base.execute("SELECT sql FROM sqlite_master WHERE type='index'")
        )
        counts, self.span = self._counted()
        definitions = self._definitions()
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        rows = self._base.execute(f"SELECT id, name, type, {qos} FROM topics ORDER BY id").fetchall()
        self._names: dict[int, str] = {number: name for number, name, _, _ in rows}
        self.topics = {
            name: Topic(kind, counts.get(number, 0), *definitions.get(kind, ("", False)), is_latched(profiles))
            for number, name, kind, profiles in rows
        }
        if self._damage:
            seconds = (self.span[1] - self.span[0]) / 1e9 if self.span else 0.0
            self.problems.append(
                f"{self._name} is cut off or damaged ({self._damage}): {sum(counts.values())} messages of"
                f" {seconds:.1f} s can be read."
            )

    def _counted(self) -> tuple[dict[int, int], tuple[int, int] | None]:
        """Messages by topic, and receipt of the first and the last one."""
        try:
            if not self._damage:
                counts = dict(self._base.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
                first, last = self._base.execute("SELECT min(timestamp), max(timestamp) FROM messages").fetchone()
                return counts, None if first is None else (first, last)
        except sqlite3.DatabaseError as error:
            self._damage = str(error)
        return self._surveyed()

    def _surveyed(self) -> tuple[dict[int, int], tuple[int, int] | None]:
        """The same, of what can be read before the first damaged place."""
        counts: Counter[int] = Counter()
        first, last = 1 << 63, 0
        with suppress(sqlite3.Error):
            # The data is read too, for its pages may be those that are damaged.
            for number, stamp, _ in self._base.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id"):
                counts[number] += 1
                first, last = min(first, stamp), max(last, stamp)
        return counts, (first, last) if counts else None

    def _definitions(self) -> dict[str, tuple[str, bool]]:
        """Interfaces as the file defines them, and whether in IDL; releases up to Humble write none."""
        tables = {name for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if "schema" in tables:
            self.distro = next((row[0] for row in self._base.execute("SELECT ros_distro FROM schema")), "")
        if "message_definitions" not in tables:
            return {}
        rows: Any = self._base.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        )
        return {kind: (text, encoding == "ros2idl") for kind, encoding, text in rows if text}


def _missing_bytes(path: Path, name: Path) -> int:
    """How much shorter a file is than its header says.

    Raises:
        RigError: It is no SQLite file.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise RigError(f"{name} is no SQLite file: give a bag, or one of its .mcap or .db3 files.")
    page = int.from_bytes(header[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    return max(whole - path.stat().st_size, 0)
