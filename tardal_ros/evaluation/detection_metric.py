"""Mean average precision as COCO defines it, with bootstrap confidence intervals over scenes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tardal_ros.datasets.labels import Objects
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.miss_rate import MissRate, miss_rate
from tardal_ros.evaluation.tracking import tracking_score
from tardal_ros.types import UNTRACKED, Detections

RESAMPLES = 500

_LEAST, _MOST = 1.0, 1e10
_SMALL, _MEDIUM = 32.0**2, 96.0**2
_SIZES = {
    "all": (_LEAST, _MOST),
    "small": (_LEAST, np.nextafter(_SMALL, 0.0)),
    "medium": (_SMALL, np.nextafter(_MEDIUM, 0.0)),
    "large": (_MEDIUM, _MOST),
}
"""Areas of boxes in square pixels, both ends included; the limits are those of COCO."""

DEFINITIONS = {
    "mAP@.5": "Mean over classes of COCO's average precision (101 recalls, all boxes of an image) where boxes fit at an"
    " overlap (intersection over union) of 0.5; classes by name, those that the detector does not know left out",
    "mAP@.5:.95": "The same, mean over the overlaps 0.5, 0.55 ... 0.95",
    "size": "mAP@.5 of objects by the area of their box in pixels of the evaluated image: small below 32 x 32, medium"
    " below 96 x 96, large from there on; wrong boxes count against their own size",
    "log-average miss rate": "Geometric mean of the miss rates (Dollar et al. 2012) of all classes at nine rates of"
    " false positives per image, 0.01 to 1, at an overlap of 0.5; lower is better",
    "track switches": "How often an object is found under another track number than before (IDSW of CLEAR MOT), summed"
    " over the sequences whose truth tells objects apart",
}
"""What the figures of a detection are, a sentence each."""


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


@dataclass(frozen=True, eq=False)
class Detail:
    """What stands behind a mean average precision, all at an overlap of 0.5.

    Attributes:
        sizes: By size of the objects: `small` below 32 x 32 pixels of area, `medium` below 96 x 96, and `large`. What
            is found and fits no object counts against the size that it has itself.
        curves: Recalls and precisions by class, (101,) each. The precision at a recall is the best one at that recall
            or more, as COCO takes it, and 0 at recalls that are not reached.
        missed: Miss rate against false positives per image, of all classes that count.
    """

    sizes: dict[str, Figure]
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    missed: MissRate


def score(images: Sequence[Judged], resamples: int = RESAMPLES) -> Scores:
    """Scores detections.

    A class counts if there are objects of it and the detector knows it (see `unknown_classes` for the others). The
    detector's classes are matched to the truth's by name, whatever their order and the case of the letters; a `person`
    is one of the `People`.

    Args:
        images: At least one, all of the same detector. Names and their order may differ from image to image.
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


def detail(images: Sequence[Judged], resamples: int = RESAMPLES) -> Detail:
    """Tells where the average precision comes from.

    Args:
        images: As for `score`.
        resamples: As for `score`.

    Raises:
        RigError: As by `score`.
        MissingDependencyError: As by `score`.
    """
    matches = _Matches(images, overlaps=(0.5,), sizes=tuple(_SIZES))
    every = range(len(images))
    sizes = {
        size: matches.figures(every, resamples, size)["map50"]
        for size in _SIZES
        if size != "all" and matches.count(every, size)
    }
    return Detail(sizes, matches.curves(), matches.misses())


def track_switches(images: Sequence[Judged]) -> int | None:
    """How often an object is found under another track number than before; see `tracking_score`.

    Args:
        images: Of one sequence, in order.

    Returns:
        The count; None where no box has a track, there is no object, or nobody tells objects apart.
    """
    truth = [_numbered(image) for image in images]
    found = [replace(each, names=tuple(map(class_key, each.names))) for each in (image.detections for image in images)]
    known = [each for each in truth if each is not None]
    if len(known) < len(truth) or not any(map(len, known)):
        return None
    if not any(each.track_ids is not None and (each.track_ids != UNTRACKED).any() for each in found):
        return None
    return tracking_score(known, found).id_switches


def _numbered(image: Judged) -> Detections | None:
    """The objects that need be found, with their numbers as tracks; None where there are no numbers."""
    objects, numbers = image.objects, image.objects.object_ids
    if numbers is None:
        return None
    chosen = ~objects.ignored
    return Detections(
        objects.xyxy[chosen].astype(np.float32),
        np.ones(int(chosen.sum()), np.float32),
        objects.class_ids[chosen],
        tuple(map(class_key, objects.names)),
        numbers[chosen],
    )


def can_be_scored(images: Sequence[Judged]) -> bool:
    """Whether there is an object of a class that the detector knows."""
    return bool(_shared(images))


def unknown_classes(images: Sequence[Judged]) -> tuple[str, ...]:
    """The classes of which there are objects to find, but which the detector does not have: they are not scored."""
    shared = _shared(images)
    return tuple(name for name in _present(images) if name not in shared)


def _shared(images: Sequence[Judged]) -> tuple[str, ...]:
    """The classes of which there are objects to find, and which the detector knows; by the truth's names."""
    known = {class_key(name) for names in {image.detections.names for image in images} for name in names}
    return tuple(name for name in _present(images) if class_key(name) in known)


def _present(images: Sequence[Judged]) -> tuple[str, ...]:
    """The classes of which there are objects to find, under the first name that the truth has for them."""
    names = {class_key(name): name for image in reversed(images) for name in reversed(image.objects.names)}
    order = dict.fromkeys(class_key(name) for image in images for name in image.objects.names)
    keys = {class_key(image.objects.names[number]) for image in images for number in _to_find(image.objects)}
    return tuple(names[key] for key in order if key in keys)


def _to_find(objects: Objects) -> set[int]:
    """The numbers of the classes of objects that count."""
    return set(objects.class_ids[~objects.ignored].tolist())


class _Matches:
    """Which detections are right, image by image; the matching is done once, for all subsets and resamples."""

    def __init__(
        self, images: Sequence[Judged], overlaps: Sequence[float] = (), sizes: Sequence[str] = ("all",)
    ) -> None:
        """Matches.

        Args:
            images: See `score`.
            overlaps: From which intersection over union on a box is right; those of COCO where there are none.
            sizes: Which objects count, keys of `_SIZES`.
        """
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
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            truth, found = (_dataset(images, self.names, annotations) for annotations in (_truths, _found))
            coco = COCOeval(truth, found, "bbox")
            settings = coco.params
            settings.maxDets = [max((len(image.detections) for image in images), default=1) or 1]
            settings.areaRng, settings.areaRngLbl = [_SIZES[size] for size in sizes], list(sizes)
            settings.iouThrs = np.array(overlaps) if overlaps else settings.iouThrs
            coco.evaluate()
        self._recalls = np.asarray(settings.recThrs, np.float64)
        matched = iter(coco.evalImgs)
        by_both = {
            (name, size): _Ranking([next(matched) for _ in images], len(settings.iouThrs))
            for name in self.names
            for size in sizes
        }
        self._rankings = {size: [by_both[name, size] for name in self.names] for size in sizes}

    def count(self, members: Sequence[int], size: str = "all") -> int:
        """How many objects of a size there are to find in some of the images."""
        return int(sum(ranking.counts[members].sum() for ranking in self._rankings[size]))

    def figures(self, members: Sequence[int], resamples: int, size: str = "all") -> dict[str, Figure]:
        """The figures of some of the images by name: `map50`, `map50_95`, and average precision at 0.5 by class.

        Args:
            members: Indices of the images.
            resamples: See `score`.
            size: Which objects count.
        """
        rng = np.random.default_rng(0)
        scenes, numbers = np.unique(np.array([self._scenes[index] for index in members]), return_inverse=True)
        weights, drawn = np.zeros(len(self._scenes), np.int64), []
        for _ in range(resamples):
            times = np.bincount(rng.integers(0, len(scenes), len(scenes)), minlength=len(scenes))
            weights[members] = times[numbers]
            drawn.append(self._averages(weights, size))
        weights[members] = 1
        counts = {
            name: int(ranking.counts @ weights) for name, ranking in zip(self.names, self._rankings[size], strict=True)
        }
        total = sum(counts.values())
        return {
            name: Figure(round(value, 4), *_interval([each[name] for each in drawn], value), counts.get(name, total))
            for name, value in self._averages(weights, size).items()
        }

    def curves(self) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Recalls and precisions by class, of all images."""
        once = np.ones(len(self._scenes), np.int64)
        return {
            name: (self._recalls, ranking.precision(once, self._recalls)[0])
            for name, ranking in zip(self.names, self._rankings["all"], strict=True)
        }

    def misses(self) -> MissRate:
        """The curve of all images."""
        rankings, images = self._rankings["all"], len(self._scenes)
        scores = np.concatenate([ranking.scores[ranking.counted[0]] for ranking in rankings])
        right = np.concatenate([ranking.right[0, ranking.counted[0]] for ranking in rankings])
        return miss_rate(scores, right, self.count(range(images)), images)

    def _averages(self, weights: NDArray[np.int64], size: str) -> dict[str, float]:
        """The values of `figures`, NaN where there is no object, of images that count so many times."""
        precision = np.array(
            [ranking.precision(weights, self._recalls).mean(axis=1) for ranking in self._rankings[size]]
        )  # (class, overlap)
        there = ~np.isnan(precision[:, 0])
        overall = [precision[there, 0].mean(), precision[there].mean()] if there.any() else [np.nan, np.nan]
        names = ("map50", "map50_95", *self.names)
        return dict(zip(names, np.concatenate([overall, precision[:, 0]]).tolist(), strict=True))


class _Ranking:
    """What was found of one class, best first over all images.

    pycocotools accumulates that too, but takes minutes for the resamples that this does in seconds.

    Attributes:
        scores: (N,)
        right: (T, N) whether it fits an object that counts, by overlap.
        counted: (T, N) whether it is right or wrong, and not to be ignored.
        counts: (I,) the objects to find in each image.
    """

    def __init__(self, matched: Sequence[dict[str, Any] | None], overlaps: int) -> None:
        """Takes what pycocotools matched in each image."""
        found = [(index, each) for index, each in enumerate(matched) if each is not None]
        scores = np.concatenate([np.zeros(0), *(each["dtScores"] for _, each in found)])
        fitting = np.concatenate([np.zeros((overlaps, 0)), *(each["dtMatches"] for _, each in found)], axis=1) > 0
        ignored = np.concatenate([np.zeros((overlaps, 0)), *(each["dtIgnore"] for _, each in found)], axis=1) > 0
        order = np.argsort(-scores, kind="stable")
        images = np.repeat([index for index, _ in found], [len(each["dtScores"]) for _, each in found])
        self._images = images.astype(np.int64)[order]
        self.scores, self.counted = scores[order], ~ignored[:, order]
        self.right = fitting[:, order] & self.counted
        self.counts = np.array([0 if each is None else np.sum(each["gtIgnore"] == 0) for each in matched], np.int64)

    def precision(self, weights: NDArray[np.int64], recalls: NDArray[np.float64]) -> NDArray[np.float64]:
        """(T, R) best precision at a recall or more, as COCO takes it; NaN where there is no object.

        Args:
            weights: (I,) how many times each image counts.
            recalls: (R,)
        """
        objects = int(self.counts @ weights)
        if not objects:
            return np.full((len(self.right), len(recalls)), np.nan)
        times = weights[self._images]
        right, counted = np.cumsum(self.right * times, axis=1), np.cumsum(self.counted * times, axis=1)
        best = np.maximum.accumulate((right / np.maximum(counted, 1))[:, ::-1], axis=1)[:, ::-1]
        best = np.pad(best, ((0, 0), (0, 1)))  # recalls that are not reached
        reached = right / objects
        return np.array([row[np.searchsorted(at, recalls)] for row, at in zip(best, reached, strict=True)])


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
        # pycocotools overwrites `ignore`; what is out of all sizes it ignores too.
        {"category_id": known[name], **_bounds(box), "iscrowd": 0, **({"area": 0.0} if ignored else {})}
        for box, number, ignored in zip(objects.xyxy, objects.class_ids, objects.ignored, strict=True)
        if (name := class_key(objects.names[number])) in known
    ]


def _found(image: Judged, known: dict[str, int]) -> list[dict[str, Any]]:
    found = image.detections
    return [
        {"category_id": known[name], **_bounds(box), "score": float(score)}
        for box, score, number in zip(found.xyxy, found.scores, found.class_ids, strict=True)
        if (name := class_key(found.names[number])) in known
    ]


def _bounds(box: Any) -> dict[str, Any]:
    left, top, right, bottom = (float(edge) for edge in box)
    width, height = right - left, bottom - top
    return {"bbox": [left, top, width, height], "area": min(max(width * height, _LEAST), _MOST)}


def class_key(name: str) -> str:
    """A class name for comparison."""
    return {"people": "person", "pedestrian": "person"}.get(name.lower(), name.lower())


def _interval(values: Sequence[float], value: float) -> tuple[float, float]:
    known = [each for each in values if np.isfinite(each)] or [value]
    low, high = np.percentile(known, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)
