"""Rendered pairs of every condition against real ones: figures of each image and of the pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.calibration.rig import Camera, Pose, Rig
from tardal_ros.registration.agc import Agc, to_grey8
from tardal_ros.registration.warp import Warp, registering_warp
from tardal_ros.simulation import HAZARDS, INFRARED, VISIBLE, RigGeometry, Scene, default_rig
from tardal_ros.types import Array

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
WIDTH = 320

CONDITIONS = ("day", "overcast", "night", *HAZARDS)
SEEDS = 3
MOMENT = 1.0


def entropy(image: Array) -> float:
    share = np.bincount(image.ravel(), minlength=256) / image.size
    return float(-np.sum(share[share > 0] * np.log2(share[share > 0])))


def mutual_information(one: Array, two: Array) -> float:
    joint = np.histogram2d(one.ravel(), two.ravel(), 64, [[0, 256], [0, 256]])[0] / one.size
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return float(np.sum(joint[joint > 0] * np.log2(joint[joint > 0] / apart[joint > 0])))


def gradient_slope(image: Array) -> float:
    """How fast gradients become rarer with strength: of log frequency over strength in mean strengths."""
    smooth = image.astype(np.float32)
    strength = np.hypot(np.diff(smooth, axis=1)[:-1], np.diff(smooth, axis=0)[:, :-1])
    share, edges = np.histogram(strength / max(float(strength.mean()), 1e-6), 20, (0.5, 6.0))
    kept = share > 0
    return float(np.polyfit(0.5 * (edges[1:] + edges[:-1])[kept], np.log(share[kept]), 1)[0])


def spectrum_slope(image: Array) -> float:
    """Exponent of the power spectrum over spatial frequency, about -2 to -3 in natural images."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None])
    bands = np.geomspace(0.02, 0.4, 12)
    rings = np.digitize(frequency, bands)
    level = [np.log(power[rings == ring].mean()) for ring in range(1, len(bands))]
    return float(np.polyfit(np.log(np.sqrt(bands[1:] * bands[:-1])), level, 1)[0])


def figures(visible: Array, infrared: Array) -> dict[str, float]:
    size = WIDTH, round(WIDTH * visible.shape[0] / visible.shape[1])
    pair = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (visible, infrared)]
    found = {"MI": mutual_information(*pair)}
    for name, image in zip(("visible", "infrared"), pair, strict=True):
        found[f"{name} EN"], found[f"{name} SD"] = entropy(image), float(image.std())
        found[f"{name} gradients"], found[f"{name} spectrum"] = gradient_slope(image), spectrum_slope(image)
    return found


def real_pairs() -> Iterator[tuple[Array, Array]]:
    for name in ("msrs", "roadscene"):
        for path in sorted((DATA / name / "vi").iterdir())[:: 1 if name == "msrs" else 2]:
            infrared = next((DATA / name / "ir").glob(f"{path.stem}.*"))
            visible, warm = (cv2.imread(str(each), cv2.IMREAD_GRAYSCALE) for each in (path, infrared))
            assert visible is not None and warm is not None
            # Realigned images have black borders.
            seen = cv2.boundingRect((cv2.erode(warm, np.ones((3, 3), np.uint8)) > 0).astype(np.uint8))
            part = np.s_[seen[1] : seen[1] + seen[3], seen[0] : seen[0] + seen[2]]
            yield visible[part], warm[part]


def rig_of_like_resolution() -> tuple[RigGeometry, Warp]:
    """The two left eyes with about as many pixels as the real cameras had, and what registers them."""
    rig = default_rig()
    cameras = {VISIBLE: rig.scaled(0.5).cameras[VISIBLE], INFRARED: rig.cameras[INFRARED]}
    known = {
        name: Camera(each.frame_id, each.info, Pose(each.rotation, each.translation)) for name, each in cameras.items()
    }
    plane = rig.plane_normal / rig.plane_distance
    return replace(rig, cameras=cameras), registering_warp(Rig(known, plane), INFRARED, VISIBLE, rectify=False)


def rendered_pairs(condition: str) -> Iterator[tuple[Array, Array]]:
    """One pair of each of some scenes of the test split; a hazard's name stands for challenges that bring it."""
    rig, warp = rig_of_like_resolution()
    first, inside = HAZARDS.index(condition) if condition in HAZARDS else 0, np.s_[25:-25, 25:-25]
    for seed in range(8 + first, 8 + first + SEEDS * len(HAZARDS), len(HAZARDS)):
        scene = Scene(seed, "challenge" if condition in HAZARDS else condition, rig=rig)
        assert scene.hazard == (condition if condition in HAZARDS else "")
        counts = scene.view(INFRARED, MOMENT)
        warm = warp.apply(to_grey8(counts, Agc().update(counts)))
        yield cv2.cvtColor(scene.view(VISIBLE, MOMENT), cv2.COLOR_BGR2GRAY)[inside], warm[inside]


@pytest.fixture(scope="module")
def bounds() -> dict[str, tuple[float, float]]:
    """Between which values nine of ten real pairs lie, by figure."""
    if not (DATA / "msrs").is_dir():
        pytest.skip("needs ../shared/data beside the repository")
    real = [figures(*pair) for pair in real_pairs()]
    return {name: tuple(np.percentile([each[name] for each in real], (5, 95))) for name in real[0]}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_rendered_pairs_measure_like_real_ones(bounds: dict[str, tuple[float, float]], condition: str) -> None:
    rendered = [figures(*pair) for pair in rendered_pairs(condition)]
    medians = {name: float(np.median([each[name] for each in rendered])) for name in bounds}
    strange = [
        f"{name} of {condition} is {medians[name]:.2f}, real pairs have {low:.2f} to {high:.2f}"
        for name, (low, high) in bounds.items()
        if not low <= medians[name] <= high
    ]
    assert not strange, "\n".join(strange)
