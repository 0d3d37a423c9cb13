import threading

import pytest

from tardal_ros.bags.player import STEP, Player
from tardal_ros.errors import RigError

MS = 1_000_000
START = 1_700_000_000_000 * MS


class Listener:
    """What a player tells, in its order."""

    def __init__(self):
        self.told, self.reasons, self.done = [], [], threading.Event()

    def emit(self, topic, data):
        self.told.append((topic, data))

    def tick(self, now):
        self.told.append(now)

    def end(self, reason):
        self.reasons.append(reason)
        self.done.set()

    @property
    def emitted(self):
        return [each for each in self.told if isinstance(each, tuple)]

    @property
    def ticks(self):
        return [each for each in self.told if not isinstance(each, tuple)]


def a_player(messages, **options):
    listener = Listener()
    player = Player(messages, listener.emit, listener.tick, listener.end, **options)
    return player, listener


def at(*milliseconds):
    return [("/image", START + each * MS, str(each).encode()) for each in milliseconds]


def test_all_messages_come_in_order_and_each_when_the_clock_shows_its_time():
    player, listener = a_player(lambda: iter(at(0, 20, 45, 45, 90)), rate=2.0)
    player.start()
    assert listener.done.wait(10)
    assert listener.emitted == [("/image", data) for _, _, data in at(0, 20, 45, 45, 90)]
    assert listener.reasons == [""]
    assert player.played == 5
    for index, each in enumerate(listener.told):
        if isinstance(each, tuple):
            assert listener.told[index - 1] == START + int(each[1]) * MS


def test_the_clock_never_goes_back_and_ticks_between_messages():
    player, listener = a_player(lambda: iter(at(0, 100)))
    player.start()
    assert listener.done.wait(10)
    assert listener.ticks == sorted(listener.ticks)
    assert len(listener.ticks) > 3
    assert STEP <= 0.01


def test_a_pause_stands_still_and_goes_on_where_it_was(wait_until):
    player, listener = a_player(lambda: iter(at(*range(0, 1000, 10))), rate=0.5)
    player.start()
    wait_until(lambda: player.played >= 3)
    player.paused = True
    threading.Event().wait(3 * STEP)  # what was under way
    before = len(listener.told)
    threading.Event().wait(0.3)
    assert len(listener.told) == before
    player.paused = False
    wait_until(lambda: len(listener.told) > before)
    # 0.3 s would have been 150 ms of the recording.
    assert listener.ticks[-1] - START < (player.played + 8) * 10 * MS
    assert player.stop()
    assert listener.reasons == []


def test_a_loop_begins_again_with_its_clock(wait_until):
    player, listener = a_player(lambda: iter(at(0, 5)), loop=True)
    player.start()
    wait_until(lambda: player.played >= 6)
    assert player.stop()
    assert [data for _, data in listener.emitted[:4]] == [b"0", b"5", b"0", b"5"]
    assert min(listener.ticks) == START and max(listener.ticks) <= START + 5 * MS


def test_a_loop_over_nothing_ends():
    player, listener = a_player(lambda: iter(()), loop=True)
    player.start()
    assert listener.done.wait(10)


def test_what_is_late_is_played_and_the_clock_waits_for_it():
    now = threading.Event()

    def messages():
        yield from at(0)
        now.wait(1.2)  # a disk that takes its time
        yield from at(10, 20)

    player, listener = a_player(messages)
    player.start()
    assert listener.done.wait(10)
    assert player.played == 3
    assert max(listener.ticks) == START + 20 * MS


@pytest.mark.parametrize(
    ("error", "words"), [(RigError("the bag is damaged"), "the bag is damaged"), (KeyError("x"), "KeyError")]
)
def test_a_failure_is_told_in_a_sentence(error, words):
    def messages():
        yield from at(0)
        raise error

    player, listener = a_player(messages)
    player.start()
    assert listener.done.wait(10)
    assert words in listener.reasons[0]
    assert player.played == 1


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(RigError, match="must be positive"):
        a_player(lambda: iter(()), rate=rate)
