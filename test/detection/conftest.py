"""Small networks with random weights, made without a network connection, and what they look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

NAMES = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")


@dataclass(frozen=True)
class Weights:
    """One network as a checkpoint and exported."""

    pt: Path
    onnx: Path


def save_checkpoint(folder: Path, architecture: str, end2end: bool = False, channels: int = 3) -> Path:
    """Saves a checkpoint as ultralytics does, whose boxes and scores vary with the image."""
    import torch
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    torch.manual_seed(3)
    kind = SegmentationModel if architecture.endswith("seg") else DetectionModel
    model = kind(f"{architecture}.yaml", ch=channels, nc=len(NAMES), verbose=False)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # one pass in training mode then brings all features to unit variance
    image = torch.from_numpy(make_scene().transpose(2, 0, 1)[None] / np.float32(255))
    image = torch.cat([image, image[:, : channels - 3]], dim=1)
    with torch.no_grad():
        model.train()(torch.cat([image, image.flip(1), image.flip(2), 1 - image]))
        for heads, spread in (("cv2", 0.3), ("cv3", 0.05), ("one2one_cv2", 0.3), ("one2one_cv3", 0.05)):
            for layers in getattr(model.model[-1], heads, None) or []:
                torch.nn.init.normal_(layers[-1].weight, std=spread)
                torch.nn.init.zeros_(layers[-1].bias)
    model.eval()
    model.end2end = end2end
    model.names = dict(enumerate(NAMES))
    model.task = "segment" if architecture.endswith("seg") else "detect"
    model.args = {"imgsz": 160, "task": model.task}
    path = folder / "network.pt"  # by its name alone, ultralytics would look for a YOLOv5 on the network
    torch.save({"model": model, "train_args": model.args}, path)
    return path


def export(checkpoint: Path, **options: object) -> Path:
    """Exports a checkpoint to ONNX beside it."""
    pytest.importorskip("onnx")
    from ultralytics import YOLO

    return Path(YOLO(checkpoint).export(format="onnx", imgsz=160, simplify=False, verbose=False, **options))


@pytest.fixture(scope="session")
def ultralytics_offline() -> None:
    from tardal_ros.detection.offline import contained
    from tardal_ros.errors import MissingDependencyError

    try:
        with contained():
            import ultralytics  # noqa: F401
            from ultralytics.nn import tasks  # noqa: F401
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def yolo11(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Proposes many boxes per object."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("yolo11"), "yolo11n")
    return Weights(checkpoint, export(checkpoint))


@pytest.fixture(scope="session")
def yolo11_free(yolo11: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, exported for any input size."""
    copy = tmp_path_factory.mktemp("yolo11_free") / "yolo11n.pt"
    copy.write_bytes(yolo11.pt.read_bytes())
    return export(copy, dynamic=True)


@pytest.fixture(scope="session")
def yolo26(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Leaves one box per object by itself; exported for any input size."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("yolo26"), "yolo26n", end2end=True)
    return Weights(checkpoint, export(checkpoint, end2end=True, dynamic=True))


@pytest.fixture(scope="session")
def yolov5u(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """YOLOv5 with the newer, anchor-free head; exported for any input size."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("yolov5u"), "yolov5n")
    return Weights(checkpoint, export(checkpoint, dynamic=True))


@pytest.fixture(scope="session")
def yolov8(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Exported for any input size."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("yolov8"), "yolov8n")
    return Weights(checkpoint, export(checkpoint, dynamic=True))


@pytest.fixture(scope="session")
def stacked(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Takes four channels."""
    checkpoint = save_checkpoint(tmp_path_factory.mktemp("stacked"), "yolo11n", channels=4)
    return Weights(checkpoint, export(checkpoint))


@pytest.fixture(scope="session")
def segmenter(ultralytics_offline: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Does something else than detecting."""
    return save_checkpoint(tmp_path_factory.mktemp("segmenter"), "yolo11n-seg")


def make_scene() -> np.ndarray:
    """(160, 160, 3) BGR with edges and texture, read-only."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (20, 20, 3), np.uint8), (160, 160))
    cv2.circle(image, (60, 80), 30, (255, 255, 255), -1)
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def scene() -> np.ndarray:
    """(160, 160, 3) BGR with edges and texture, read-only."""
    return make_scene()


@pytest.fixture(scope="session")
def walker() -> np.ndarray:
    """(200, 160) grey: a warm figure, 100 pixels tall and upright, on cold ground; read-only."""
    image = np.full((200, 160), 40, np.uint8)
    figure = [
        ("ellipse", (80, 58), (8, 10)),
        ("ellipse", (80, 90), (15, 24)),
        ("line", (74, 108), (70, 148)),
        ("line", (86, 108), (91, 148)),
        ("line", (67, 76), (62, 106)),
        ("line", (93, 76), (98, 106)),
    ]
    for shape, start, end in figure:
        if shape == "ellipse":
            cv2.ellipse(image, start, end, 0, 0, 360, 200, -1)
        else:
            cv2.line(image, start, end, 200, 9)
    image = cv2.GaussianBlur(image, (5, 5), 0)
    image.flags.writeable = False
    return image
