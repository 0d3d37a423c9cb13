"""A fuser that runs gets another method, loaded meanwhile."""

import threading

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import Fuser
from tardal_ros.fusion.switch import Choice, Switch


class Grey:
    """Fuses to one level."""

    live_scale = 1.0

    def __init__(self, level, device="cpu"):
        self.level, self.device = level, device

    def fuse_luma(self, visible, infrared):
        if self.level is None:
            raise MemoryError("too large")
        return np.full_like(visible, self.level)


class Bench:
    """A switch whose loading is held up by hand."""

    def __init__(self):
        self.fuser = Fuser(Grey(10))
        self.loading, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.loaded, self.switched, self.failed = [], [], []
        self.switch = Switch(self.fuser, Choice("10"), self._load, self.switched.append, self.failed.append)

    def _load(self, choice):
        self.loaded.append(choice.fuser)
        self.loading.release()
        assert self.go.acquire(timeout=20.0)
        if choice.fuser == "broken":
            raise RigError("It is broken.")
        return Fuser(Grey(None if choice.fuser == "huge" else int(choice.fuser)))

    def want(self, name):
        """Asks for a method, and waits until it is being loaded."""
        self.switch.want(Choice(name))
        assert self.loading.acquire(timeout=20.0)

    def level(self):
        return int(self.fuser.fuse(*np.zeros((2, 5, 6), np.uint8))[0, 0])


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.switch.close()
    made.go.release(9)
    assert made.switch.join(20.0)


def test_the_old_one_goes_on_until_the_new_one_is_there(bench, wait_until):
    bench.want("20")
    assert bench.level() == 10 and bench.switch.running == Choice("10")
    assert bench.switch.status() == "20 is being loaded, 10 goes on fusing meanwhile"
    bench.go.release()
    wait_until(lambda: bench.switched)
    assert bench.level() == 20 and bench.switch.running == Choice("20") and bench.switch.status() == ""
    assert bench.failed == []


def test_the_last_wish_wins(bench, wait_until):
    bench.want("20")
    for name in ("30", "broken", "40"):
        bench.switch.want(Choice(name))
    bench.go.release(2)
    wait_until(lambda: bench.switched)
    assert bench.level() == 40
    assert (bench.loaded, bench.switched, bench.failed) == (["20", "40"], [Choice("40")], [])


def test_whoever_goes_back_meanwhile_keeps_what_runs(bench, wait_until):
    bench.want("broken")
    bench.switch.want(Choice("10"))
    assert bench.switch.status() == ""
    bench.go.release()
    bench.want("20")
    bench.go.release()
    wait_until(lambda: bench.level() == 20)
    assert bench.loaded == ["broken", "20"] and bench.failed == []


@pytest.mark.parametrize(
    ("name", "why"), [("broken", "It is broken."), ("huge", "MemoryError: too large")], ids=["loading", "trial"]
)
def test_what_cannot_be_loaded_or_does_not_run_changes_nothing(bench, wait_until, name, why):
    bench.want(name)
    bench.go.release()
    wait_until(lambda: bench.failed)
    sentence = f"10 goes on fusing, since {name} cannot be loaded: {why}"
    assert bench.failed == [sentence] and bench.switch.status() == sentence
    assert bench.level() == 10 and bench.switch.running == Choice("10") and bench.switched == []


def test_a_failure_is_tried_again_when_it_is_asked_for_again(bench, wait_until):
    for count in (1, 2):
        bench.want("broken")
        bench.go.release()
        wait_until(lambda count=count: len(bench.failed) == count)
    bench.switch.want(Choice("10"))
    assert bench.switch.status() == ""


def test_what_runs_or_is_on_its_way_is_not_loaded_again(bench, wait_until):
    bench.switch.want(Choice("10"))
    bench.want("20")
    bench.switch.want(Choice("20"))
    bench.go.release()
    wait_until(lambda: bench.switched)
    bench.switch.want(Choice("20"))
    bench.want("30")
    bench.go.release()
    wait_until(lambda: bench.level() == 30)
    assert bench.loaded == ["20", "30"]


def test_what_is_loaded_after_the_end_is_let_go(bench):
    bench.want("20")
    bench.switch.close()
    assert not bench.switch.join(0.0)
    bench.go.release()
    assert bench.switch.join(20.0)
    assert bench.level() == 10 and bench.switched == []
