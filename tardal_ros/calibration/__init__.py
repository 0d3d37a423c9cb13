"""Camera models, and the rig file that says where each camera stands and how it images."""

from tardal_ros.calibration.rig import Camera, Pose, Rig
from tardal_ros.calibration.rig_file import dump_rig, load_rig

__all__ = ["Camera", "Pose", "Rig", "dump_rig", "load_rig"]
