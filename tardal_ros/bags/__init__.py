"""ROS 2 bags: written, read, and played back as what a live rig would have seen."""
