from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tardal_ros.calibration import Rig, dump_rig
from tardal_ros.capture import (
    KINDS,
    Cadence,
    FolderSource,
    Limited,
    RenderedSource,
    VideoSource,
    create_source,
    to_rig,
)
from tardal_ros.errors import RigError
from tardal_ros.simulation import default_rig


def test_every_kind_can_be_made(tmp_path: Path) -> None:
    made = [create_source(kind, visible=tmp_path / "v", infrared=str(tmp_path / "i")) for kind in KINDS]
    assert [type(source) for source in made] == [RenderedSource, FolderSource, VideoSource]
    for source in made:
        assert [info.name for info in source.streams] == ["visible/left", "infrared/left"]


def test_frame_rate_and_the_infrared_cadence_reach_the_simulation() -> None:
    assert [info.rate for info in create_source("simulation", frame_rate=7.0).streams] == [7.0, 7.0]
    source = create_source("simulation", infrared_cadence=Cadence(30.0, latency=0.1))
    assert [(info.rate, info.latency) for info in source.streams] == [(10.0, 0.0), (30.0, 0.1)]


def test_a_rig_file_says_which_cameras_are_simulated(tmp_path: Path) -> None:
    rig = to_rig(default_rig().scaled(0.25))
    cameras = {stream: camera for stream, camera in rig.cameras.items() if stream != "infrared/right"}
    dump_rig(Rig(cameras), tmp_path / "three.yaml")
    streams = create_source("simulation", rig=tmp_path / "three.yaml", stereo=True).streams
    assert [(info.name, info.width) for info in streams] == [
        ("visible/left", 256),
        ("infrared/left", 160),
        ("visible/right", 256),
    ]
    assert [info.name for info in create_source("simulation").streams] == ["visible/left", "infrared/left"]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("camera", {}, "'camera': choose one of simulation, folder, video"),
        ("folder", {"visible": "here"}, "needs two paths"),
        ("video", {"infrared": "here"}, "needs two paths"),
        ("folder", {"visible": "a", "infrared": "b", "frame_rate": 0.0}, "frame_rate is 0.0"),
        ("simulation", {"frame_rate": -2.0}, "rate is -2.0 Hz"),
        ("simulation", {"duration": -1.0}, "duration is -1.0"),
        ("simulation", {"rig": "nowhere.yaml"}, "cannot read the rig file nowhere.yaml"),
    ],
)
def test_bad_options_are_refused(kind: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(RigError, match=words):
        create_source(kind, **options)


def test_duration_ends_any_source() -> None:
    shared = Path(__file__).resolve().parent  # Not read: the source is not opened.
    source = create_source("folder", visible=shared, infrared=shared, duration=3.0)
    assert isinstance(source, Limited)
