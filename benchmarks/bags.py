"""What reading a bag costs: megabytes of raw images decoded per second, and growth of memory over a long bag."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tardal_ros.bags.messages import Messages
from tardal_ros.bags.reader import BagReader
from tardal_ros.bags.recording import BagRecording
from tardal_ros.ros import images
from tardal_ros.types import Frame

STREAMS = {"visible/left": (480, 640, 3), "infrared/left": (480, 640)}
TOPICS = [f"/{stream}/image_raw" for stream in STREAMS]
PERIOD = 50_000_000
SMALL = 8
"""How much smaller images of the long bag are: its frames count, not its bytes."""


def rows(frames: int = 300, long: int = 10_000) -> list[dict[str, object]]:
    """Returns one row a figure: `name`, `value`, `unit` and its bound."""
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="bags-") as folder:
        for storage in ("mcap", "sqlite3"):
            bag = Path(folder) / storage
            _write(bag, storage, frames, 1)
            rate = max(_rate(bag) for _ in range(3))
            found.append({"name": f"decode raw {storage}", "value": round(rate), "unit": "MB/s", "at_least": 500})
        for storage in ("mcap", "sqlite3"):
            bag = Path(folder) / f"long_{storage}"
            _write(bag, storage, long, SMALL)
            command = [sys.executable, "-c", f"from benchmarks.bags import growth; print(growth({str(bag)!r}))"]
            grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            name = f"growth over {long} pairs of {storage}"
            found.append({"name": name, "value": round(grown, 1), "unit": "MB", "at_most": 50})
    return found


def growth(bag: str) -> float:
    """How many megabytes a process gains from its hundredth pair of a recording to the last one."""
    begun = 0.0
    for index, _ in enumerate(BagRecording(Path(bag)).moments()):
        if index == 100:
            begun = _resident()
    return _resident() - begun


def _rate(bag: Path) -> float:
    begun, size = time.perf_counter(), 0
    for _, _, message in BagReader(bag).messages(TOPICS):
        size += images.decode(message).nbytes
    return size / 1e6 / (time.perf_counter() - begun)


def _write(bag: Path, storage: str, frames: int, smaller: int) -> None:
    """Writes raw images without compression."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.LATEST)
    with Writer(bag, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections = {
            topic: writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=store) for topic in TOPICS
        }
        for topic, stamp, data in _messages(frames, smaller):
            writer.write(connections[topic], stamp, data)


def _messages(frames: int, smaller: int) -> Iterator[tuple[str, int, bytes]]:
    messages, random = Messages(), np.random.default_rng(0)
    pictures = {
        stream: random.integers(0, 256, (shape[0] // smaller, shape[1] // smaller, *shape[2:]), np.uint8)
        for stream, shape in STREAMS.items()
    }
    for index in range(frames):
        stamp = (1 + index) * PERIOD
        for stream, picture in pictures.items():
            yield f"/{stream}/image_raw", stamp, messages.image(Frame(picture, stamp, "camera"))[1]


def _resident() -> float:
    """Megabytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<40} {row['value']:>9} {row['unit']}")
