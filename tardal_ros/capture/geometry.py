"""From the rig file's cameras to the simulation's and back; the two rooms do not know each other."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np

from tardal_ros import simulation
from tardal_ros.calibration import Camera, Pose, Rig, load_rig
from tardal_ros.errors import RigError
from tardal_ros.simulation import RigGeometry
from tardal_ros.types import freeze

_NO_PLANE = 1e-9  # One over metres: what lies farther is at infinity.


def load_geometry(path: str | Path) -> RigGeometry:
    """Reads the rig to simulate from a rig file.

    Args:
        path: The YAML file, as `calibration.load_rig` reads it.

    Raises:
        RigError: The file is unusable, or describes what cannot be simulated; the text names file and camera.
    """
    rig = load_rig(path)
    try:
        return to_geometry(rig)
    except RigError as error:
        raise RigError(f"{path}: {error}") from None


def to_geometry(rig: Rig) -> RigGeometry:
    """The simulated cameras that stand and image as those of a rig.

    Raises:
        RigError: A camera has a homography instead of a pose, or a lens that the simulation cannot draw.
    """
    for stream, camera in rig.cameras.items():
        if camera.homography is not None:
            raise RigError(
                f"{stream} has a homography, which does not say where it stands: give its pose to simulate it"
            )
    # The left eyes first, as in `default_rig`: a scene draws the noise of its cameras in their order.
    ordered = sorted(rig.cameras.items(), key=lambda item: item[0].endswith("right"))
    cameras = {
        stream: simulation.Camera(
            camera.frame_id, camera.info, freeze(camera.pose.rotation.copy()), freeze(camera.pose.translation.copy())
        )
        for stream, camera in ordered
    }
    nearness = float(np.linalg.norm(rig.plane))
    if nearness < _NO_PLANE:
        return RigGeometry(MappingProxyType(cameras), freeze(np.array([0.0, 0.0, 1.0])), np.inf)
    return RigGeometry(MappingProxyType(cameras), freeze(rig.plane / nearness), 1.0 / nearness)


def to_rig(geometry: RigGeometry) -> Rig:
    """The rig that a rig file of simulated cameras describes."""
    cameras = {
        stream: Camera(camera.frame_id, camera.info, Pose(camera.rotation, camera.translation))
        for stream, camera in geometry.cameras.items()
    }
    return Rig(cameras, geometry.plane_normal / geometry.plane_distance)
