"""Visible + infrared perception for ROS 2: capture, registration, fusion and detection."""

import pkgutil

# rosidl installs `msg` into a second folder of this name; the checkout alone has none.
__path__ = pkgutil.extend_path(__path__, __name__)
