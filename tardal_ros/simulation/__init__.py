"""The rendered rig: a street in both spectra, with its truth, that needs no camera."""

from tardal_ros.simulation.actors import CLASSES
from tardal_ros.simulation.climate import CONDITIONS, HAZARDS
from tardal_ros.simulation.drive import VEHICLE, VIEWS
from tardal_ros.simulation.rig import (
    INFRARED,
    INFRARED_RIGHT,
    VISIBLE,
    VISIBLE_RIGHT,
    Camera,
    RigGeometry,
    default_rig,
)
from tardal_ros.simulation.scene import SPLITS, VERSION, Scene
from tardal_ros.simulation.truth import Instance, Truth

__all__ = [
    "CLASSES",
    "CONDITIONS",
    "HAZARDS",
    "INFRARED",
    "INFRARED_RIGHT",
    "SPLITS",
    "VEHICLE",
    "VERSION",
    "VIEWS",
    "VISIBLE",
    "VISIBLE_RIGHT",
    "Camera",
    "Instance",
    "RigGeometry",
    "Scene",
    "Truth",
    "default_rig",
]
