"""What passes between the rooms: frames, pairs, fused images and detections.

Every array is read-only once it is handed over (`freeze`), so that stages in several threads can share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
AnyArray = TypeVar("AnyArray", bound=NDArray[Any])

UNTRACKED = -1
"""Track id of a box that has no track, such as one that appears for the first time."""


def freeze(array: AnyArray) -> AnyArray:
    """Marks an array read-only and returns it."""
    array.flags.writeable = False
    return array


def _keep(item: object, *names: str) -> None:
    """Makes arrays of a frozen dataclass read-only, as copies where their maker could still write to them."""
    for name in names:
        array = getattr(item, name)
        if array is not None and array.flags.writeable:
            object.__setattr__(item, name, freeze(array.copy()))


@dataclass(frozen=True, eq=False)
class CameraInfo:
    """A camera's geometry, field by field as in sensor_msgs/CameraInfo (REP-104).

    Attributes:
        width: Image width in pixels.
        height: Image height in pixels.
        distortion_model: `plumb_bob`, `rational_polynomial` or `equidistant`.
        d: Distortion coefficients, in the model's order.
        k: Intrinsic matrix of the raw image, 3x3, float64.
        r: Rectifying rotation, 3x3, float64.
        p: Projection matrix of the rectified image, 3x4, float64.
    """

    width: int
    height: int
    k: NDArray[np.float64]
    d: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))
    r: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    p: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 4)))
    distortion_model: str = "plumb_bob"

    def __post_init__(self) -> None:
        _keep(self, "k", "d", "r", "p")


@dataclass(frozen=True)
class ToneRange:
    """The infrared counts that become black and white in eight bits."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of one camera.

    Attributes:
        image: (H, W) grey uint8 or uint16, or (H, W, 3) BGR uint8; read-only.
        stamp: Capture time in nanoseconds of the ROS clock.
        frame_id: The camera's optical frame (REP-103).
        camera_info: The camera's geometry, if it is known.
        tone: How raw counts become grey, for 16-bit infrared that went through the AGC.
    """

    image: Array
    stamp: int
    frame_id: str = ""
    camera_info: CameraInfo | None = None
    tone: ToneRange | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.image.shape[1]), int(self.image.shape[0])


@dataclass(frozen=True, eq=False)
class View:
    """What one spectrum sees: the left eye, and the right one where the rig has it."""

    left: Frame
    right: Frame | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """A visible and an infrared view of one moment.

    Attributes:
        visible: The visible view; its left eye is the reference for time and pixels.
        infrared: The infrared view; on the visible pixels once it is registered.
        mask: (H, W) uint8, 255 where infrared really sees that visible pixel; None before registration.
    """

    visible: View
    infrared: View
    mask: NDArray[np.uint8] | None = None

    @property
    def stamp(self) -> int:
        """The moment of the pair: the visible left eye's stamp, in nanoseconds."""
        return self.visible.left.stamp

    @property
    def skew(self) -> int:
        """Infrared minus visible capture time, in nanoseconds."""
        return self.infrared.left.stamp - self.visible.left.stamp


@dataclass(frozen=True, eq=False)
class Fused:
    """A fused image with the visible camera's stamp, frame and geometry.

    Attributes:
        frame: The fused image: BGR for a colour visible image, grey for a grey one.
        pair: The registered pair it was made of; None where the image came over a topic.
    """

    frame: Frame
    pair: Pair | None = None


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in one image.

    Pixel (0, 0) covers the square from (0, 0) to (1, 1), so a box over the whole image is (0, 0, width, height).

    Attributes:
        xyxy: (N, 4) float32, left, top, right and bottom edges in pixels of the image given.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64, indices into `names`.
        names: The model's class names, in its order.
        track_ids: (N,) int64, `UNTRACKED` where a box has no track (yet); None without tracking.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    names: tuple[str, ...]
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        _keep(self, "xyxy", "scores", "class_ids", "track_ids")

    def __len__(self) -> int:
        return len(self.scores)

    def track(self, index: int) -> int | None:
        """The track of one box; None where it has none."""
        if self.track_ids is None or self.track_ids[index] == UNTRACKED:
            return None
        return int(self.track_ids[index])

    @staticmethod
    def empty(names: tuple[str, ...]) -> Detections:
        """No objects, for a model with these class names."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), names)
