"""Detecting people and vehicles on the fused image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tardal_ros.detection.detector import Detector, create_detector

__all__ = ["Detector", "create_detector"]


def __getattr__(name: str) -> Any:
    """Imports the public names on first use, so that importing a part of this room stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tardal_ros.detection import detector

    return getattr(detector, name)
