from __future__ import annotations

import random
import threading
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.errors import RigError
from tardal_ros.registration.sync import JUMP, MILLISECOND, SECOND, Match, Synchronizer

VISIBLE, INFRARED, RIGHT, INFRARED_RIGHT = "visible/left", "infrared/left", "visible/right", "infrared/right"
MS = MILLISECOND


def make(required=(INFRARED,), optional=(), slop=20, wait=100, **options) -> Synchronizer[str]:
    return Synchronizer(VISIBLE, required, optional, slop=slop * MS, wait=wait * MS, **options)


def feed(sync, events, flush=False) -> list[Match[str]]:
    """Adds (arrival ms, stream, stamp ms) and polls at every deadline between, as a node does."""
    matches = []
    for arrival, stream, stamp in events:
        while (deadline := sync.next_deadline()) is not None and deadline <= arrival * MS:
            matches += sync.poll(deadline)
        matches += sync.add(stream, round(stamp * MS), f"{stream}@{stamp}", round(arrival * MS))
    return matches + (sync.flush() if flush else [])


def stamps(matches) -> list[tuple[int | None, ...]]:
    """The stamps in ms of each match's frames."""
    return [tuple(None if i is None else float(i.split("@")[1]) for i in m.items.values()) for m in matches]


def stream(name, rate, seconds, late=0.0, jitter=0.0, phase=0.0, seed=0):
    """(arrival ms, stream, stamp ms) of a camera."""
    rng = random.Random(f"{name}{seed}")
    period = 1000 / rate
    times = [(n + 1 + phase + rng.uniform(-jitter, jitter)) * period for n in range(int(rate * seconds))]
    return [(time + late, name, time) for time in times]


def best(references, partners, slop) -> tuple[int, float]:
    """Pairs and total skew of the best assignment, by the plainest dynamic programming."""
    row = [(0, 0.0)] * (len(partners) + 1)
    for r in references:
        above, row = row, [(0, 0.0)]
        for j, p in enumerate(partners):
            choices = [row[j], above[j + 1]]
            if abs(p - r) <= slop:
                choices.append((above[j][0] + 1, above[j][1] - abs(p - r)))
            row.append(max(choices))
    return row[-1][0], -row[-1][1]


def assert_adds_up(sync, matches):
    """Every frame is in a match, pending, or dropped for a reason."""
    status = sync.status
    matched = Counter(name for match in matches for name, item in match.items.items() if item is not None)
    for name in sync.streams:
        dropped = sum(status.drops[name].values())
        assert status.received[name] == matched[name] + dropped + status.pending[name], (name, status)
    assert status.pairs == len(matches)


# --- what comes out -------------------------------------------------------------------------------------------------


def test_equal_stamps_match_at_once():
    sync = make()
    assert sync.add(VISIBLE, 5 * MS, "a", 0) == []
    (match,) = sync.add(INFRARED, 5 * MS, "b", 1)
    assert (match.stamp, match.items, match.skews, match.skew) == (
        5 * MS,
        {VISIBLE: "a", INFRARED: "b"},
        {INFRARED: 0},
        0,
    )


def test_nearest_partner_wins_over_the_first():
    events = [
        (0, INFRARED, 0),
        (16, INFRARED, 16),
        (33, INFRARED, 33),
        (34, VISIBLE, 17),
        (67, VISIBLE, 50),
        (68, INFRARED, 50),
    ]
    assert stamps(feed(make(), events)) == [(17, 16), (50, 50)]


def test_partner_is_not_stolen_by_a_reference_further_away():
    # Both references could take 30; the later one is nearer, and the earlier has nothing else.
    events = [(0, VISIBLE, 10), (1, VISIBLE, 31), (2, INFRARED, 30), (3, INFRARED, 70), (4, VISIBLE, 71)]
    assert stamps(feed(make(), events, flush=True)) == [(31, 30), (71, 70)]


def test_more_pairs_go_before_less_skew():
    # 20 and 21 are nearest, but would leave 3 and 40 alone.
    events = [
        (0, INFRARED, 3),
        (1, VISIBLE, 20),
        (2, VISIBLE, 40),
        (3, INFRARED, 21),
        (4, VISIBLE, 60),
        (5, INFRARED, 60),
    ]
    assert stamps(feed(make(slop=19), events, flush=True)) == [(20, 3), (40, 21), (60, 60)]


def test_small_stamp_difference_needs_no_frame_more():
    """A hardware trigger with a little delay: the pair is out with its second frame, not with the next one."""
    sync = make()
    feed(sync, [(n * 33, name, n * 33 + (name == INFRARED)) for n in range(3) for name in (VISIBLE, INFRARED)])
    for n in range(3, 6):
        assert feed(sync, [(n * 33, VISIBLE, n * 33)]) == []
        assert stamps(feed(sync, [(n * 33 + 2, INFRARED, n * 33 + 1)])) == [(n * 33, n * 33 + 1)]


@pytest.mark.parametrize("rate", [60, 25, 9])
@pytest.mark.parametrize("late", [(0, 0), (0, 100), (100, 0)])
@pytest.mark.parametrize("slop", [12, 50])
def test_comes_near_the_offline_optimum(rate, late, slop):
    sync = make(slop=slop, wait=110)
    references = stream(VISIBLE, 30, 12, late[0], jitter=0.1)
    partners = stream(INFRARED, rate * 0.9998, 12, late[1], jitter=0.1, phase=0.4)
    matches = feed(sync, sorted(references + partners), flush=True)
    pairs, skew = best(*(sorted(stamp for *_, stamp in one) for one in (references, partners)), slop)
    assert len(matches) >= 0.99 * pairs
    assert sum(abs(match.skew) for match in matches) / len(matches) / MS <= 1.05 * skew / pairs
    assert_adds_up(sync, matches)


# --- partners that may be missing -----------------------------------------------------------------------------------


def test_optional_partner_is_in_the_match():
    sync = make(optional=(RIGHT, INFRARED_RIGHT))
    matches = feed(
        sync,
        [(0, VISIBLE, 0), (1, INFRARED, 1), (2, INFRARED_RIGHT, 2), (3, RIGHT, 0), (4, VISIBLE, 33), (5, INFRARED, 34)],
    )
    assert stamps(matches) == [(0, 1, 0, 2)]


def test_missing_optional_partner_costs_the_wait_but_no_match():
    sync = make(optional=(RIGHT,))
    assert feed(
        sync, [(0, RIGHT, 0), (0, VISIBLE, 0), (0, INFRARED, 0), (33, VISIBLE, 33), (33, INFRARED, 33)], flush=False
    )[0].items[RIGHT]
    assert sync.next_deadline() == (33 + 120) * MS
    (match,) = sync.poll(153 * MS)
    assert match.items == {VISIBLE: "visible/left@33", INFRARED: "infrared/left@33", RIGHT: None}
    assert set(match.skews) == {INFRARED}


def test_silent_optional_partner_costs_no_wait():
    sync = make(optional=(RIGHT,))
    events = [(n * 33, name, n * 33) for n in range(60) for name in (VISIBLE, INFRARED)]
    matches = feed(sync, events)
    assert len(matches) == 60 and sync.silent(59 * 33 * MS) == (RIGHT,)
    # Once it is back, it is waited for again.
    assert feed(sync, [(2000, RIGHT, 1990), (2000, VISIBLE, 2000)]) == []
    assert stamps(feed(sync, [(2001, INFRARED, 2000)], flush=True)) == [(2000, 2000, 1990)]


def test_optional_partner_coming_late_is_still_taken():
    sync = make(optional=(RIGHT,))
    events = [*stream(VISIBLE, 30, 2), *stream(INFRARED, 30, 2), *stream(RIGHT, 30, 2, late=90)]
    matches = feed(sync, sorted(events), flush=True)
    assert len(matches) == 60 and all(match.items[RIGHT] for match in matches)


def test_missing_required_partner_costs_the_match():
    sync = make(required=(INFRARED, INFRARED_RIGHT))
    events = [
        (0, VISIBLE, 0),
        (0, INFRARED, 0),
        (0, INFRARED_RIGHT, 0),
        (33, VISIBLE, 33),
        (33, INFRARED, 33),
        (66, VISIBLE, 66),
        (66, INFRARED, 66),
        (66, INFRARED_RIGHT, 66),
    ]
    assert stamps(feed(sync, events)) == [(0, 0, 0), (66, 66, 66)]
    assert sync.status.drops[VISIBLE] == {"no_partner": 1} and sync.status.drops[INFRARED] == {"unused": 1}


def test_both_eyes_go_to_the_same_reference_frame():
    """Infrared half way between two visible frames: one eye may be nearer to the one, the other to the other."""
    sync = make(required=(INFRARED,), optional=(INFRARED_RIGHT,), slop=25)
    events = [
        *stream(VISIBLE, 30, 10),
        *stream(INFRARED, 25, 10, late=5),
        *stream(INFRARED_RIGHT, 25, 10, late=5, phase=0.02, jitter=0.03),
    ]
    matches = feed(sync, sorted(events), flush=True)
    assert len(matches) >= 248 and sum(match.items[INFRARED_RIGHT] is None for match in matches) <= 2


# --- time and clocks ------------------------------------------------------------------------------------------------


def test_offset_brings_clocks_together():
    events = [
        *stream(VISIBLE, 30, 2),
        *((arrival, name, stamp - 5000) for arrival, name, stamp in stream(INFRARED, 30, 2)),
    ]
    assert feed(make(), sorted(events), flush=True) == []
    matches = feed(make(offsets={INFRARED: 5000 * MS}), sorted(events), flush=True)
    assert len(matches) == 60 and all(match.skew == 0 for match in matches)
    assert stamps(matches)[0][1] < 0, "the frames keep their own stamps"


def test_skew_has_a_sign_and_status_sums_it_up():
    sync = make()
    feed(
        sync,
        [
            (0, VISIBLE, 0),
            (0, INFRARED, 3),
            (33, VISIBLE, 33),
            (33, INFRARED, 28),
            (66, VISIBLE, 66),
            (66, INFRARED, 66),
        ],
        flush=True,
    )
    status = sync.status
    assert (status.skew_now, status.skew_max) == (0, 5 * MS)
    assert status.skew_mean == pytest.approx(8 / 3 * MS)


def test_wait_is_bounded_and_a_frame_after_it_is_late():
    sync = make()
    assert feed(sync, [(0, VISIBLE, 0)]) == [] and sync.next_deadline() == 120 * MS
    assert sync.poll(119 * MS) == [] and sync.status.pending[VISIBLE] == 1
    sync.poll(120 * MS)
    assert sync.status.drops[VISIBLE] == {"no_partner": 1} and sync.next_deadline() is None
    assert feed(sync, [(121, VISIBLE, 33), (122, INFRARED, 1)]) == []
    feed(sync, [(150, INFRARED, 33), (151, INFRARED, 2), (152, VISIBLE, 5)])
    assert sync.status.drops[INFRARED]["late"] == 2 and sync.status.drops[VISIBLE]["late"] == 1


def test_wait_and_slop_change_while_running():
    sync = make()
    feed(sync, [(0, VISIBLE, 0)])
    sync.configure(wait=10 * MS)
    assert sync.next_deadline() == 30 * MS
    sync.configure(slop=5 * MS)
    assert (sync.slop, sync.wait, sync.next_deadline()) == (5 * MS, 10 * MS, 15 * MS)
    assert feed(sync, [(1, INFRARED, 6), (40, VISIBLE, 40), (40, INFRARED, 40)]) and sync.status.pairs == 1
    with pytest.raises(RigError, match="slop"):
        sync.configure(slop=-1, wait=7 * MS)
    assert sync.wait == 10 * MS


@pytest.mark.parametrize("names", [(VISIBLE, INFRARED), (INFRARED, VISIBLE)])
def test_frames_slightly_out_of_order_are_put_in_order(names):
    events = [(n, name, stamp) for n, name in enumerate(names) for stamp in ((0, 66, 33, 99), (0, 33, 66, 99))[n]]
    assert stamps(feed(make(), events, flush=True)) == [(0, 0), (33, 33), (66, 66), (99, 99)]


def test_repeated_stamps_are_dropped():
    sync = make()
    events = [
        (0, VISIBLE, 0),
        (0, VISIBLE, 0),
        (0, INFRARED, 0),
        (0, INFRARED, 0),
        (33, VISIBLE, 33),
        (33, INFRARED, 33),
        (34, INFRARED, 33),
        (34, VISIBLE, 33),
    ]
    assert stamps(feed(sync, events, flush=True)) == [(0, 0), (33, 33)]
    assert sync.status.drops == {VISIBLE: {"duplicate": 2}, INFRARED: {"duplicate": 2}}


@pytest.mark.parametrize("late", [(0, 0), (0, 30), (0, 95), (95, 0)])
@pytest.mark.parametrize("rate", [60, 30, 9])
def test_looping_bag_pairs_as_many_in_each_pass(late, rate):
    """The streams jump back at different times, as far apart as one of them is late."""
    bag = sorted([*stream(VISIBLE, 30, 5, late[0], 0.1), *stream(INFRARED, rate, 5, late[1], 0.1)])
    sync = make(slop=25)
    events = sorted((arrival + 5000 * n, name, stamp) for n in range(4) for arrival, name, stamp in bag)
    matches = feed(sync, events, flush=True)
    passes = [[]]
    for before, match in zip([None, *matches], matches, strict=False):
        if before and match.stamp < before.stamp:
            passes.append([])
        passes[-1].append(match.stamp)
    assert len(passes) == 4 and sync.status.jumps == 3
    assert len({len(one) for one in passes}) == 1 and len(passes[0]) >= min(rate, 30) * 5 - 3
    assert not any("reset" in reasons for reasons in sync.status.drops.values())
    assert_adds_up(sync, matches)


def test_short_loop_keeps_pairing():
    events = [(n * 33, name, n % 10 * 33) for n in range(100) for name in (VISIBLE, INFRARED)]
    assert len(feed(make(), events, flush=True)) == 100


@pytest.mark.parametrize("stray", [-5000, 5000])
@pytest.mark.parametrize("name", [VISIBLE, INFRARED])
def test_one_frame_with_an_absurd_stamp_costs_little(stray, name):
    sync = make()
    events = sorted([*stream(VISIBLE, 30, 10), *stream(INFRARED, 30, 10), (5001, name, 5000 + stray)])
    assert len(feed(sync, events, flush=True)) >= 290


def test_clock_of_one_stream_set_back_and_right_again():
    events = sorted([*stream(VISIBLE, 30, 15), *stream(INFRARED, 30, 15)])
    wrong = [
        (t, name, stamp - 3000 if name == INFRARED and 5000 < stamp < 8000 else stamp) for t, name, stamp in events
    ]
    sync = make()
    matches = feed(sync, wrong, flush=True)
    assert sum(match.stamp > 8100 * MS for match in matches) >= 200
    assert sum(match.stamp < 5000 * MS for match in matches) >= 149
    assert all(abs(match.skew) <= 20 * MS for match in matches)


def test_reset_drops_what_is_open():
    sync = make(optional=(RIGHT,))
    feed(sync, [(0, VISIBLE, 1000), (0, INFRARED, 1000), (1, INFRARED, 1033)])
    sync.reset()
    assert sync.status.drops == {VISIBLE: {"reset": 1}, INFRARED: {"reset": 2}, RIGHT: {}}
    assert stamps(feed(sync, [(2, VISIBLE, 0), (2, INFRARED, 0)], flush=True)) == [(0, 0, None)]
    assert sync.status.jumps == 0


# --- streams that are silent, and bounds ----------------------------------------------------------------------------


def test_silent_streams_are_named():
    sync = make(optional=(RIGHT,))
    assert sync.waiting_for(0) == (VISIBLE, INFRARED)
    feed(sync, [(0, VISIBLE, 0), (0, INFRARED, 0), (0, RIGHT, 0)])
    assert sync.waiting_for(SECOND) == () and sync.silent(SECOND) == ()
    feed(sync, [(1500, VISIBLE, 1500)])
    assert sync.waiting_for(1600 * MS) == (INFRARED,) and sync.silent(1600 * MS) == (INFRARED, RIGHT)


@pytest.mark.parametrize("silent", [VISIBLE, INFRARED, INFRARED_RIGHT])
def test_memory_stays_bounded_while_a_stream_is_silent(silent):
    sync = make(required=(INFRARED, INFRARED_RIGHT), wait=60_000, queue=10)
    events = [
        (n, name, n) for n in range(0, 5000, 10) for name in (VISIBLE, INFRARED, INFRARED_RIGHT) if name != silent
    ]
    assert feed(sync, events) == []
    assert max(sync.status.pending.values()) <= 20
    assert "overflow" in sync.status.drops_by_reason
    assert_adds_up(sync, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"required": [VISIBLE]}, "each named once"),
        ({"required": []}, "at least two"),
        ({"required": INFRARED}, "list of stream names"),
        ({"slop": -1}, "slop"),
        ({"wait": 0.5}, "wait"),
        ({"queue": 0}, "queue"),
        ({"offsets": {"thermal": 1}}, "'thermal'"),
    ],
)
def test_bad_arguments_are_refused(arguments, says):
    with pytest.raises(RigError, match=says):
        Synchronizer(VISIBLE, **{"required": [INFRARED], **arguments})


def test_unknown_stream_is_refused():
    with pytest.raises(RigError, match="'thermal'"):
        make().add("thermal", 0, "x", 0)


# --- invariants -----------------------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([VISIBLE, INFRARED, RIGHT]),
        st.one_of(st.integers(-30, 60), st.sampled_from([0, 0, 33, 33, -400, -3000, 2000])),
        st.integers(0, 40),
    ),
    max_size=120,
)


@given(EVENTS, st.booleans(), st.integers(0, 60), st.integers(0, 150))
@settings(deadline=None, max_examples=50)
def test_invariants_hold_whatever_arrives(events, is_required, slop, wait):
    sync = make(
        (INFRARED, RIGHT) if is_required else (INFRARED,),
        () if is_required else (RIGHT,),
        slop,
        wait,
        queue=8,
        silence=SECOND // 2,
    )
    now, clock, matches, used = 0, {VISIBLE: 0, INFRARED: 0, RIGHT: 0}, [], set()
    for n, (name, step, pause) in enumerate(events):
        now += pause
        clock[name] += step
        ready = sync.poll(now * MS)
        jumps = sync.status.jumps
        new = sync.add(name, clock[name] * MS, (n, name), now * MS)
        for match in ready + new:
            assert all(abs(skew) <= slop * MS for skew in match.skews.values())
            assert match.items[INFRARED] is not None and (match.items[RIGHT] is not None or not is_required)
            assert all(item[1] == key for key, item in match.items.items() if item)
        order = [match.stamp for match in ready + new]
        assert sync.status.jumps != jumps or all(a < b for a, b in pairwise(order))
        matches += ready + new
        assert max(sync.status.pending.values()) <= 2 * 2 * 9
        assert_adds_up(sync, matches)
    matches += sync.flush()
    frames = [item for match in matches for item in match.items.values() if item]
    used.update(frames)
    assert len(used) == len(frames), "a frame came twice"
    assert not any(sync.status.pending.values())
    assert_adds_up(sync, matches)


@given(EVENTS.map(lambda events: [(name, abs(step) % 60, pause) for name, step, pause in events]))
@settings(deadline=None, max_examples=30)
def test_output_rises_while_no_stream_jumps(events):
    sync = make(optional=(RIGHT,), slop=25, wait=40)
    clock, now, out = {VISIBLE: 0, INFRARED: 0, RIGHT: 0}, 0, []
    for name, step, pause in events:
        now += pause
        clock[name] += step
        out += sync.poll(now * MS) + sync.add(name, clock[name] * MS, "x", now * MS)
    out = [match.stamp for match in out + sync.flush()]
    assert sync.status.jumps == 0 and all(a < b for a, b in pairwise(out))


def test_threads_lose_and_double_nothing():
    sync = make(required=(INFRARED,), optional=(RIGHT,), wait=3_000_000, queue=5000)
    results = {name: [] for name in (VISIBLE, INFRARED, RIGHT)}
    barrier = threading.Barrier(3)

    def run(name):
        barrier.wait()
        for n in range(1000):
            results[name] += sync.add(name, n * 33 * MS, (name, n), 0)
            sync.poll(0)
            sync.status  # noqa: B018

    threads = [threading.Thread(target=run, args=(name,)) for name in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sync.flush()
    status = sync.status
    assert status.pairs == 1000
    frames = [item for found in results.values() for match in found for item in match.items.values() if item]
    assert len(frames) == len(set(frames))
    assert all(
        item[1] * 33 * MS == match.stamp
        for found in results.values()
        for match in found
        for item in match.items.values()
        if item
    )


def test_jump_threshold_is_above_the_jitter_of_a_stream():
    sync = make()
    feed(sync, [(0, VISIBLE, 1000), (0, INFRARED, 1000), (1, VISIBLE, 1000 - JUMP // MS)], flush=True)
    assert sync.status.jumps == 0 and sync.status.drops[VISIBLE] == {"late": 1}
