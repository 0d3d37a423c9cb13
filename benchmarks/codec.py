"""What image messages cost: milliseconds to decode and to encode one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from std_msgs.msg import Header

from tardal_ros.ros import images
from tardal_ros.types import Array


def rows(repeats: int = 50) -> list[dict[str, object]]:
    """Returns one row a step: `name`, `value` (median) and `unit`."""
    random = np.random.default_rng(0)
    colour = random.integers(0, 256, (768, 1024, 3), np.uint8)
    counts = random.integers(0, 1 << 14, (512, 640), np.uint16)
    steps = _steps("1024x768 bgr8", colour) | _steps("640x512 mono16", counts)
    swapped = images.encode(colour, Header())
    swapped.encoding = "rgb8"
    steps["decode 1024x768 rgb8"] = lambda: images.decode(swapped)
    return [
        {"name": f"codec: {name}", "value": round(_median_ms(step, repeats), 4), "unit": "ms"}
        for name, step in steps.items()
    ]


def _steps(name: str, image: Array) -> dict[str, Callable[[], object]]:
    message = images.encode(image, Header())
    return {
        f"decode {name}": lambda: images.decode(message),
        f"encode {name}": lambda: images.encode(image, Header()),
    }


def _median_ms(step: Callable[[], object], repeats: int) -> float:
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<40} {row['value']:>9} {row['unit']}")
