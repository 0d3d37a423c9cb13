"""A run in numbers, as `summary.json`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

from tardal_ros.files import replace_text

END_TO_END = "end_to_end"
"""The stage name under which the latency from capture to the last stage goes."""

_LIBRARIES = ("torch", "ultralytics", "onnxruntime", "rosbags", "rclpy", "ros-rclpy")


@dataclass(frozen=True)
class Summary:
    """What a run amounted to.

    Attributes:
        pairs: Registered pairs that went through the rig.
        drops: Frames and pairs lost, by reason.
        latency_ms: `p50` and `p95` of each stage, in milliseconds.
        map50: Mean average precision at an overlap of 0.5; None where there is no ground truth.
        fuser: The fuser's name.
        versions: What ran, by name.
    """

    pairs: int
    drops: Mapping[str, int]
    latency_ms: Mapping[str, Mapping[str, float]]
    map50: float | None
    fuser: str
    versions: Mapping[str, str]


def percentiles(latencies: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Returns `p50` and `p95` of each stage's latencies; a stage without any is left out."""
    return {
        stage: {f"p{q}": round(float(np.percentile(values, q)), 3) for q in (50, 95)}
        for stage, values in latencies.items()
        if len(values)
    }


def installed_versions() -> dict[str, str]:
    """Returns the versions of what matters to a run, as far as it is installed; imports none of it."""
    versions = {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
    if "ROS_DISTRO" in os.environ:
        versions["ros"] = os.environ["ROS_DISTRO"]
    for name in _LIBRARIES:
        try:
            versions[name.removeprefix("ros-")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_summary(path: Path, summary: Summary) -> None:
    """Writes the summary as JSON; the file is replaced as a whole.

    Raises:
        RigError: The file cannot be written.
    """
    replace_text(path, json.dumps(asdict(summary), indent=2, allow_nan=False) + "\n")
