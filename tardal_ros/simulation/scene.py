"""The rendered scene: what each camera of the rig sees at any moment, and what is truly there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.simulation.atlas import Atlas
from tardal_ros.simulation.climate import climate_of
from tardal_ros.simulation.drive import VEHICLE, VIEWS, Drive
from tardal_ros.simulation.eye import Eye, Pose
from tardal_ros.simulation.mesh import Stage
from tardal_ros.simulation.rig import RigGeometry, default_rig
from tardal_ros.simulation.sensors import InfraredSensor, VisibleSensor
from tardal_ros.simulation.skin import FELT, SEEN, SOLID, Air
from tardal_ros.simulation.texture import Image
from tardal_ros.simulation.truth import Truth, truth_of
from tardal_ros.simulation.world import World
from tardal_ros.types import Array, freeze

VERSION = "2"
"""Changes whenever the same arguments give other images; figures are comparable within one version only."""

SPLITS = ("train", "test")

_BANDS = 8  # Of rows that a rolling shutter reads at once.


class Scene:
    """An endless street in both spectra, along which the rig drives or above which it flies.

    What is rendered depends on the arguments and the time alone.

    Attributes:
        rig: The geometry of the cameras.
        condition: The condition.
        hazard: What makes a challenge of it: `smoke`, `fog`, `glare` or `rain`; empty in other conditions.
        split: The split.
    """

    def __init__(
        self,
        seed: int = 0,
        condition: str = "day",
        split: str = "test",
        *,
        view: str = VEHICLE,
        rig: RigGeometry | None = None,
        crowd: float = 1.0,
        rolling_shutter: float = 0.0,
    ) -> None:
        """Builds the scene, which takes some seconds.

        Args:
            seed: Chooses everything that is there, and the noise. In a challenge `seed % 4` chooses the hazard too.
            condition: `day`, `overcast`, `night` or `challenge`.
            split: `train` or `test`; they share no seed, model, texture or colour.
            view: `vehicle` or `uav`.
            rig: The cameras; those of `default_rig` by default.
            crowd: Part of the people and vehicles to show, 0 (nothing of any class) to 1.
            rolling_shutter: Seconds from the first to the last row of a visible image; the rig moves on meanwhile.

        Raises:
            RigError: Condition, split or view is unknown, or a number is out of range.
        """
        if split not in SPLITS:
            raise RigError(f"The simulation knows no split '{split}': choose one of {', '.join(SPLITS)}.")
        if view not in VIEWS:
            raise RigError(f"The simulation knows no view '{view}': choose one of {', '.join(VIEWS)}.")
        if seed < 0:
            raise RigError(f"The simulation's seed is {seed}: it must not be negative.")
        if not 0.0 <= crowd <= 1.0:
            raise RigError(f"The simulation's crowd is {crowd}: it must be 0 (nobody) to 1.")
        if not 0.0 <= rolling_shutter <= 0.1:
            raise RigError(f"The simulation's rolling shutter is {rolling_shutter} s: it must be 0 (none) to 0.1.")
        climate = climate_of(condition, seed)
        self.condition, self.hazard, self.split = condition, climate.hazard, split
        self.rig = rig or default_rig()
        chosen = SPLITS.index(split)
        move, build, sense = np.random.SeedSequence([seed, chosen]).spawn(3)
        self._rows_take = rolling_shutter
        self._drive = Drive.choose(np.random.default_rng(move), view)
        self._world = World(np.random.default_rng(build), climate, chosen, self._drive, crowd)
        air, noise = Air(climate), np.random.default_rng(sense)
        self._atlases = {kind: Atlas(kind, air) for kind in (SEEN, FELT, SOLID)}
        self._eyes = {stream: Eye(camera) for stream, camera in self.rig.cameras.items()}
        self._sensors: dict[str, VisibleSensor | InfraredSensor] = {}
        for stream, camera in self.rig.cameras.items():
            size = camera.info.width, camera.info.height
            visible = stream.startswith("visible")
            self._sensors[stream] = VisibleSensor(noise, size, climate) if visible else InfraredSensor(noise, size)
        self._staged: tuple[float, Stage, Pose] | None = None

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
            Visible: (H, W, 3) uint8, BGR. Infrared: (H, W) uint16, hundredths of a kelvin. Read-only.
        """
        eye, sensor = self._eyes[stream], self._sensors[stream]
        if isinstance(sensor, VisibleSensor):
            return freeze(sensor.sense(self._draw(eye, t, SEEN), t))
        shown = sensor.moment(t)
        return freeze(sensor.sense(self._draw(eye, shown, FELT), shown))

    def render(self, t: float) -> dict[str, Array]:
        """What all cameras see at one moment, by stream name (see `view`)."""
        self._at(t)
        # Two at a time: most of the work is OpenCV's, which does not hold Python's lock.
        with ThreadPoolExecutor(2) as pool:
            images = list(pool.map(lambda stream: self.view(stream, t), self._eyes))
        return dict(zip(self._eyes, images, strict=True))

    def truth(self, stream: str, t: float) -> Truth:
        """What is truly in one camera's view; an infrared camera's shutter does not stop it.

        Args:
            stream: One of `streams`.
            t: Seconds since the start of the scene.
        """
        heat, solid = self._atlases[FELT], self._atlases[SOLID]
        return truth_of(stream, t, self._eyes[stream], *self._at(t), heat, solid)

    def _draw(self, eye: Eye, t: float, kind: int) -> Image:
        stage, pose = self._at(t)
        poses = [pose]
        if kind == SEEN and self._rows_take:
            poses = [self._drive.pose(t + self._rows_take * part / _BANDS) for part in range(_BANDS)]
        return eye.draw(stage, poses, self._atlases[kind])

    def _at(self, t: float) -> tuple[Stage, Pose]:
        staged = self._staged
        if staged is None or staged[0] != t:
            staged = self._staged = (t, self._world.stage(t), self._drive.pose(t))
        return staged[1:]
