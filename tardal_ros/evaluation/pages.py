"""Pages from templates: one HTML file each, which needs nothing else."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2

from tardal_ros.errors import MissingDependencyError
from tardal_ros.types import Array


def render(template: str, **values: Any) -> str:
    """Fills a template of this folder in; all text is escaped.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MissingDependencyError("Reports need jinja2: run `pip install '.[report]'` in the checkout.") from error
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def data_url(image: Array, longest: int, quality: int) -> str:
    """Makes an image a JPEG inside a data URL.

    Args:
        image: (H, W, 3) BGR or (H, W) grey uint8.
        longest: Pixels that it is wide at most.
        quality: Of the JPEG, 0 to 100.
    """
    height, width = image.shape[:2]
    if width > longest:
        image = cv2.resize(image, (longest, max(1, round(height * longest / width))), interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
