"""A data set of coloured rectangles, small enough to train on in a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tardal_ros.simulation import CLASSES
from tardal_ros.training.detector_config import DetectorConfig, load_config

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shipped() -> DetectorConfig:
    return load_config(REPOSITORY / "config/train/detector.yaml")


@pytest.fixture(scope="session")
def tiny(shipped: DetectorConfig) -> DetectorConfig:
    """Two steps of two pictures of 64 pixels."""
    return replace(shipped, image_size=64, batch=2, epochs=2, mosaic_epochs=1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The YAML file of two pictures to learn from and one to validate on."""
    return write_pictures(tmp_path / "data", {"train": 2, "val": 1})


def write_pictures(folder: Path, parts: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for part, count in parts.items():
        listed = []
        for number in range(count):
            image = rng.integers(0, 60, (48, 64, 3), np.uint8)
            image[12:36, 16:48] = 255
            for kind in ("images", "labels"):
                (folder / kind / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / part / f"{number}.jpg"), image)
            (folder / "labels" / part / f"{number}.txt").write_text("1 0.5 0.5 0.5 0.5\n")
            listed.append(f"./images/{part}/{number}.jpg\n")
        (folder / f"{part}.txt").write_text("".join(listed))
    told = {"path": str(folder), "train": "train.txt", "val": "val.txt", "names": dict(enumerate(CLASSES))}
    (folder / "detector.yaml").write_text(yaml.safe_dump(told))
    return folder / "detector.yaml"


@pytest.fixture
def told() -> Callable[[dict[str, object]], str]:
    """The shipped configuration with changes, as text; None leaves a key out."""

    def text(changes: dict[str, object]) -> str:
        values = yaml.safe_load((REPOSITORY / "config/train/detector.yaml").read_text())
        for name, value in changes.items():
            section, _, key = name.rpartition(".")
            place = values[section] if section else values
            if value is None:
                del place[key]
            else:
                place[key] = value
        return yaml.safe_dump(values)

    return text
