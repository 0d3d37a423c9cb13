"""The registration stage: infrared, eight bits deep, on the pixels of the visible camera."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.calibration.checks import check_camera
from tardal_ros.calibration.rig import REFERENCE, Rig, pinhole
from tardal_ros.errors import RigError
from tardal_ros.registration.agc import to_grey8
from tardal_ros.registration.warp import Warp, rectifying_warp, registering_warp
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

Mask = NDArray[np.uint8]


class RegistrationStage:
    """Puts the infrared of a pair onto the visible pixels, by maps made once.

    The visible image is handed on as it is, or rectified. Infrared that carries the visible's frame_id and size counts
    as registered already; else the rig file says how it maps. The right infrared eye goes onto the right visible one
    where the rig file describes both, and stays on its own pixels, with its own frame_id, where it does not.
    """

    name = "registration"

    def __init__(self, rig: Rig | None = None, rectify: bool = False) -> None:
        """Sets it up; maps are made at the first pair, or by `prepare`.

        Args:
            rig: The cameras; None for sources whose pairs are registered already.
            rectify: Whether to deliver both spectra on the rectified visible pixels instead of the raw ones.
        """
        self._left = _Eye("left", rig, rectify)
        self._right = _Eye("right", rig, rectify)

    def prepare(self) -> None:
        """Makes the maps that the rig file asks for now, so that the first pair need not wait."""
        self._left.prepare()
        self._right.prepare()

    def process(self, pair: Pair) -> Pair:
        """Registers one pair.

        Args:
            pair: Raw views; 16-bit infrared is made grey by its frame's tone, or by itself where there is none.

        Returns:
            The pair with infrared as (H, W) uint8 on the visible pixels, its own stamp kept, and with its mask.

        Raises:
            RigError: There is no way onto the visible pixels, or an image is not as large as its calibration says.
        """
        left = self._left.visible(pair.visible.left)
        infrared, mask = self._left.infrared(pair.infrared.left, left, pair.mask)
        right, right_infrared = pair.visible.right, pair.infrared.right
        if right is not None:
            right = self._right.visible(right)
        if right_infrared is not None:
            right_infrared, _ = self._right.infrared(right_infrared, right)
        return Pair(View(left, right), View(infrared, right_infrared), mask)

    @property
    def uses_rig(self) -> bool:
        """Whether the newest pair's left eyes needed the rig file, for their way or for the visible's camera_info."""
        return self._left.uses_rig

    def reset(self) -> None:
        """Nothing is remembered from pair to pair but the maps."""


@dataclass(frozen=True, eq=False)
class _Rectifier:
    """The way from a camera's raw pixels onto its rectified ones."""

    source: CameraInfo
    result: CameraInfo
    warp: Warp


class _Eye:
    """One eye of both spectra; the left one must be registered, the right one is where that can be done."""

    def __init__(self, side: str, rig: Rig | None, rectify: bool) -> None:
        self._names = f"visible/{side}", f"infrared/{side}"
        self._required = self._names[0] == REFERENCE
        self._rig = rig
        self._camera = rig.cameras.get(self._names[0]) if rig else None
        self._geometry = [rig.cameras[name].info if rig and name in rig.cameras else None for name in self._names]
        self.uses_rig = False
        self._rectify = rectify
        self._rectifier: _Rectifier | None = None
        self._warp: tuple[Warp, Mask] | None = None
        self._everywhere: Mask = np.zeros((0, 0), np.uint8)

    def prepare(self) -> None:
        info, infrared_info = self._geometry
        if info and self._rectify:
            self._rectifier = self._rectifier_of(info)
        if info and infrared_info:
            self._rig_warp()

    def visible(self, frame: Frame) -> Frame:
        """The visible frame to hand on: as it is, or rectified; without camera_info where it is not calibrated."""
        self.uses_rig = False
        info = self._info(frame)
        if not self._rectify:
            return frame if info is frame.camera_info else replace(frame, camera_info=info)
        if self._camera is not None:
            info, self.uses_rig = self._camera.info, True
        if info is None:
            if self._required:
                raise RigError(
                    f"cannot rectify {self._names[0]}: its camera_info has no calibration and there is no rig file"
                )
            self._rectifier = None
            return frame
        _check_size(self._names[0], frame, info)
        self._rectifier = self._rectifier_of(info)
        return replace(frame, image=self._rectifier.warp.apply(frame.image), camera_info=self._rectifier.result)

    def infrared(self, frame: Frame, visible: Frame | None, mask: Mask | None = None) -> tuple[Frame, Mask | None]:
        """The infrared frame on the pixels of the visible frame handed on, and where it sees them."""
        image = frame.image if frame.image.ndim == 2 else cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        # Eight bits first: that leaves half as much to warp.
        image = to_grey8(image, frame.tone)
        way = None if visible is None else self._way(frame, visible, mask)
        if visible is None or way is None:
            return replace(frame, image=freeze(image), tone=None), None
        warp, mask = way
        image = image if warp is None else warp.apply(image)
        placed = replace(
            frame, image=freeze(image), frame_id=visible.frame_id, camera_info=visible.camera_info, tone=None
        )
        return placed, mask

    def _info(self, frame: Frame) -> CameraInfo | None:
        """A visible frame's own geometry, or else the rig file's, if it is of that very camera and as large."""
        own, camera = frame.camera_info, self._camera
        # K of zeros, as REP-104 marks it, and no camera_info at all mean the same: not calibrated.
        if own is not None and own.k.any():
            _check_size(self._names[0], frame, own, "camera_info")
            return own
        if camera and frame.frame_id == camera.frame_id and frame.size == (camera.info.width, camera.info.height):
            self.uses_rig = True
            return camera.info
        return None

    def _way(self, frame: Frame, visible: Frame, mask: Mask | None) -> tuple[Warp | None, Mask] | None:
        """The warp (None: already there) and the mask; None where a right eye cannot be registered."""
        named = bool(frame.frame_id) or self._rig is None
        if named and frame.frame_id == visible.frame_id and frame.size == visible.size:
            return self._registered_way(visible, mask)
        info, infrared_info = self._geometry
        if info and infrared_info:
            _check_size(self._names[0], visible, info)
            _check_size(self._names[1], frame, infrared_info)
            self.uses_rig = True
            return self._rig_warp()
        if self._required:
            raise RigError(
                f"{self._names[1]} (frame '{frame.frame_id}', {_text(frame.size)}) is not on the pixels of "
                f"{self._names[0]} (frame '{visible.frame_id}', {_text(visible.size)}), and camera_info does not say"
                " how the cameras stand: set calibration to a rig file such as config/calibration/rig.yaml"
            )
        return None

    def _registered_way(self, visible: Frame, mask: Mask | None) -> tuple[Warp | None, Mask]:
        width, height = visible.size
        if self._everywhere.shape != (height, width):
            self._everywhere = freeze(np.full((height, width), 255, np.uint8))
        if self._rectifier is None:
            return None, self._everywhere if mask is None else mask
        warp = self._rectifier.warp
        return warp, warp.mask if mask is None else freeze(np.where(warp.apply(mask) == 255, warp.mask, np.uint8(0)))

    def _rig_warp(self) -> tuple[Warp, Mask]:
        if self._warp is None:
            assert self._rig is not None
            warp = registering_warp(self._rig, self._names[1], self._names[0], self._rectify)
            mask = warp.mask
            if self._rectifier is not None:
                # Rectified pixels that the visible image does not cover are no visible pixels.
                mask = freeze(np.minimum(mask, self._rectifier.warp.mask))
            self._warp = warp, mask
        return self._warp

    def _rectifier_of(self, info: CameraInfo) -> _Rectifier:
        if self._rectifier is not None and _same(self._rectifier.source, info):
            return self._rectifier
        check_camera(info, f"camera_info of {self._names[0]}")
        return _Rectifier(info, pinhole(info), rectifying_warp(info))


def _same(one: CameraInfo, other: CameraInfo) -> bool:
    return one is other or all(
        np.array_equal(getattr(one, item.name), getattr(other, item.name)) for item in fields(CameraInfo)
    )


def _check_size(name: str, frame: Frame, info: CameraInfo, what: str = "calibration") -> None:
    if frame.size != (info.width, info.height):
        raise RigError(
            f"{name} frames are {_text(frame.size)}, but their {what} is for {_text((info.width, info.height))}:"
            " set the camera to that size or calibrate it at this one"
        )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
