from __future__ import annotations

import pytest

from tardal_ros.detection.laps import Laps


def test_steps_are_timed_in_their_order() -> None:
    laps = Laps()
    for _ in range(5):
        for step in ("letterbox", "inference"):
            with laps.time(step):
                sum(range(1000))
    read = laps.read()
    assert list(read) == ["letterbox", "inference"]
    assert all(0 < median <= high for median, high in read.values())


def test_a_step_that_fails_is_not_counted() -> None:
    laps = Laps()
    with pytest.raises(ZeroDivisionError), laps.time("inference"):
        _ = 1 / 0
    assert laps.read() == {}
