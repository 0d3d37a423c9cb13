"""What folders and videos have in common: pairs of pictures out of uncalibrated files."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.types import Array, CameraInfo, Frame, freeze

VISIBLE = "visible/left"
INFRARED = "infrared/left"


@lru_cache(maxsize=16)
def uncalibrated(width: int, height: int) -> CameraInfo:
    """The camera_info of a camera that is not calibrated: REP-104 asks for zeros in K."""
    return CameraInfo(width, height, k=freeze(np.zeros((3, 3))), d=freeze(np.zeros(0)))


def as_visible(image: Array) -> Array:
    """Makes a picture a visible image: (H, W) or (H, W, 3) BGR, uint8.

    Raises:
        RigError: Its pixels are neither 8 nor 16 bits deep.
    """
    _check_depth(image)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR) if image.shape[2] == 4 else image
    return freeze(image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8))


def as_infrared(image: Array) -> Array:
    """Makes a picture an infrared image: (H, W), uint8 or uint16; colour becomes grey.

    Raises:
        RigError: Its pixels are neither 8 nor 16 bits deep.
    """
    _check_depth(image)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY if image.shape[2] == 4 else cv2.COLOR_BGR2GRAY)
    return freeze(image)


def _check_depth(image: Array) -> None:
    if image.dtype not in (np.uint8, np.uint16):
        raise RigError(f"has {image.dtype} pixels: save it with 8 or 16 bits per channel")


class PairMaker:
    """Makes frames of two pictures, with the frame ids that say whether they lie on each other."""

    def __init__(self, registered: bool) -> None:
        """Sets it up.

        Args:
            registered: Whether infrared lies on the visible pixels already; then it gets the visible's frame_id.
        """
        self._registered = registered
        # Pairs that lie on each other are no rig file's cameras, and must not be given their geometry.
        own = {VISIBLE: "visible_left_optical_frame", INFRARED: "infrared_left_optical_frame"}
        self._frame_ids = dict.fromkeys(own, "registered_optical_frame") if registered else own

    def frame(self, stream: str, image: Array, stamp: int) -> tuple[str, Frame]:
        """One frame of a stream."""
        height, width = image.shape[:2]
        return stream, Frame(image, stamp, self._frame_ids[stream], uncalibrated(width, height))

    def check_sizes(self, visible: Array, infrared: Array) -> None:
        """Refuses pictures that cannot lie on each other.

        Raises:
            RigError: Registered pictures of different sizes.
        """
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (visible, infrared)]
        if self._registered and sizes[0] != sizes[1]:
            raise RigError(
                f"visible is {sizes[0]} and infrared {sizes[1]}: registered pairs have equal sizes; register them,"
                " or set registered to false for pictures as the cameras took them"
            )

    def streams(self, rates: tuple[float, float], images: tuple[Array, Array] | None) -> tuple[StreamInfo, ...]:
        """Describes both streams, from the first pair where that is known."""
        described = []
        for index, stream in enumerate((VISIBLE, INFRARED)):
            height, width = images[index].shape[:2] if images else (0, 0)
            info = uncalibrated(width, height) if images else None
            described.append(StreamInfo(stream, self._frame_ids[stream], width, height, rates[index], info))
        return tuple(described)
