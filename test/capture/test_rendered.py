from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.capture import rendered
from tardal_ros.capture.cadence import Cadence
from tardal_ros.capture.rendered import RenderedSource
from tardal_ros.capture.source import Limited
from tardal_ros.errors import RigError
from tardal_ros.simulation import RigGeometry, default_rig
from tardal_ros.types import Frame


class EmptyScene:
    """Stands for the painted scene: what it shows is the time."""

    def __init__(self, seed: int, condition: str, split: str, *, view: str, rig: RigGeometry) -> None:
        if condition == "impossible":
            raise RigError("no such scene")
        self.of, self.rig = (seed, condition, split, view), rig
        self.seen = list[str]()

    def view(self, stream: str, time: float) -> Any:
        self.seen.append(stream)
        return np.full((2, 2), time)


@pytest.fixture(autouse=True)
def _quick_scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rendered, "Scene", EmptyScene)
    yield


def source_of(seed: int = 0, **cadences: Cadence) -> RenderedSource:
    return RenderedSource(seed, "day", "test", {f"{spectrum}/left": cadence for spectrum, cadence in cadences.items()})


def first(source: RenderedSource, count: int) -> list[tuple[str, Frame]]:
    source.open()
    return [source.read() for _ in range(count)]


def test_streams_keep_their_own_rate_and_phase() -> None:
    items = first(source_of(visible=Cadence(10.0), infrared=Cadence(20.0, phase=0.004)), 9)
    stamps = [(stream[0], frame.stamp // 1_000_000) for stream, frame in items]
    assert stamps == [
        ("v", 0),
        ("i", 4),
        ("i", 54),
        ("v", 100),
        ("i", 104),
        ("i", 154),
        ("v", 200),
        ("i", 204),
        ("i", 254),
    ]


def test_frames_show_the_time_of_their_stamp_and_carry_their_camera() -> None:
    source = source_of(visible=Cadence(10.0), infrared=Cadence(10.0, 0.003, 0.002))
    infos = {info.name: info for info in source.streams}
    for stream, frame in first(source, 20):
        assert frame.image[0, 0] == pytest.approx(frame.stamp / 1e9)
        assert frame.frame_id == infos[stream].frame_id
        assert frame.camera_info is infos[stream].camera_info
    assert (infos["visible/left"].width, infos["infrared/left"].height) == (1024, 512)


@settings(deadline=None, max_examples=40)
@given(st.floats(1.0, 100.0), st.floats(0.0, 0.999), st.floats(0.0, 0.2), st.integers(0, 1000))
def test_order_holds_under_any_jitter(rate: float, jitter: float, phase: float, seed: int) -> None:
    uneven = Cadence(rate, phase, jitter * 0.5 / rate)
    items = first(source_of(seed, visible=Cadence(30.0), infrared=uneven), 60)
    stamps = [frame.stamp for _, frame in items]
    assert stamps == sorted(stamps)
    for index, stamp in enumerate(frame.stamp for stream, frame in items if stream == "infrared/left"):
        assert abs(stamp / 1e9 - (phase + index / rate)) <= uneven.jitter + 1e-8


def test_a_clock_of_its_own_is_described_and_changes_nothing_of_what_is_taken_when() -> None:
    source = source_of(visible=Cadence(10.0), infrared=Cadence(10.0, 0.001, offset=-0.5, drift=0.01))
    items = first(source, 10)
    assert [stream for stream, _ in items] == ["visible/left", "infrared/left"] * 5
    assert items[-1][1].stamp == 401_000_000
    infrared = source.streams[1]
    assert (infrared.offset, infrared.drift) == (-0.5, 0.01)
    assert infrared.stamp(2_000_000_000) == 1_520_000_000


def test_both_eyes_of_a_spectrum_are_triggered_together() -> None:
    uneven = Cadence(10.0, 0.02, 0.01)
    cadences = {f"{spectrum}/{eye}": uneven for spectrum in ("visible", "infrared") for eye in ("left", "right")}
    items = first(RenderedSource(0, "day", "test", cadences), 40)
    stamps = {stream: [frame.stamp for name, frame in items if name == stream] for stream in cadences}
    assert stamps["visible/left"] == stamps["visible/right"] != stamps["infrared/left"] == stamps["infrared/right"]


def test_view_and_rig_reach_the_scene_and_the_streams() -> None:
    rig = default_rig().scaled(0.25)
    source = RenderedSource(3, "night", "train", {"infrared/left": Cadence()}, view="uav", rig=rig)
    assert [(info.width, info.height) for info in source.streams] == [(160, 128)]
    source.open()
    assert isinstance(source._scene, EmptyScene)
    assert source._scene.of == (3, "night", "train", "uav")
    assert source._scene.rig is rig
    source.open()
    assert source._scene.seen == ["infrared/left"]  # once, so that the first frame comes as quickly as the others


def test_opening_again_repeats_and_other_seeds_differ() -> None:
    cadence = Cadence(10.0, 0.01, 0.005)
    source = source_of(1, infrared=cadence)
    stamps = [[frame.stamp for _, frame in first(source, 10)] for _ in range(2)]
    assert stamps[0] == stamps[1]
    assert stamps[0] != [frame.stamp for _, frame in first(source_of(2, infrared=cadence), 10)]


def test_limit_ends_it_at_the_duration() -> None:
    source = Limited(source_of(visible=Cadence(10.0), infrared=Cadence(10.0)), 0.5)
    source.open()
    items = []
    while (item := source.read()) is not None:
        items.append(item)
    assert len(items) == 10


@pytest.mark.parametrize(
    "numbers",
    [
        {"rate": 0.0},
        {"rate": float("nan")},
        {"phase": -0.1},
        {"latency": -0.1},
        {"jitter": 0.05},
        {"jitter": -0.1},
        {"offset": float("inf")},
        {"drift": 0.2},
    ],
)
def test_absurd_cadence_is_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(RigError, match=next(iter(numbers))):
        Cadence(**numbers)


def test_unknown_scene_fails_when_it_is_opened() -> None:
    source = RenderedSource(0, "impossible", "test", {"visible/left": Cadence()})
    with pytest.raises(RigError, match="no such scene"):
        source.open()
