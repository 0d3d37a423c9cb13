"""Quality of service: sensor data for streams, latched for what consumers must not miss.

Every call makes a profile of its own, since rclpy writes a user's overrides into the profile that it is given.
"""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def sensor_data() -> QoSProfile:
    """Best effort: takes a reliable and a best-effort publisher alike, and never makes a camera wait."""
    return QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=5)


def results() -> QoSProfile:
    """Reliable, for small messages such as diagnostics and detections."""
    return QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=10)


def latched() -> QoSProfile:
    """Reliable, and the newest message is kept for those who come late."""
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
    )


def overridable() -> dict[str, Any]:
    """Keyword arguments that let the user override QoS by `qos_overrides.<topic>.*` parameters."""
    return {"qos_overriding_options": QoSOverridingOptions.with_default_policies()}
