from __future__ import annotations

import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.registration.pairing import OpenFrame, Settings, Stage, Track


def best_by_trying(references, partners, slop):
    """(pairs, total skew) of the best monotone assignment, from all there are."""
    found = []
    for count in range(min(len(references), len(partners)) + 1):
        for some in combinations(references, count):
            for others in combinations(partners, count):
                skews = [abs(a - b) for a, b in zip(some, others, strict=True)]
                if all(skew <= slop for skew in skews):
                    found.append((-count, sum(skews)))
    pairs, skew = min(found)
    return -pairs, skew


@given(st.integers(0, 10_000), st.integers(0, 60))
@settings(deadline=None, max_examples=50)
def test_flush_finds_the_best_assignment(seed, slop):
    rng = random.Random(seed)
    drops = []
    stage = Stage(True, Settings(slop, 0, 100), lambda frame, reason: drops.append(reason))
    references, partners = (sorted(rng.sample(range(150), rng.randrange(1, 7))) for _ in range(2))
    stage.references += [OpenFrame("reference", stamp, stamp, 0) for stamp in references]
    stage.partners += [OpenFrame("partner", stamp, stamp, 0) for stamp in partners]
    done = stage.flush()
    skews = [abs(frame.stamp - frame.partners[0].stamp) for frame in done]
    assert (len(skews), sum(skews)) == best_by_trying(references, partners, slop)
    assert len(drops) == len(references) + len(partners) - 2 * len(done)
    assert not stage.references and not stage.partners


def test_drop_reason_tells_whether_there_was_anything_to_pair_with():
    drops = []
    stage = Stage(True, Settings(10, 0, 100), lambda frame, reason: drops.append((frame.stream, frame.stamp, reason)))
    stage.references += [OpenFrame("r", stamp, stamp, 0) for stamp in (0, 100, 200)]
    stage.partners += [OpenFrame("p", stamp, stamp, 0) for stamp in (99, 105, 300)]
    assert [frame.stamp for frame in stage.flush()] == [100]
    assert sorted(drops) == [
        ("p", 105, "unused"),
        ("p", 300, "no_partner"),
        ("r", 0, "no_partner"),
        ("r", 200, "no_partner"),
    ]


def test_track_expects_the_next_frame_no_sooner_than_the_smallest_recent_gap():
    track = Track()
    for stamp in (0, 100, 190, 300, 300, 250):
        track.see(stamp)
    assert track.last == 300 and 390 <= track.next <= 392
    for n in range(200):
        track.see(400 + 100 * n)
    assert 20380 <= track.next <= 20400 and 90 <= track.period <= 100
