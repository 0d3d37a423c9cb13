"""What detection costs: milliseconds by backend and size, and by step.

Wall-clock medians, with every library on its default number of threads, since that is the time that a frame waits. A
network's time does not depend on its weights: YOLO11n runs on untrained ones, on an image of 1024x768, and is left out
where ultralytics or onnx is not installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.detection import Detector, create_detector
from tardal_ros.detection.boxes import Boxes, suppress
from tardal_ros.detection.offline import contained
from tardal_ros.detection.tracking import Tracker
from tardal_ros.errors import MissingDependencyError
from tardal_ros.types import Detections

IMAGES = ((640, 480), (1024, 768))
INPUTS = (320, 640)
CLASSES = 6


def rows(repeats: int = 15) -> list[dict[str, object]]:
    """Returns one row a measurement: `name`, `value` and `unit`."""
    return [*_hog(repeats), *_networks(repeats), *_after(repeats)]


def _hog(repeats: int) -> Iterator[dict[str, object]]:
    detector = create_detector("hog")
    for width, height in IMAGES:
        image = _image(width, height)
        yield _row(f"hog, {width}x{height}", _ms(lambda image=image: detector.detect(image), repeats))


def _networks(repeats: int) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        weights = _untrained_weights(Path(folder))
        for backend, path in weights.items():
            for size in INPUTS:
                detector = create_detector(path, device="cpu", image_size=size, trust_weights=True)
                yield from _detector_rows(f"yolo11n, {backend}, {size}", detector, repeats)


def _detector_rows(name: str, detector: Detector, repeats: int) -> Iterator[dict[str, object]]:
    image = _image(1024, 768)
    yield _row(name, _ms(lambda: detector.detect(image), repeats))
    for step, (p50, _) in detector.laps.read().items():
        if step != "nms":  # untrained networks propose nothing
            yield _row(f"{name}: {step}", p50 * 1e3)


def _after(repeats: int) -> Iterator[dict[str, object]]:
    """What follows the network."""
    for proposals in (300, 3000):
        boxes = _boxes(proposals)
        yield _row(f"nms of {proposals} proposals", _ms(lambda boxes=boxes: suppress(boxes, 0.45, 300), repeats))
    for objects in (10, 50):
        try:
            tracker = Tracker()
        except MissingDependencyError:
            return
        yield _row(f"tracking of {objects} objects", _ms(_tracking(tracker, _boxes(objects)), repeats))


def _tracking(tracker: Tracker, boxes: Boxes) -> Callable[[], object]:
    detections = Detections(boxes.xyxy, boxes.scores, boxes.class_ids, ("thing",))
    stamps = count(0, 10**8)
    return lambda: tracker.track(detections, next(stamps), 0.0)


def _untrained_weights(folder: Path) -> dict[str, Path]:
    """YOLO11n as a checkpoint and exported, by backend."""
    try:
        with contained():
            import onnx  # noqa: F401
            import torch
            from ultralytics import YOLO
            from ultralytics.nn.tasks import DetectionModel
    except MissingDependencyError:
        return {}
    torch.manual_seed(0)
    model = DetectionModel("yolo11n.yaml", nc=CLASSES, verbose=False)
    model.args = {"imgsz": 640, "task": "detect"}
    model.task, model.names = "detect", {index: str(index) for index in range(CLASSES)}
    checkpoint = folder / "network.pt"
    torch.save({"model": model, "train_args": model.args}, checkpoint)
    with redirect_stdout(StringIO()):
        exported = YOLO(checkpoint).export(format="onnx", dynamic=True, simplify=False, verbose=False)
    return {"torch": checkpoint, "onnxruntime": Path(exported)}


def _image(width: int, height: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return cv2.GaussianBlur(random.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2)


def _boxes(number: int) -> Boxes:
    """Boxes of people's shape all over a 1024x768 image, best first."""
    random = np.random.default_rng(0)
    corner = random.uniform(0, (950, 650), (number, 2))
    xyxy = np.hstack([corner, corner + random.uniform(0.5, 1, (number, 1)) * (40, 100)]).astype(np.float32)
    scores = np.sort(random.uniform(0.3, 1, number)).astype(np.float32)[::-1]
    return Boxes(xyxy, scores, np.zeros(number, np.int64))


def _ms(step: Callable[[], object], repeats: int) -> float:
    step()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return median(seconds) * 1e3


def _row(name: str, value: float) -> dict[str, object]:
    return {"name": f"detection: {name}", "value": round(value, 3), "unit": "ms"}


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<55} {row['value']:>9} {row['unit']}")
