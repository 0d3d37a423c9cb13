from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.types import Array

Writer = Callable[[Path, Array], Path]


@pytest.fixture
def write_image() -> Writer:
    def write(path: Path, image: Array) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)
        return path

    return write


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Writes a video whose frame `i` is grey `10 * i`, in the left half, and black in the right one."""

    def write(path: Path, frames: int, rate: float = 10.0, size: tuple[int, int] = (64, 48)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = "MJPG" if path.suffix == ".avi" else "mp4v"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, size)
        if not writer.isOpened():
            pytest.skip(f"this OpenCV cannot write {codec} videos")
        for index in range(frames):
            image = np.zeros((size[1], size[0], 3), np.uint8)
            image[:, : size[0] // 2] = 10 * index
            writer.write(image)
        writer.release()
        return path

    return write
