"""The rendered scene: what each camera of the rig sees at any moment."""

from __future__ import annotations

from abc import ABC, abstractmethod

import cv2
import numpy as np
from numpy.typing import NDArray

from tardal_ros.errors import RigError
from tardal_ros.simulation.actors import Actor, populate
from tardal_ros.simulation.backdrop import CENTRE, FOCAL, Backdrop, paint_backdrop
from tardal_ros.simulation.climate import climate_of
from tardal_ros.simulation.easel import Sprite
from tardal_ros.simulation.rig import INFRARED, VISIBLE, RigGeometry, default_rig
from tardal_ros.simulation.texture import Image, noise_bank
from tardal_ros.types import Array, freeze

_SPLITS = ("train", "test")
_NOISE_SHIFTS = 64
COUNTS_PER_KELVIN = 100.0
_KELVIN = 273.15
_INFRARED_NOISE = 5.0  # Counts, a noise-equivalent temperature difference of 50 mK.
_COLUMN_NOISE = 2.5


class Scene:
    """A street with people, a car, smoke and a printed sign, seen by the left eyes of the rig.

    Everything lies on one plane (`rig.plane_distance` ahead), so that one homography between the undistorted cameras is
    exact. What is rendered depends on the arguments and the time alone.

    Attributes:
        rig: The geometry of the cameras and of the plane.
    """

    def __init__(self, seed: int = 0, condition: str = "day", split: str = "test") -> None:
        """Paints the scene.

        Args:
            seed: Chooses buildings, people, colours, ways and noise.
            condition: `day` or `night`.
            split: `train` or `test`; the same seed shows other things in the other split.

        Raises:
            RigError: The condition or split is unknown, or the seed is negative.
        """
        if split not in _SPLITS:
            raise RigError(f"The simulation knows no split '{split}': choose one of {', '.join(_SPLITS)}.")
        if seed < 0:
            raise RigError(f"The simulation's seed is {seed}: it must not be negative.")
        climate = climate_of(condition)
        paint, cast, sense = np.random.SeedSequence([seed, _SPLITS.index(split)]).spawn(3)
        self.rig: RigGeometry = default_rig()
        backdrop = paint_backdrop(np.random.default_rng(paint), climate)
        self._actors: list[Actor] = populate(np.random.default_rng(cast), climate)
        noise = np.random.default_rng(sense)
        self._eyes: dict[str, _Eye] = {
            VISIBLE: _VisibleEye(self.rig, backdrop, noise, climate.visible_noise),
            INFRARED: _InfraredEye(self.rig, backdrop, noise),
        }

    @property
    def streams(self) -> tuple[str, ...]:
        """The names of the cameras' streams."""
        return tuple(self._eyes)

    def view(self, stream: str, t: float) -> Array:
        """What one camera sees.

        Args:
            stream: One of `streams`.
            t: Seconds since the start of the scene.

        Returns:
            Visible: (768, 1024, 3) uint8, BGR. Infrared: (512, 640) uint16, hundredths of a kelvin. Read-only.
        """
        eye = self._eyes[stream]
        canvas = eye.blank()
        for actor in self._actors:
            for sprite, left, top in actor.at(t):
                eye.lay(canvas, sprite, left, top)
        return freeze(eye.sense(canvas, t))

    def render(self, t: float) -> dict[str, Array]:
        """What all cameras see at one moment, by stream name (see `view`)."""
        return {stream: self.view(stream, t) for stream in self._eyes}


class _Eye(ABC):
    """A camera in front of the backdrop."""

    def __init__(self, rig: RigGeometry, stream: str) -> None:
        self._rig, self._stream = rig, stream
        info = rig.cameras[stream].info
        self._size = info.width, info.height
        x, y = np.moveaxis(rig.unproject(stream) * FOCAL + CENTRE, -1, 0).astype(np.float32)
        self._x, self._y = np.ascontiguousarray(x), np.ascontiguousarray(y)  # Places of the pixels on the backdrop.

    @abstractmethod
    def blank(self) -> Image:
        """A copy of what the camera sees of the backdrop."""

    @abstractmethod
    def lay(self, canvas: Image, sprite: Sprite, left: float, top: float) -> None:
        """Lays a sprite over the canvas, its upper left corner at this place of the backdrop."""

    @abstractmethod
    def sense(self, canvas: Image, t: float) -> Array:
        """Turns the canvas into what the sensor puts out."""

    def _through_lens(self, painting: Image) -> Image:
        return np.asarray(cv2.remap(painting, self._x, self._y, cv2.INTER_LINEAR), np.float32)

    def _warp(
        self, painting: Image, sprite: Sprite, left: float, top: float
    ) -> tuple[tuple[slice, slice], Image] | None:
        """The part of the image that a sprite covers, and the sprite's painting there; None where it is out of view."""
        width, height = sprite.size
        along = np.linspace(0.0, 1.0, 5)
        edge = np.concatenate([np.column_stack([along, along * 0 + side]) for side in (0.0, 1.0)])
        outline = np.concatenate([edge, edge[:, ::-1]]) * (width, height) + (left, top)
        pixels = self._rig.project(self._stream, (outline - CENTRE) / FOCAL)
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 2, self._size)
        if np.any(low >= high):
            return None
        part = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
        corner, texel = np.array([left, top], np.float32), np.float32(sprite.texel)
        u, v = (self._x[part] - corner[0]) / texel, (self._y[part] - corner[1]) / texel
        patch = cv2.remap(painting, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return part, np.asarray(patch, np.float32)

    def _noise_window(self, bank: Array, t: float) -> Array:
        """A window of the noise bank that moves at random from image to image."""
        rng = np.random.default_rng([round(t * 1e6) & 0xFFFFFFFF, len(self._stream)])
        x, y = rng.integers(0, _NOISE_SHIFTS, 2)
        return bank[y : y + self._size[1], x : x + self._size[0]]


class _VisibleEye(_Eye):
    def __init__(self, rig: RigGeometry, backdrop: Backdrop, rng: np.random.Generator, noise: float) -> None:
        super().__init__(rig, VISIBLE)
        self._light = self._through_lens(backdrop.light * 255.0)
        lit = self._through_lens(backdrop.colour * backdrop.light + backdrop.emission)
        self._background = np.clip(lit * 255.0, 0.0, 255.0)
        shape = (self._size[1] + _NOISE_SHIFTS, self._size[0] + _NOISE_SHIFTS, 3)
        self._noise = noise_bank(rng, shape, noise)

    def blank(self) -> Image:
        return np.copy(self._background)

    def lay(self, canvas: Image, sprite: Sprite, left: float, top: float) -> None:
        warped = self._warp(sprite.colour, sprite, left, top)
        if warped is None:
            return
        part, patch = warped
        # Three equal channels of transparency: NumPy is slow at multiplying three channels by one.
        clear = cv2.cvtColor(1.0 - patch[..., 3], cv2.COLOR_GRAY2BGR)
        light = 255.0 if sprite.glowing else self._light[part]
        canvas[part] = canvas[part] * clear + cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR) * light

    def sense(self, canvas: Image, t: float) -> NDArray[np.uint8]:
        return np.asarray(cv2.add(canvas, self._noise_window(self._noise, t), dtype=cv2.CV_8U), np.uint8)


class _InfraredEye(_Eye):
    def __init__(self, rig: RigGeometry, backdrop: Backdrop, rng: np.random.Generator) -> None:
        super().__init__(rig, INFRARED)
        self._background = self._through_lens(backdrop.temperature)
        shape = (self._size[1] + _NOISE_SHIFTS, self._size[0] + _NOISE_SHIFTS)
        self._noise = noise_bank(rng, shape, _INFRARED_NOISE)
        self._fixed = noise_bank(rng, (1, self._size[0]), _COLUMN_NOISE) + _KELVIN * COUNTS_PER_KELVIN

    def blank(self) -> Image:
        return np.copy(self._background)

    def lay(self, canvas: Image, sprite: Sprite, left: float, top: float) -> None:
        warped = self._warp(sprite.heat, sprite, left, top)
        if warped is not None:
            part, patch = warped
            canvas[part] = canvas[part] * (1.0 - patch[..., 1]) + patch[..., 0]

    def sense(self, canvas: Image, t: float) -> NDArray[np.uint16]:
        counts = cv2.GaussianBlur(canvas, (0, 0), 0.8) * np.float32(COUNTS_PER_KELVIN) + self._fixed
        return np.asarray(cv2.add(counts, self._noise_window(self._noise, t), dtype=cv2.CV_16U), np.uint16)
