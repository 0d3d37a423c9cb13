from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.capture.player import Player
from tardal_ros.capture.source import StreamInfo
from tardal_ros.errors import RigError
from tardal_ros.types import Frame, freeze

Step = tuple[str, int]
IMAGE = freeze(np.zeros((1, 1), np.uint8))


class ScriptedSource:
    """Gives frames at these stamps (in milliseconds), and runs callables found among them."""

    def __init__(
        self,
        script: Sequence[Step | Callable[[], Any]],
        latency: float = 0.0,
        clock: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.script = script
        self.problems: tuple[str, ...] = ()
        self.opened = self.closed = 0
        self.streams = (
            StreamInfo("visible/left", "v", 1, 1, 100.0, None),
            StreamInfo("infrared/left", "i", 1, 1, 100.0, None, latency, *clock),
        )

    def open(self) -> None:
        self.opened += 1
        self.steps = iter(self.script)

    def read(self) -> tuple[str, Frame] | None:
        for step in self.steps:
            if callable(step):
                step()
            else:
                return f"{step[0]}/left", Frame(IMAGE, step[1] * 1_000_000)
        return None

    def close(self) -> None:
        self.closed += 1


class Log:
    """Collects what a player emits and tells."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, int]] = []
        self.events: list[tuple[str, str]] = []
        self.changed = threading.Condition()

    def emit(self, stream: str, frame: Frame) -> None:
        with self.changed:
            self.frames.append((stream.split("/")[0], frame.stamp))
            self.changed.notify_all()

    def on_event(self, kind: str, text: str) -> None:
        with self.changed:
            self.events.append((kind, text))
            self.changed.notify_all()

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def wait_for(self, kind: str) -> str:
        with self.changed:
            assert self.changed.wait_for(lambda: kind in self.kinds, timeout=10), self.events
        return dict(self.events)[kind]


def player_of(source: ScriptedSource, log: Log, **options: Any) -> Player:
    """A player that a busy machine does not make speak of delays, unless the options say so."""
    patient = {"rate": 20.0, "stall_after": 60.0, "late_after": 60.0}
    return Player(source, options.pop("emit", log.emit), log.on_event, **{**patient, **options})


def play(source: ScriptedSource, **options: Any) -> Log:
    """Plays to the end."""
    log = Log()
    player = player_of(source, log, **options)
    player.start()
    assert player.wait(10), "the player does not end"
    assert player.stop()
    return log


VISIBLE_TEN: list[Step] = [("visible", 10 * index) for index in range(10)]


def test_stamps_are_those_of_the_source_moved_to_the_clock() -> None:
    before = time.time_ns()
    log = play(ScriptedSource(VISIBLE_TEN), rate=1.0)
    stamps = [stamp for _, stamp in log.frames]
    assert np.diff(stamps).tolist() == [10_000_000] * 9  # No drift: exactly the source's distances.
    assert before <= stamps[0] and stamps[-1] <= time.time_ns()  # No frame comes before its time.
    assert log.kinds == ["started", "ended"]
    assert "visible/left 1x1 at 100 Hz" in log.events[0][1]


def test_rate_shrinks_time() -> None:
    log = play(ScriptedSource(VISIBLE_TEN), rate=4.0)
    assert np.diff([stamp for _, stamp in log.frames]).tolist() == [2_500_000] * 9


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=30), st.integers(0, 50))
def test_frames_arrive_in_order_of_arrival_and_none_is_lost(stamps: list[int], latency: int) -> None:
    script = [(("visible", "infrared")[index % 2], stamp) for index, stamp in enumerate(sorted(stamps))]
    log = play(ScriptedSource(script, latency / 1000), rate=100.0)
    arrivals = sorted(
        (stamp + (latency if stream == "infrared" else 0), number, stream)
        for number, (stream, stamp) in enumerate(script)
    )
    assert [stream for stream, _ in log.frames] == [stream for _, _, stream in arrivals]


def test_latency_delays_arrival_but_not_the_stamp() -> None:
    log = play(ScriptedSource([("visible", 0), ("infrared", 0), ("visible", 10), ("visible", 20)], latency=0.015))
    assert [stream for stream, _ in log.frames] == ["visible", "visible", "infrared", "visible"]
    assert log.frames[2][1] == log.frames[0][1]


def test_a_clock_of_its_own_changes_the_stamp_but_not_the_arrival() -> None:
    script = [(name, stamp) for stamp in (0, 10, 20) for name in ("visible", "infrared")]
    log = play(ScriptedSource(script, clock=(-0.5, 0.01)), rate=1.0)
    assert [stream for stream, _ in log.frames] == ["visible", "infrared"] * 3
    stamps = [stamp for _, stamp in log.frames]
    ahead = [felt - seen for seen, felt in zip(stamps[::2], stamps[1::2], strict=True)]
    assert ahead == [-500_000_000, -499_900_000, -499_800_000]


def test_loop_goes_on_growing_until_it_is_stopped() -> None:
    log, source = Log(), ScriptedSource(VISIBLE_TEN)
    player = player_of(source, log, loop=True)
    player.start()
    with log.changed:
        assert log.changed.wait_for(lambda: len(log.frames) >= 35, timeout=10)
    assert player.stop()
    assert np.unique(np.diff([stamp for _, stamp in log.frames[:35]])).tolist() == [500_000]
    assert log.kinds[:3] == ["started", "looped", "looped"] and "ended" not in log.kinds
    assert source.opened >= 3 and source.closed >= source.opened


def test_empty_source_ends_or_fails_to_loop() -> None:
    assert play(ScriptedSource([])).kinds == ["started", "ended"]
    log = play(ScriptedSource([]), loop=True)
    assert log.kinds == ["started", "failed"] and "no frames" in log.events[1][1]


def fail(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


@pytest.mark.parametrize(
    ("error", "words"),
    [(RigError("the cable is loose."), "the cable is loose."), (ZeroDivisionError("x"), "ZeroDivision")],
)
def test_failing_source_is_told_after_its_last_frame(error: Exception, words: str) -> None:
    source = ScriptedSource([*VISIBLE_TEN, fail(error), ("visible", 999)])
    log = play(source)
    assert len(log.frames) == 10
    assert log.kinds == ["started", "failed"] and words in log.events[1][1]
    assert source.closed


def test_source_that_cannot_be_opened_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ScriptedSource([])
    monkeypatch.setattr(source, "open", fail(RigError("no such folder")))
    assert play(source).events == [("failed", "no such folder")]


def test_failing_close_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ScriptedSource([])
    source.close = fail(OSError("gone"))  # type: ignore[method-assign]
    log = play(source)
    assert log.kinds[-1] == "failed" and "gone" in log.events[-1][1]


def test_frame_that_the_consumer_refuses_is_told_and_the_rest_goes_on() -> None:
    seen: list[int] = []

    def emit(stream: str, frame: Frame) -> None:
        seen.append(frame.stamp)
        if len(seen) == 3:
            raise ValueError("unknown encoding")

    log = play(ScriptedSource(VISIBLE_TEN), emit=emit)
    assert len(seen) == 10
    assert log.kinds == ["started", "emit_failed", "ended"]
    assert "visible/left" in log.events[1][1] and "unknown encoding" in log.events[1][1]


def test_failing_listener_does_not_end_playing(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    player = Player(ScriptedSource(VISIBLE_TEN), log.emit, lambda kind, text: fail(KeyError(kind))(), rate=50.0)
    player.start()
    assert player.wait(10)
    assert len(log.frames) == 10
    assert "'ended'" in caplog.text


def test_problems_of_the_source_are_told_once() -> None:
    source = ScriptedSource([])
    source.script = [
        ("visible", 0),
        lambda: setattr(source, "problems", ("a.png is damaged.",)),
        ("visible", 10),
        lambda: setattr(source, "problems", ("a.png is damaged.", "b.png is damaged.")),
    ]
    log = play(source)
    assert [text for kind, text in log.events if kind == "problem"] == ["a.png is damaged.", "b.png is damaged."]


def test_silent_source_is_told_and_may_come_back() -> None:
    silence, log = threading.Event(), Log()
    source = ScriptedSource([("visible", 0), silence.wait, ("visible", 10)])
    player = player_of(source, log, stall_after=0.3)
    player.start()
    assert "gave no frame" in log.wait_for("stalled")
    silence.set()
    assert player.wait(10)
    assert len(log.frames) == 2
    assert log.kinds == ["started", "stalled", "ended"]


def test_slow_opening_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, log = threading.Event(), Log()
    source = ScriptedSource(VISIBLE_TEN)
    usual = source.open
    monkeypatch.setattr(source, "open", lambda: (ready.wait(), usual()))
    player = player_of(source, log, stall_after=0.05)
    player.start()
    assert "opening" in log.wait_for("stalled")
    ready.set()
    assert player.wait(10)
    assert len(log.frames) == 10


def test_stop_comes_back_while_waiting_for_a_distant_frame() -> None:
    log = Log()
    player = player_of(ScriptedSource([("visible", 0), ("visible", 3_600_000)]), log)
    player.start()
    log.wait_for("started")
    assert player.stop()
    assert log.kinds == ["started"]


def test_stop_leaves_a_hanging_read_behind_and_says_so() -> None:
    never, log = threading.Event(), Log()
    player = player_of(ScriptedSource([("visible", 0), never.wait]), log)
    player.start()
    log.wait_for("started")
    try:
        assert not player.stop()
        assert "capture-reader" in log.wait_for("abandoned")
    finally:
        never.set()


def test_stop_from_within_emit_and_before_start() -> None:
    log = Log()

    def emit(stream: str, frame: Frame) -> None:
        log.emit(stream, frame)
        player.stop()

    player = player_of(ScriptedSource(VISIBLE_TEN), log, emit=emit)
    assert player.stop()  # Nothing to stop yet.
    player = player_of(ScriptedSource(VISIBLE_TEN), log, emit=emit)
    player.start()
    assert player.wait(10)
    assert len(log.frames) == 1


class Clock:
    """A clock that gains a fixed step at each look, and that can be set."""

    def __init__(self, step: int) -> None:
        self.now, self.step = 10**18, step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


def test_slow_consumer_gets_every_frame_and_fresh_stamps() -> None:
    clock, stamps = Clock(1000), list[int]()

    def emit(stream: str, frame: Frame) -> None:
        stamps.append(frame.stamp)
        clock.now += 400_000_000

    log = play(ScriptedSource(VISIBLE_TEN), emit=emit, rate=1.0, now_ns=clock, late_after=1.0)
    assert len(stamps) == 10 and stamps == sorted(stamps)
    assert "late" in log.kinds and "behind" in dict(log.events)["late"]
    assert clock.now - stamps[-1] < 2.5e9  # Without new stamps it would be 3.9 s.


def test_clock_that_is_set_back_does_not_stop_the_frames() -> None:
    clock, stamps = Clock(2_000_000), list[int]()

    def emit(stream: str, frame: Frame) -> None:
        stamps.append(frame.stamp)
        if len(stamps) == 5:
            clock.now -= 3600 * 10**9

    play(ScriptedSource(VISIBLE_TEN), emit=emit, rate=1.0, now_ns=clock)
    assert len(stamps) == 10
    assert stamps[5] < stamps[4] - 3000 * 10**9


def test_simulated_clock_sets_the_pace() -> None:
    clock, log = Clock(0), Log()
    player = player_of(ScriptedSource(VISIBLE_TEN), log, rate=1.0, now_ns=clock)
    player.start()
    with log.changed:
        assert log.changed.wait_for(lambda: len(log.frames) == 1, timeout=10)
        assert not log.changed.wait_for(lambda: len(log.frames) > 1, timeout=0.1)  # Time stands still.
    clock.now += 10**9
    assert player.wait(10)
    assert len(log.frames) == 10


def test_failing_clock_is_told() -> None:
    log = play(ScriptedSource(VISIBLE_TEN), now_ns=fail(OSError("no clock")))
    assert log.kinds[-1] == "failed" and "no clock" in log.events[-1][1]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_absurd_rate_is_refused(rate: float) -> None:
    with pytest.raises(RigError, match="rate"):
        Player(ScriptedSource([]), lambda stream, frame: None, lambda kind, text: None, rate=rate)
