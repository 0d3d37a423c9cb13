from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

from tardal_ros.errors import RigError
from tardal_ros.registration.sync import MILLISECOND, Synchronizer

message_filters = pytest.importorskip("message_filters")
from tardal_ros.registration.filter import SyncFilter  # noqa: E402

VISIBLE, INFRARED, RIGHT = "visible/left", "infrared/left", "visible/right"


def message(stamp_ms: int) -> SimpleNamespace:
    nanoseconds = 1_000_000_000_000 + stamp_ms * MILLISECOND
    stamp = SimpleNamespace(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), ms=stamp_ms)


class Rig:
    """Inputs, a clock to set, the filter, and what came out."""

    def __init__(self, optional=(), on_error=None):
        self.now = 0
        self.inputs = {name: message_filters.SimpleFilter() for name in (VISIBLE, INFRARED, *optional)}
        self.filter = SyncFilter(Synchronizer(VISIBLE, [INFRARED], optional), self.inputs, lambda: self.now, on_error)
        self.out = []

    def collect(self, *messages):
        self.out.append(tuple(m and m.ms for m in messages))

    def send(self, name, stamp_ms):
        self.inputs[name].signalMessage(message(stamp_ms))


def test_matches_come_in_the_order_of_the_streams_with_the_callers_arguments():
    rig = Rig()
    seen = []
    rig.filter.registerCallback(rig.collect)
    rig.filter.registerCallback(lambda v, i, extra: seen.append((v.ms, i.ms, extra)), "extra")
    rig.send(INFRARED, 3)
    rig.send(VISIBLE, 3)
    assert rig.out == [(3, 3)] and seen == [(3, 3, "extra")]


def test_poll_ends_waits_and_a_missing_optional_is_none():
    rig = Rig(optional=[RIGHT])
    rig.filter.registerCallback(rig.collect)
    rig.send(VISIBLE, 0)
    rig.send(INFRARED, 0)
    rig.filter.poll()
    assert rig.out == []
    rig.now = 125 * MILLISECOND
    rig.filter.poll()
    assert rig.out == [(0, 0, None)]


def test_an_exception_in_a_callback_stops_nothing():
    errors = []
    rig = Rig(on_error=errors.append)

    def fail(*_):
        raise ValueError("broken")

    rig.filter.registerCallback(fail)
    rig.filter.registerCallback(rig.collect)
    for stamp in (0, 33, 66):
        rig.send(VISIBLE, stamp)
        rig.send(INFRARED, stamp)
    assert rig.out == [(0, 0), (33, 33), (66, 66)] and [str(error) for error in errors] == ["broken"] * 3


def test_an_exception_is_logged_by_default(caplog):
    rig = Rig()
    rig.filter.registerCallback(lambda *_: 1 / 0)
    with caplog.at_level(logging.ERROR):
        rig.send(VISIBLE, 0)
        rig.send(INFRARED, 0)
    assert "ZeroDivisionError" in caplog.text


def test_a_callback_may_feed_the_filter_and_matches_stay_in_order():
    rig = Rig()

    def feed_more(visible, _):
        rig.out.append(("begin", visible.ms))
        if visible.ms < 99:
            rig.send(VISIBLE, visible.ms + 33)
            rig.send(INFRARED, visible.ms + 33)
        rig.out.append(("end", visible.ms))

    rig.filter.registerCallback(feed_more)
    rig.send(VISIBLE, 0)
    rig.send(INFRARED, 0)
    assert rig.out == [(word, ms) for ms in (0, 33, 66, 99) for word in ("begin", "end")]


def test_a_busy_callback_blocks_no_other_thread_and_loses_only_the_oldest():
    rig = Rig()
    entered, go_on = threading.Event(), threading.Event()

    def slow(visible, _):
        rig.out.append(visible.ms)
        entered.set()
        assert go_on.wait(10)

    rig.filter.registerCallback(slow)

    def first():
        rig.send(VISIBLE, 0)
        rig.send(INFRARED, 0)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    for n in range(1, 41):
        rig.send(VISIBLE, n * 33)
        rig.send(INFRARED, n * 33)
    assert rig.out == [0]
    go_on.set()
    thread.join()
    assert rig.out == [0, *(n * 33 for n in range(25, 41))] and rig.filter.lost == 24


def test_every_stream_needs_its_input():
    inputs = {name: message_filters.SimpleFilter() for name in (VISIBLE, RIGHT)}
    with pytest.raises(RigError, match="'infrared/left'"):
        SyncFilter(Synchronizer(VISIBLE, [INFRARED]), inputs)
