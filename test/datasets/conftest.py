"""Tiny data sets in the forms in which the public ones are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = (24, 32)

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

Write = Callable[..., Path]


@pytest.fixture
def shared_msrs() -> Path:
    folder = SHARED / "data" / "msrs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/msrs beside the repository")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes pictures of noise to `FOLDER/NAME`, and text to files."""
    rng = np.random.default_rng(0)

    def pictures(names: Sequence[str], *folders: str, texts: dict[str, str] | None = None) -> Path:
        for folder in folders:
            for name in names:
                path = tmp_path / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), rng.integers(1, 255, (*SIZE, 3), np.uint8))
        for name, text in (texts or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return pictures


def voc(name: str, box: Sequence[float] = (4, 6, 20, 18), extra: str = "") -> str:
    edges = "".join(f"<{tag}>{edge}</{tag}>" for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<annotation><object><name>{name}</name>{extra}<bndbox>{edges}</bndbox></object></annotation>"


@pytest.fixture
def annotation() -> Callable[..., str]:
    """A Pascal VOC annotation of one object."""
    return voc
