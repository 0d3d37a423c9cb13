from types import SimpleNamespace

import numpy as np
import pytest

from tardal_ros.datasets.labels import Objects
from tardal_ros.types import CameraInfo, Frame, freeze

pytest.importorskip("rosbags")

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from tardal_ros.bags.messages import Messages, definition
from tardal_ros.bags.writer import Types

PERIOD = 100_000_000
START = 1_000 * 10**9
INFO = CameraInfo(8, 6, np.array([[5.0, 0, 4], [0, 5, 3], [0, 0, 1]]), p=np.eye(3, 4))
NAMES = ("person", "car")


def frame_of(stream, index, frame_id="camera", stamp=None):
    """Its pixels tell which one it is."""
    shape = (6, 8, 3) if stream.startswith("visible") else (6, 8)
    image = np.random.default_rng(index).integers(0, 256, shape, np.uint8)
    image[0, 0] = index % 256
    return Frame(freeze(image), START + index * PERIOD if stamp is None else stamp, frame_id, INFO)


def objects_of(class_ids=(1, 0), names=NAMES):
    boxes = np.array([[1.0, 0.5, 4.0, 3.5], [0.0, 0.0, 1.0, 2.0]])[: len(class_ids)]
    return Objects(boxes, np.array(class_ids, np.int64), np.zeros(len(class_ids), np.bool_), names)


class Maker:
    """Writes bags of any storage and compression, with the rosbags library alone."""

    def __init__(self):
        self.messages = Messages()
        self.frame, self.objects, self.names = frame_of, objects_of, NAMES
        self.start, self.period = START, PERIOD

    def rig(self, count=4, namespace="", truth=True, kind="raw", streams=("visible/left", "infrared/left"), **options):
        """What a rig publishes: topic, receipt, interface and data."""
        suffix = "" if kind == "raw" else "/compressed"
        for index in range(count):
            received = START + index * PERIOD + 5_000_000
            for stream in streams:
                frame = frame_of(stream, index, **options)
                yield f"{namespace}/{stream}/camera_info", received, *self.messages.camera_info(frame, INFO)
                yield f"{namespace}/{stream}/image_raw{suffix}", received, *self.messages.image(frame, kind)
            if truth:
                frame = frame_of("visible/left", index)
                if not index:
                    yield f"{namespace}/truth/label_info", received, *self.messages.label_info(frame, NAMES)
                yield f"{namespace}/truth/detections", received, *self.messages.objects(frame, objects_of())

    def write(self, folder, items, storage="mcap", mode="NONE"):
        store = Types(definition)
        plugin = StoragePlugin[storage.upper()]
        writer = Writer(folder, version=8, storage_plugin=plugin)
        writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
        writer.open()
        connections = {}
        for topic, received, kind, data in items:
            store.add(kind)
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store.store)
            writer.write(connections[topic], received, data)
        writer.close()
        return SimpleNamespace(folder=folder, file=next(folder.glob(f"{folder.name}.*")))


@pytest.fixture(scope="session")
def maker():
    return Maker()


@pytest.fixture(scope="session")
def humble_store():
    return get_typestore(Stores.ROS2_HUMBLE)
