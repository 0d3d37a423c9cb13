"""Mean average precision as COCO defines it, with bootstrap confidence intervals over scenes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.types import Detections

RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class Judged:
    """One image, with what was found and what is there.

    Attributes:
        scene: Images of one scene resemble each other; resampling takes or leaves them together.
        condition: The group of images that it belongs to.
        detections: What was found.
        objects: What is there.
    """

    scene: str
    condition: str
    detections: Detections
    objects: Objects


@dataclass(frozen=True)
class Figure:
    """A mean average precision and its 95 % confidence interval.

    Attributes:
        value: In [0, 1].
        low: Percentile 2.5 of the bootstrap.
        high: Percentile 97.5.
        objects: How many objects there were to find.
    """

    value: float
    low: float
    high: float
    objects: int


@dataclass(frozen=True)
class Scores:
    """How well a detector does.

    Attributes:
        map50: Over all images, at an overlap (intersection over union) of 0.5.
        map50_95: Over all images, the mean over overlaps 0.5 to 0.95.
        classes: At an overlap of 0.5, by class.
        conditions: At an overlap of 0.5, by condition.
        images: How many there were.
        scenes: How many there were.
    """

    map50: Figure
    map50_95: Figure
    classes: dict[str, Figure]
    conditions: dict[str, Figure]
    images: int
    scenes: int


def score(images: Sequence[Judged], resamples: int = RESAMPLES) -> Scores:
    """Scores detections.

    A class counts if there are objects of it and the detector knows it. The detector's classes are matched to the
    truth's by name, whatever the case of the letters; a `person` is one of the `People`.

    Args:
        images: At least one, all with the same class names and the same detector.
        resamples: How many times scenes are drawn with replacement for the intervals.

    Raises:
        RigError: Detector and truth share no class of which there is an object.
        MissingDependencyError: pycocotools is not installed.
    """
    matches = _Matches(images)
    every = list(range(len(images)))
    overall = matches.figures(every, resamples)
    conditions = {}
    for name in sorted({image.condition for image in images}):
        members = [index for index in every if images[index].condition == name]
        if matches.count(members):
            conditions[name] = matches.figures(members, resamples)["map50"]
    return Scores(
        overall.pop("map50"),
        overall.pop("map50_95"),
        overall,
        conditions,
        len(images),
        len({image.scene for image in images}),
    )


def can_be_scored(images: Sequence[Judged]) -> bool:
    """Whether there is an object of a class that the detector knows."""
    return bool(_shared(images))


def _shared(images: Sequence[Judged]) -> tuple[str, ...]:
    """The classes of which there are objects to find, and which the detector knows; by the truth's names."""
    if not images:
        return ()
    known = {class_key(name) for name in images[0].detections.names}
    truth = images[0].objects.names
    present = {truth[number] for image in images for number in image.objects.class_ids[~image.objects.ignored]}
    return tuple(name for name in truth if name in present and class_key(name) in known)


class _Matches:
    """Which detections are right, image by image; the matching is done once, for all subsets and resamples."""

    def __init__(self, images: Sequence[Judged]) -> None:
        try:
            from pycocotools.cocoeval import COCOeval
        except ImportError:
            raise MissingDependencyError(
                "Scoring detections needs pycocotools: run `pip install '.[report]'` in the checkout."
            ) from None
        self._scenes = [image.scene for image in images]
        self.names = _shared(images)
        if not self.names:
            raise RigError(
                "There is nothing to score: the images show no object of a class that the detector knows"
                f" ({', '.join(images[0].detections.names) if images else 'there are no images'})."
            )
        self._counts = [[_count(image, name) for name in self.names] for image in images]
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            self._coco = COCOeval(_dataset(images, self.names, _truths), _dataset(images, self.names, _found), "bbox")
            settings = self._coco.params
            settings.maxDets = [max((len(image.detections) for image in images), default=1) or 1]
            settings.areaRng, settings.areaRngLbl = [[_COUNTS / 2, 1e12]], ["all"]
            self._coco.evaluate()
        size = len(images)
        matched = self._coco.evalImgs
        self._matched = [matched[start : start + size] for start in range(0, len(matched), size)]

    def count(self, members: Sequence[int]) -> int:
        """How many objects there are to find in some of the images."""
        return sum(sum(self._counts[index]) for index in members)

    def figures(self, members: Sequence[int], resamples: int) -> dict[str, Figure]:
        """The figures of some of the images by name: `map50`, `map50_95`, and average precision at 0.5 by class.

        Args:
            members: Indices of the images.
            resamples: See `score`.
        """
        rng = np.random.default_rng(0)
        scenes = sorted({self._scenes[index] for index in members})
        of_scene = {scene: [index for index in members if self._scenes[index] == scene] for scene in scenes}
        drawn = []
        for _ in range(resamples):
            chosen = rng.integers(0, len(scenes), len(scenes))
            sample = [index for number in chosen for index in of_scene[scenes[number]]]
            if self.count(sample):
                drawn.append(self._averages(sample))
        counts = {name: sum(self._counts[index][number] for index in members) for number, name in enumerate(self.names)}
        total = sum(counts.values())
        return {
            name: Figure(round(value, 4), *_interval([each[name] for each in drawn], value), counts.get(name, total))
            for name, value in self._averages(members).items()
        }

    def _averages(self, members: Sequence[int]) -> dict[str, float]:
        coco = self._coco
        images = [[matched[index] for index in members] for matched in self._matched]
        coco.evalImgs = [each for matched in images for each in matched]
        coco.params.imgIds = list(range(len(members)))  # images drawn twice count twice
        coco._paramsEval = coco.params
        with contextlib.redirect_stdout(io.StringIO()):
            coco.accumulate()
        precision = coco.eval["precision"][:, :, :, 0, 0].mean(axis=1)  # (overlap, class), -1 where there is no object
        precision = np.where(precision < 0.0, np.nan, precision)
        averages = {"map50": float(np.nanmean(precision[0])), "map50_95": float(np.nanmean(precision))}
        return averages | {name: float(precision[0, number]) for number, name in enumerate(self.names)}


# The area of an object that counts; ignored ones have none, and thereby lie outside of the range that counts.
_COUNTS = 1.0


def _dataset(images: Sequence[Judged], names: tuple[str, ...], annotations: Callable[..., list[dict[str, Any]]]) -> Any:
    """What pycocotools reads, made of what is true or of what was found."""
    from pycocotools.coco import COCO

    known = {class_key(name): number for number, name in enumerate(names)}
    listed = [
        {**annotation, "image_id": index}
        for index, image in enumerate(images)
        for annotation in annotations(image, known)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index} for index in range(len(images))],
        "categories": [{"id": number} for number in range(len(names))],
        # Number 0 would count as no match.
        "annotations": [{**annotation, "id": number} for number, annotation in enumerate(listed, 1)],
    }
    coco.createIndex()
    return coco


def _truths(image: Judged, known: dict[str, int]) -> list[dict[str, Any]]:
    objects = image.objects
    return [
        {"category_id": known[name], "bbox": _corner_and_size(box), "area": 0.0 if ignored else _COUNTS, "iscrowd": 0}
        for box, number, ignored in zip(objects.xyxy, objects.class_ids, objects.ignored, strict=True)
        if (name := class_key(objects.names[number])) in known
    ]


def _found(image: Judged, known: dict[str, int]) -> list[dict[str, Any]]:
    found = image.detections
    return [
        {"category_id": known[name], "bbox": _corner_and_size(box), "area": _COUNTS, "score": float(score)}
        for box, score, number in zip(found.xyxy, found.scores, found.class_ids, strict=True)
        if (name := class_key(found.names[number])) in known
    ]


def _corner_and_size(box: Any) -> list[float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return [left, top, right - left, bottom - top]


def _count(image: Judged, name: str) -> int:
    objects = image.objects
    return int(((objects.class_ids == objects.names.index(name)) & ~objects.ignored).sum())


def class_key(name: str) -> str:
    """A class name for comparison."""
    return {"people": "person", "pedestrian": "person"}.get(name.lower(), name.lower())


def _interval(values: Sequence[float], value: float) -> tuple[float, float]:
    known = [each for each in values if np.isfinite(each)] or [value]
    low, high = np.percentile(known, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)
