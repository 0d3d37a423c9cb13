"""What rendering costs: rig frames (four images) a second, encoding excluded."""

from __future__ import annotations

import time

from tardal_ros.simulation import CONDITIONS, Scene, default_rig

WANTED = 20.0
"""Rig frames a second at half size on two cores."""


def rows(frames: int = 40) -> list[dict[str, object]]:
    """Returns one row a condition and size: `name`, `value` and `unit`."""
    result: list[dict[str, object]] = []
    for scale, conditions in ((0.5, CONDITIONS), (1.0, CONDITIONS[:1])):
        for condition in conditions:
            start = time.perf_counter()
            scene = Scene(0, condition, rig=default_rig().scaled(scale))
            built = time.perf_counter() - start
            for index in range(10):
                scene.render(index / 10)
            start = time.perf_counter()
            for index in range(frames):
                scene.render(1.0 + index / 10)
            rate = frames / (time.perf_counter() - start)
            name = f"simulation: {condition}, scale {scale:g}"
            result.append({"name": name, "value": round(rate, 1), "unit": "rig frames/s"})
            result.append({"name": f"{name}, building", "value": round(built, 2), "unit": "s"})
    return result


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<50} {row['value']:>9} {row['unit']}")
