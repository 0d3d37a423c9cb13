"""The rendered rig: a scene in both spectra that needs no camera."""

from tardal_ros.simulation.climate import CLIMATES
from tardal_ros.simulation.rig import INFRARED, VISIBLE, Camera, RigGeometry, default_rig
from tardal_ros.simulation.scene import Scene

CONDITIONS = tuple(CLIMATES)

__all__ = ["CONDITIONS", "INFRARED", "VISIBLE", "Camera", "RigGeometry", "Scene", "default_rig"]
