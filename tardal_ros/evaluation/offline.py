"""Recordings through the rig's own stages, in order and without losses, by any number of fusers at once.

What a recording amounts to is a file of JSON lines, see `evaluate`: a header, a line for each moment, and an end, so
that a file without its end is known to be unfinished. All numbers but the times of the stages are the same in each run.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from tardal_ros.calibration import load_rig
from tardal_ros.capture.folder import read_image
from tardal_ros.capture.pairs import as_visible
from tardal_ros.datasets.labels import Objects
from tardal_ros.datasets.layouts import pictures
from tardal_ros.detection.detector import Detector, create_detector
from tardal_ros.detection.drawing import draw
from tardal_ros.detection.tracking import LOWEST, Tracker
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.evaluation.fusion import REFERENCES, create_fusers
from tardal_ros.evaluation.fusion_metric import DEFINITIONS, quality
from tardal_ros.evaluation.lines import box_line, object_line, quality_line
from tardal_ros.evaluation.recording import Moment, Recording, fingerprint
from tardal_ros.evaluation.registration_error import registration_error
from tardal_ros.evaluation.shots import Shots
from tardal_ros.files import sha256_of
from tardal_ros.fusion.colour import luma
from tardal_ros.fusion.fuser import Fuser
from tardal_ros.fusion.shipped import shipped_weights
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.pipeline import run_in_order
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.types import UNTRACKED, Array, Detections, Fused, Pair, freeze

CONFIDENCE = 0.01
"""Lowest score of a box that is written down: a precision is the mean over all recalls. The rig reports fewer."""

VERSION = 1
"""Of the files; older ones are made anew."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # As malloc.h has them.
_LARGEST, _SPARE = 32 << 20, 512 << 20  # Bytes: of an array that comes out of the kept memory, and of that memory.


@dataclass(frozen=True)
class Settings:
    """How recordings are evaluated.

    Attributes:
        fusers: See `evaluation.fusion.create_fusers`.
        detector: Weights file of the detector, or `hog`; empty for none.
        scale: Fraction of the resolution to fuse at.
        limit: The first so many moments of each recording; None for all.
        fused: Folders of images that were fused elsewhere, called as the moments, by the name of what fused them.
    """

    fusers: tuple[str, ...]
    detector: str = ""
    scale: float = 1.0
    limit: int | None = None
    fused: tuple[tuple[str, Path], ...] = ()

    def hashes(self) -> dict[str, str]:
        """The sha256 of each weights file.

        Raises:
            RigError: One cannot be read.
        """
        named = [specification.partition(":") for specification in self.fusers]
        weights = [path or str(shipped_weights(name) or "") for name, _, path in named]
        files = [path for path in (*weights, self.detector) if path not in ("", "hog")]
        return {path: sha256_of(Path(path)) for path in files}

    def key(self, calibration: Path | None) -> str:
        """Changes when other figures would come out, for the same data.

        Raises:
            RigError: A file cannot be read.
        """
        told = [VERSION, asdict(self), self.hashes(), DEFINITIONS, sha256_of(calibration) if calibration else ""]
        told += [fingerprint(folder.glob("*")) for _, folder in self.fused]
        return hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode()).hexdigest()

    def fusing(self) -> dict[str, Fuser]:
        """Makes the fusers by name.

        Raises:
            RigError: One cannot be made, or has the name of one of `fused`.
        """
        fusers = create_fusers(self.fusers)
        for fuser in fusers.values():
            fuser.scale = self.scale
        names = [*fusers, *(name for name, _ in self.fused)]
        if not names:
            raise RigError("There is nothing to evaluate: name a fuser, or a folder of fused images.")
        if twice := [name for name in names if names.count(name) > 1]:
            raise RigError(f"Two fusers are called '{twice[0]}': give one of them another name.")
        return fusers


def prepare_process() -> None:
    """Sets this process up to share the machine with others of its kind.

    The libraries use one thread each; sums come out the same to the last bit then, whatever the number of processes.
    Memory of images that are done with is kept for the next ones, in place of given back to the system and fetched
    again: that took half of the time, and two processes get in each other's way at it.
    """
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is not loaded yet; loading it takes seconds
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # glibc
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        library.mallopt(_M_TRIM_THRESHOLD, _SPARE)


def result_path(folder: Path, name: str) -> Path:
    """Where the result of a recording is."""
    return folder / "recordings" / f"{name}.jsonl"


def is_finished(folder: Path, recording: Recording, settings: Settings) -> bool:
    """Whether the result of a recording is there, of the same data and settings.

    Raises:
        RigError: The data or the weights cannot be read.
    """
    try:
        with result_path(folder, recording.name).open(encoding="utf-8") as file:
            header = json.loads(file.readline())
    except (OSError, ValueError):
        return False
    return bool(header == _header(recording, settings))


def evaluate(
    recording: Recording, settings: Settings, folder: Path, on_moment: Callable[[], None] = lambda: None
) -> None:
    """Evaluates a recording; its files are replaced as a whole, in the end.

    Args:
        recording: What to evaluate.
        settings: How.
        folder: Where `recordings/NAME.jsonl` goes, and pictures into `shots/NAME/`.
        on_moment: Called after each moment.

    Raises:
        RigError: The recording, a fuser or the detector cannot be used; the sentence names what.
        MissingDependencyError: A library is not installed.
    """
    path = result_path(folder, recording.name)
    draft = path.with_name(f".{path.name}.draft")  # nobody else writes here, since the folder is locked
    try:
        judge = Judge(settings, recording.calibration)
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(_header(recording, settings)) + "\n")
            for row in _rows(recording, settings.limit, judge):
                file.write(json.dumps(row, allow_nan=False) + "\n")
                on_moment()
            shutil.rmtree(folder / "shots" / recording.name, ignore_errors=True)
            shots = judge.shots.save(folder, recording.name)
            end = {
                "pairing": recording.pairing(),
                "problems": [*recording.problems, *judge.problems],
                "classes": judge.classes,
                "shots": shots,
                "finished": True,
            }
            file.write(json.dumps(end) + "\n")
        draft.replace(path)
    except RigError as error:
        raise type(error)(f"{recording.name}: {error}") from None
    except OSError as error:
        raise RigError(f"{path} cannot be written ({error.strerror}): make room or choose another folder.") from None
    finally:
        draft.unlink(missing_ok=True)


def _rows(recording: Recording, limit: int | None, judge: Judge) -> Iterator[dict[str, Any]]:
    empty = True
    with closing(recording.moments()) as moments:  # type: ignore[type-var]
        for row in run_in_order([judge], islice(moments, limit)):
            empty = False
            yield row
    if empty:
        why = f" ({recording.problems[0]})" if recording.problems else ""
        raise RigError(f"there is no pair to evaluate{why}; check that both spectra are there, and their stamps.")


def _header(recording: Recording, settings: Settings) -> dict[str, Any]:
    return {
        "recording": recording.name,
        "dataset": recording.dataset,
        "fingerprint": recording.fingerprint(),
        "settings": settings.key(recording.calibration),
    }


class Judge:
    """The rig's stages and the metrics, as one stage: moments in, lines of the result out.

    Attributes:
        shots: The moments worth a look.
        problems: What could not be done, one sentence each.
        classes: The detector's class names.
    """

    name = "evaluation"

    def __init__(self, settings: Settings, calibration: Path | None) -> None:
        """Loads fusers and detector.

        Args:
            settings: How to evaluate.
            calibration: See `Recording`.

        Raises:
            RigError: A file cannot be used.
            MissingDependencyError: A library is not installed.
        """
        self._rig = load_rig(calibration) if calibration else None
        self._registration = RegistrationStage(self._rig)
        detector = create_detector(settings.detector) if settings.detector else None
        ways: dict[str, _Way] = {name: _Fusing(fuser) for name, fuser in settings.fusing().items()}
        ways |= {name: _Given(name, folder) for name, folder in settings.fused}
        self._ways = ways
        self._seekers = {name: _Seeker(detector) for name in ways} if detector else {}
        self.classes = detector.names if detector else ()
        self._confidence = detector.confidence if detector else 0.0
        self._rivals = [name for name in ways if name not in REFERENCES]
        self.shots = Shots()
        self.problems = list(dict.fromkeys(seeker.problem for seeker in self._seekers.values() if seeker.problem))

    def process(self, moment: Moment) -> dict[str, Any]:
        """Takes a moment through registration, and through fusion, detection and the metrics of each fuser.

        Raises:
            RigError: A stage cannot use it; the sentence names it.
        """
        try:
            return self._process(moment)
        except RigError as error:
            raise RigError(f"moment {moment.name}: {error}") from None

    def reset(self) -> None:
        """Forgets earlier moments."""
        self._registration.reset()
        for way in self._ways.values():
            way.reset()
        for seeker in self._seekers.values():
            seeker.reset()

    def _process(self, moment: Moment) -> dict[str, Any]:
        pair = self._registration.process(moment.pair)
        visible, infrared = luma(pair.visible.left.image), pair.infrared.left.image
        width, height = pair.visible.left.size
        if moment.objects is not None:
            _check_inside(moment.objects, width, height)
        rows: dict[str, dict[str, Any]] = {}
        fused_images: dict[str, Array] = {}
        lumas: dict[str, Array] = {}
        found: dict[str, Detections | None] = {}
        for name, way in self._ways.items():
            fused, fuse_ms = way.fuse(moment.name, pair)
            image = fused_images[name] = fused.frame.image
            lumas[name] = luma(image)
            values = quality(lumas[name], visible, infrared, pair.mask)
            seeker = self._seekers.get(name)
            found[name], detect_ms = seeker.seek(fused) if seeker else (None, None)
            rows[name] = {
                "quality": quality_line(values),
                "fuse_ms": fuse_ms,
                "detect_ms": detect_ms,
                "detections": [] if (boxes := found[name]) is None else _listed(boxes),
                "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
            }

        def render() -> Mapping[str, Array]:
            drawn = {
                name: image if (boxes := found[name]) is None else draw(image, _from(boxes, self._confidence))
                for name, image in fused_images.items()
            }
            return {"visible": pair.visible.left.image, "infrared": infrared} | drawn

        qabf = {name: rows[name]["quality"]["Qabf"] for name in self._rivals}
        known = {name: math.nan if value is None else value for name, value in qabf.items()}
        self.shots.look(moment.name, known, {name: lumas[name] for name in self._rivals}, render)
        return {
            "name": moment.name,
            "scene": moment.scene,
            "condition": moment.condition,
            "stamp": moment.stamp,
            "skew_ms": round(pair.skew / 1e6, 6),
            "width": width,
            "height": height,
            "objects": None if moment.objects is None else _true(moment.objects),
            "classes": [] if moment.objects is None else list(moment.objects.names),
            "registration_px": self._registration_px(moment),
            "fusers": rows,
        }

    def _registration_px(self, moment: Moment) -> dict[str, float] | None:
        """How far registration is off; None where that is not known, or pairs are registered already."""
        registered = moment.pair.visible.left.frame_id == moment.pair.infrared.left.frame_id
        if self._rig is None or moment.depth is None or registered:
            return None
        errors = registration_error(self._rig, moment.depth)
        if not len(errors):
            return None
        median, p95 = np.percentile(errors, (50, 95))
        return {"median": round(float(median), 4), "p95": round(float(p95), 4)}


class _Way(Protocol):
    """How a fused image comes about."""

    def fuse(self, name: str, pair: Pair) -> tuple[Fused, float | None]:
        """The fused image of a moment, and the milliseconds that it took."""

    def reset(self) -> None:
        """Forgets earlier moments."""


class _Fusing:
    """By the rig's own stage."""

    def __init__(self, fuser: Fuser) -> None:
        self._stage = FusionStage(fuser)

    def fuse(self, name: str, pair: Pair) -> tuple[Fused, float | None]:
        begun = time.perf_counter()
        fused = self._stage.process(pair)
        return fused, _milliseconds(begun)

    def reset(self) -> None:
        self._stage.reset()


class _Given:
    """Elsewhere, as a file."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        self._files = pictures(folder)

    def fuse(self, name: str, pair: Pair) -> tuple[Fused, float | None]:
        path = self._files.get(name)
        if path is None:
            raise RigError(f"{self._folder} has no image {name}.* of {self._name}: add it, or leave {self._name} out.")
        image, visible = as_visible(read_image(path)), pair.visible.left
        if image.shape[:2] != visible.image.shape[:2]:
            sizes = ["{1}x{0}".format(*each.shape) for each in (image, visible.image)]
            raise RigError(f"{path} is {sizes[0]} and the pair {sizes[1]}: give fused images at the size of the pairs.")
        return Fused(replace(visible, image=freeze(image)), pair), None

    def reset(self) -> None:
        """Nothing is remembered."""


class _Seeker:
    """The rig's detector and tracker, which also writes down what is too unsure for the rig to report.

    Attributes:
        problem: Why there are no tracks, in a sentence; empty where there are.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._tracker: Tracker | None = None
        self.problem = ""
        try:
            self._tracker = Tracker()
        except MissingDependencyError as error:
            self.problem = str(error)

    def seek(self, fused: Fused) -> tuple[Detections, float]:
        """All boxes from `CONFIDENCE` on, best first, and the milliseconds that it took."""
        begun = time.perf_counter()
        found = self._detector.detect(fused.frame.image, CONFIDENCE)
        if self._tracker is not None:
            # The tracker gets what it does in `DetectionStage`, and gives ids to the first ones of all.
            tracked = self._tracker.track(_from(found, LOWEST), fused.frame.stamp, self._detector.confidence)
            assert tracked.track_ids is not None
            ids = np.full(len(found), UNTRACKED, np.int64)
            ids[: len(tracked)] = tracked.track_ids
            found = replace(found, track_ids=freeze(ids))
        return found, _milliseconds(begun)

    def reset(self) -> None:
        if self._tracker is not None:
            self._tracker.reset()


def _from(found: Detections, lowest: float) -> Detections:
    """The boxes of at least this score, of boxes that come best first."""
    count = int((found.scores >= lowest).sum())
    ids = None if found.track_ids is None else found.track_ids[:count]
    return Detections(found.xyxy[:count], found.scores[:count], found.class_ids[:count], found.names, ids)


def _listed(found: Detections) -> list[list[Any]]:
    return [
        box_line(found.names[number], float(score), _box(edges), found.track(index))
        for index, (edges, score, number) in enumerate(zip(found.xyxy, found.scores, found.class_ids, strict=True))
    ]


def _true(objects: Objects) -> list[list[Any]]:
    ids = [None] * len(objects) if objects.object_ids is None else objects.object_ids.tolist()
    rows = zip(objects.xyxy, objects.class_ids, objects.ignored, ids, strict=True)
    return [
        object_line(objects.names[number], _box(edges), bool(ignored), object_id)
        for edges, number, ignored, object_id in rows
    ]


def _check_inside(objects: Objects, width: int, height: int) -> None:
    left, top, right, bottom = objects.xyxy.T
    if ((right <= 0) | (bottom <= 0) | (left >= width) | (top >= height)).any():
        raise RigError(
            f"an object lies outside of the image of {width}x{height} pixels: the ground truth is of other frames, so"
            " give that of these ones, or leave it out."
        )


def _box(edges: Array) -> tuple[float, float, float, float]:
    """Left, top, width, height."""
    left, top, right, bottom = (float(edge) for edge in edges)
    return left, top, right - left, bottom - top


def _milliseconds(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1e3, 3)
