"""Draws the pictures of docs/simulation.md: `tools/run python tools/gallery.py`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tardal_ros.registration.agc import to_grey8
from tardal_ros.simulation import INFRARED, VISIBLE, Scene
from tardal_ros.types import Array

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "simulation"
HEIGHT = 450
SCENES = {
    "day": (3, "day", "vehicle", 4.0),
    "overcast": (2, "overcast", "vehicle", 6.0),
    "night": (1, "night", "vehicle", 4.0),
    "smoke": (4, "challenge", "vehicle", 4.0),
    "fog": (5, "challenge", "vehicle", 4.0),
    "glare": (6, "challenge", "vehicle", 4.0),
    "rain": (7, "challenge", "vehicle", 4.0),
    "uav": (3, "day", "uav", 4.0),
}
"""By picture: seed, condition, view and moment."""


def beside(images: list[Array]) -> Array:
    """Images side by side, all of one height, in colour."""
    colour = [image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for image in images]
    sizes = [(round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT) for image in colour]
    return np.hstack(
        [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image, size in zip(colour, sizes, strict=True)]
    )


def truth_picture(scene: Scene, time: float) -> Array:
    """Boxes and instances, depth, and thermal targets."""
    truth, shown = scene.truth(VISIBLE, time), scene.view(VISIBLE, time).copy()
    hues = cv2.applyColorMap((truth.labels * 47 % 255).astype(np.uint8), cv2.COLORMAP_HSV)
    shown[truth.labels > 0] = shown[truth.labels > 0] // 2 + hues[truth.labels > 0] // 2
    for instance in truth.instances:
        left, top, right, bottom = instance.box.astype(int).tolist()
        cv2.rectangle(shown, (left, top), (right - 1, bottom - 1), (255, 255, 255), 1)
    near = np.clip(255.0 * 4.0 / truth.depth, 0, 255).astype(np.uint8)
    return beside([shown, cv2.applyColorMap(near, cv2.COLORMAP_INFERNO), truth.targets])


def main() -> None:
    """Draws all."""
    for name, (seed, condition, view, time) in SCENES.items():
        scene = Scene(seed, condition, view=view)
        picture = beside([scene.view(VISIBLE, time), to_grey8(scene.view(INFRARED, time))])
        cv2.imwrite(str(FOLDER / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        if name == "day":
            cv2.imwrite(str(FOLDER / "truth.jpg"), truth_picture(scene, time), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
