"""Frames out of the simulation, folders and videos, and a player that makes them live."""

from tardal_ros.capture.cadence import Cadence
from tardal_ros.capture.factory import KINDS, create_source
from tardal_ros.capture.folder import FolderSource
from tardal_ros.capture.geometry import load_geometry, to_geometry, to_rig
from tardal_ros.capture.player import Player
from tardal_ros.capture.rendered import RenderedSource
from tardal_ros.capture.source import Limited, Source, StreamInfo
from tardal_ros.capture.video import VideoSource

__all__ = [
    "KINDS",
    "Cadence",
    "FolderSource",
    "Limited",
    "Player",
    "RenderedSource",
    "Source",
    "StreamInfo",
    "VideoSource",
    "create_source",
    "load_geometry",
    "to_geometry",
    "to_rig",
]
