from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="needs pycocotools: `make test` sets it up")

from tardal_ros.detection.boxes import Boxes
from tardal_ros.detection.detector import Detector
from tardal_ros.detection.laps import Laps
from tardal_ros.errors import RigError
from tardal_ros.evaluation.detection import LOOKS, as_table, open_labelled, score_dataset, score_run
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.types import Detections


class Bright:
    """A model that finds one car: whatever is bright."""

    names = ("People", "Car")
    device = "cpu"
    channels = 3

    def __init__(self):
        self.laps = Laps()

    def find(self, image):
        points = cv2.findNonZero((image > 128).reshape(*image.shape[:2], -1).any(axis=2).astype(np.uint8))
        if points is None:
            return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        left, top, width, height = cv2.boundingRect(points)
        box = np.array([[left, top, left + width, top + height]], np.float32)
        return Boxes(box, np.ones(1, np.float32), np.ones(1, np.int64))


@pytest.fixture
def warm_cars(tmp_path):
    """Four pairs, each with a car that infrared alone shows."""
    for part in ("vi", "ir", "labels"):
        (tmp_path / part).mkdir()
    (tmp_path / "classes.txt").write_text("person\ncar\n")
    for number in range(4):
        infrared = np.zeros((48, 64), np.uint8)
        infrared[12:36, 16:48] = 250
        cv2.imwrite(str(tmp_path / "vi" / f"{number}.png"), np.full((48, 64, 3), 9, np.uint8))
        cv2.imwrite(str(tmp_path / "ir" / f"{number}.png"), infrared)
        (tmp_path / "labels" / f"{number}.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    return tmp_path


@pytest.fixture
def laplacian():
    return FusionStage(create_fuser("laplacian"))


def test_each_spectrum_is_scored_by_itself(warm_cars, laplacian):
    scores = score_dataset(
        Detector(Bright(), confidence=0.01),
        open_labelled(warm_cars),
        laplacian,
        resamples=20,
    )

    assert scores["infrared"].map50.value == 1.0 and scores["visible"].map50.value == 0.0
    assert set(scores) == {"fused", "visible", "infrared"}
    assert scores["infrared"].images == scores["infrared"].scenes == 4


def test_progress_is_told_by_pairs(warm_cars, laplacian):
    told = []
    score_dataset(
        Detector(Bright()), open_labelled(warm_cars), laplacian, 20, lambda done, total: told.append((done, total))
    )

    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_black_border_of_a_warped_picture_is_not_seen(warm_cars):
    infrared = np.full((48, 64), 90, np.uint8)
    infrared[:, :12] = 0
    cv2.imwrite(str(warm_cars / "ir" / "0.png"), infrared)
    seen = open_labelled(warm_cars).load(0).seen

    assert not seen[:, :12].any() and seen[:, 16:].all()


def test_a_data_set_without_labels_is_refused(warm_cars):
    shutil.rmtree(warm_cars / "labels")
    with pytest.raises(RigError, match="has no labels to judge by"):
        open_labelled(warm_cars)


def test_the_real_pairs_are_read():
    folder = Path(__file__).resolve().parents[2].parent / "shared/data/msrs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/msrs beside the repository")
    dataset = open_labelled(folder)
    ids = np.concatenate([dataset.load(index).objects.class_ids for index in range(len(dataset))])

    assert len(dataset) == 34 and dataset.names == ("person", "bicycle", "car")
    assert np.bincount(ids).tolist() == [150, 12, 32]


def test_the_table_tells_value_interval_and_count(warm_cars, laplacian):
    table = as_table(score_dataset(Detector(Bright()), open_labelled(warm_cars), laplacian, resamples=20)["infrared"])

    assert "| all | 1.000 | 1.000 to 1.000 | 4 |" in table
    assert "| car | 1.000 |" in table and "| real | 1.000 |" in table


@dataclass(frozen=True)
class There:
    box: np.ndarray
    class_id: int = 1
    visibility: float = 1.0
    number: int = 1


@dataclass(frozen=True)
class Seen:
    instances: tuple


class Drive:
    """Stands for a scene in which one car moves by 10 pixels a second."""

    def __init__(self):
        self.asked = []

    def truth(self, stream, time):
        self.asked.append((stream, time))
        return Seen((There(np.array([10.0, 10.0, 50.0, 40.0]) + 10.0 * time * np.array([1, 0, 1, 0])),))


def found_at(time, names=("People", "Car")):
    box = np.array([[10.0 + 10.0 * time, 10.0, 50.0 + 10.0 * time, 40.0]], np.float32)
    return Detections(box, np.ones(1, np.float32), np.ones(1, np.int64), names)


def test_a_run_is_held_against_the_moments_it_saw():
    right = score_run([(time, found_at(time)) for time in (0.0, 2.0, 4.0)], Drive())
    late = score_run([(time, found_at(time - 2.0)) for time in (2.0, 4.0)], Drive())

    assert right.value == 1.0 and right.objects == 3
    assert late.value == 0.0


def test_a_long_run_is_looked_at_here_and_there():
    scene = Drive()
    score_run([(time / 10, found_at(time / 10)) for time in range(1000)], scene)

    times = [time for _, time in scene.asked]
    assert len(times) == LOOKS and times[0] == 0.0 and times[-1] == 99.9
    assert {stream for stream, _ in scene.asked} == {"visible/left"}


def test_a_run_that_cannot_be_scored_has_no_figure():
    assert score_run([], Drive()) is None
    assert score_run([(0.0, found_at(0.0, ("tree", "dog")))], Drive()) is None
