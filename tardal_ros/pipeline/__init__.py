"""Running stages: live, with one-slot mailboxes between threads, or in order; no ROS."""

from tardal_ros.pipeline.in_order import run_in_order
from tardal_ros.pipeline.mailbox import Mailbox
from tardal_ros.pipeline.meter import Meter, MeterReading
from tardal_ros.pipeline.stage import Stage
from tardal_ros.pipeline.worker import Step, Worker

__all__ = ["Mailbox", "Meter", "MeterReading", "Stage", "Step", "Worker", "run_in_order"]
