"""Data sets and configurations that are small enough to train on in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    return shipped.but(image_size=64, batch=2, epochs=2, mosaic_epochs=1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The YAML file of two pictures to learn from and one to validate on."""
    return write_pictures(tmp_path / "data", {"train": 2, "val": 1})


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """The same as pictures of four channels."""
    return write_pictures(tmp_path / "stacks", {"train": 2, "val": 1}, channels=4)


def write_pictures(folder: Path, parts: dict[str, int], channels: int = 3) -> Path:
    suffix = "jpg" if channels == 3 else "png"
    rng = np.random.default_rng(0)
    for part, count in parts.items():
        listed = []
        for number in range(count):
            image = rng.integers(0, 60, (48, 64, channels), np.uint8)
            image[12:36, 16:48] = 255
            for kind in ("images", "labels"):
                (folder / kind / part).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / "images" / part / f"{number}.{suffix}"), image)
            (folder / "labels" / part / f"{number}.txt").write_text("1 0.5 0.5 0.5 0.5\n")
            listed.append(f"./images/{part}/{number}.{suffix}\n")
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


@pytest.fixture(scope="session")
def fabric() -> Any:
    """One process on the CPU."""
    from tardal_ros.training.session import launch

    return launch("cpu", "1", 1, "auto", "32-true")


@pytest.fixture
def pairs() -> Callable[..., Path]:
    return write_pairs


def write_pairs(root: Path, count: int = 3, classes: tuple[str, ...] = ("person", "car")) -> Path:
    """Registered pairs of 40x48 pixels: noise, in it a bright object with its label."""
    rng = np.random.default_rng(0)
    for folder in ("vi", "ir", "labels"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        visible, infrared = rng.integers(0, 200, (40, 48, 3), np.uint8), rng.integers(0, 90, (40, 48), np.uint8)
        infrared[10:30, 12:36] = 240
        cv2.imwrite(str(root / "vi" / f"{number}.png"), visible)
        cv2.imwrite(str(root / "ir" / f"{number}.png"), infrared)
        (root / "labels" / f"{number}.txt").write_text(f"{number % len(classes)} 0.5 0.5 0.5 0.5\n")
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


@pytest.fixture
def fusion_yaml(tmp_path: Path) -> Callable[..., Path]:
    """Writes the configuration of a tiny training with changes; None leaves a key out."""

    def write(changes: dict[str, object] | None = None, mode: str = "dt", name: str = "tiny") -> Path:
        side = 16 if mode == "dt" else 64
        train, validation = ({"folders": [{"root": str(tmp_path / name)}]} for name in ("pairs", "others"))
        values: dict[str, Any] = {
            "mode": mode,
            "steps": 3,
            "seed": 5,
            "generator": {"dim": 4, "depth": 1},
            "data": {"train": train, "validation": validation, "crop": [side, side], "batch": 2},
            "optimizer": {"warmup": 0, "average": 0.9},
            "checkpoint_every": 2,
            "sample_every": 100,
        }
        if mode != "dt":
            values["detector"] = {"model": "yolo11n"}
        for place, value in (changes or {}).items():
            *sections, key = place.split(".")
            section = values
            for each in sections:
                section = section.setdefault(each, {})
            if value is None:
                del section[key]
            else:
                section[key] = value
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def fusion_config(fusion_yaml: Callable[..., Path]) -> Callable[..., Any]:
    """The same, read."""
    from tardal_ros.training.config import load_config

    return lambda changes=None, mode="dt": load_config(fusion_yaml(changes, mode))
