import threading

from hypothesis import given
from hypothesis import strategies as st

from tardal_ros.pipeline import Mailbox


@given(st.lists(st.one_of(st.integers(), st.just("take")), max_size=60))
def test_newest_wins_and_every_item_is_taken_or_replaced(actions):
    box = Mailbox()
    put = replaced = taken = 0
    newest = None
    for action in actions:
        if action == "take":
            item = box.take(timeout=0)
            assert item == newest
            taken += item is not None
            newest = None
        else:
            replaced += box.put(action)
            put += 1
            newest = action
    assert put == taken + replaced + (newest is not None)


def test_take_returns_none_when_nothing_comes():
    assert Mailbox().take(timeout=0.01) is None


def test_close_wakes_the_taker_and_refuses_items():
    box = Mailbox()
    taken = []
    taker = threading.Thread(target=lambda: taken.append(box.take()))
    taker.start()
    box.close()
    taker.join(5)
    assert taken == [None]
    assert box.put("late")
    assert box.take(timeout=0) is None
    assert box.closed
