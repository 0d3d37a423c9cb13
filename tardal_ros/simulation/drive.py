"""How the rig moves: along the street on a car, or above it on a drone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tardal_ros.simulation.eye import Pose

VEHICLE, UAV = "vehicle", "uav"
VIEWS = (VEHICLE, UAV)

# The optical axes (x right, y down, z forward) of a level camera that looks along the street.
_LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Drive:
    """A way along the street, in metres, seconds and radians.

    Attributes:
        speed: Along the street.
        lane: To the right of its middle.
        height: Of visible/left above the ground.
        pitch: Downward.
        yaw: Largest turn to either side.
        shake: Largest angle of the vibration.
        phases: Of its oscillations.
    """

    speed: float
    lane: float
    height: float
    pitch: float
    yaw: float
    shake: float
    phases: tuple[float, ...]

    @staticmethod
    def choose(rng: np.random.Generator, view: str) -> Drive:
        """Draws a way for a view of `VIEWS`."""
        phases = tuple(rng.uniform(0.0, 2.0 * np.pi, 8).tolist())
        if view == VEHICLE:
            speed, height = float(rng.uniform(4.5, 6.5)), float(rng.uniform(1.45, 2.0))
            return Drive(speed, 1.75, height, 0.035, 0.012, 0.004, phases)
        height = float(rng.uniform(22.0, 110.0))
        return Drive(float(rng.uniform(3.0, 6.0)), 0.0, height, float(rng.uniform(0.80, 1.05)), 0.3, 0.012, phases)

    def along(self, time: float) -> float:
        """Metres driven."""
        return self.speed * time

    def pose(self, time: float) -> Pose:
        """Where visible/left stands."""
        a, b, c, d, e, f, g, h = self.phases
        yaw = self.yaw * np.sin(0.21 * time + a) + 0.3 * self.shake * np.sin(5.1 * time + b)
        pitch = self.pitch + self.shake * (0.6 * np.sin(7.3 * time + c) + 0.4 * np.sin(2.9 * time + d))
        roll = self.shake * (0.7 * np.sin(3.7 * time + e) + 0.3 * np.sin(11.0 * time + f))
        height = self.height * (1.0 + 0.05 * np.sin(0.13 * time + g) * (self.yaw > 0.1))
        height += 2.0 * self.shake * np.sin(9.1 * time + h)
        # Yaw about the world's up, then pitch down and roll about the camera's own axes.
        turn = _rotation((0.0, 0.0, yaw)) @ _LEVEL @ _rotation((-pitch, 0.0, 0.0)) @ _rotation((0.0, 0.0, roll))
        lane = self.lane + (0.15 if self.yaw < 0.1 else 2.5) * np.sin(0.17 * time + b)
        return Pose(turn, np.array([lane, self.along(time), height]))


def _rotation(vector: tuple[float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(cv2.Rodrigues(np.array(vector, np.float64))[0], np.float64)
