"""Pairing in time, against the best that hindsight could do.

Two jittered streams arrive, one of them late; what the synchroniser makes of them is compared with the offline optimum
(dynamic programming: most pairs within the slop, then least total skew; monotone, one-to-one), and with what a
synchroniser does that takes the nearest frame that has arrived.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from tardal_ros.registration.sync import MILLISECOND, SECOND, Match, Synchronizer

Row = dict[str, object]
REFERENCE, PARTNER = "visible/left", "infrared/left"
RATES = ((30, 60), (30, 25), (30, 9), (30, 30))
LATENESS = ((0, 0), (0, 100), (100, 0))
SLOPS = (12, 50)
WAIT = 110 * MILLISECOND


class Arrival(NamedTuple):
    """A frame that arrives."""

    time: int
    stream: str
    stamp: int


class Outcome(NamedTuple):
    """Of each pair, its skew and how long after the arrival of its last frame it came out."""

    skews: list[int]
    added_waits: list[int]


def recording(
    rates: tuple[int, int], lateness_ms: tuple[int, int], seconds: float = 60, seed: int = 0
) -> list[Arrival]:
    """Arrivals of a reference and a partner stream, in their order.

    Stamps jitter by a tenth of the period, the partner's clock runs 0.02 % fast so that all phases occur, and transport
    takes the lateness and up to 4 ms more.
    """
    rng = random.Random(seed)
    arrivals = []
    for stream, rate, late in zip((REFERENCE, PARTNER), rates, lateness_ms, strict=True):
        period = SECOND / rate * (1 if stream == REFERENCE else 0.9998)
        phase = rng.random()
        newest = 0
        for n in range(int(seconds * rate)):
            stamp = round((n + 1 + phase + rng.uniform(-0.1, 0.1)) * period)
            newest = max(newest + 1, stamp + late * MILLISECOND + rng.randrange(4 * MILLISECOND))
            arrivals.append(Arrival(newest, stream, stamp))
    return sorted(arrivals)


def optimum(arrivals: list[Arrival], slop: int) -> list[int]:
    """Skews of the best assignment: most pairs within the slop first, then the least total skew."""
    references = sorted(arrival.stamp for arrival in arrivals if arrival.stream == REFERENCE)
    partners = sorted(arrival.stamp for arrival in arrivals if arrival.stream == PARTNER)
    # Only the band within the slop changes from row to row of the table; an entry is (pairs, -skew, all skews linked).
    row: list[tuple[int, int, object]] = [(0, 0, None)] * (len(partners) + 1)
    low = high = 0
    for stamp in references:
        while low < len(partners) and partners[low] < stamp - slop:
            low += 1
        while high < len(partners) and partners[high] <= stamp + slop:
            high += 1
            row[high] = max(row[high], row[high - 1], key=_worth)
        above = row[low : high + 1]
        for j in range(low, high):
            skew = abs(partners[j] - stamp)
            pairs, minus, chain = above[j - low]
            row[j + 1] = max(row[j + 1], row[j], (pairs + 1, minus - skew, (skew, chain)), key=_worth)
    skews = []
    chain = row[high][2]
    while isinstance(chain, tuple):
        skews.append(chain[0])
        chain = chain[1]
    return skews[::-1]


def _worth(entry: tuple[int, int, object]) -> tuple[int, int]:
    return entry[:2]


def ours(arrivals: list[Arrival], slop: int, wait: int = WAIT) -> Outcome:
    """What the synchroniser makes of a recording, polled at its deadlines as a node does."""
    sync: Synchronizer[Arrival] = Synchronizer(REFERENCE, [PARTNER], slop=slop, wait=wait)
    skews, waits = [], []
    for now, match in _run(sync, arrivals):
        skews.append(abs(match.skew))
        waits.append(now - max(item.time for item in match.items.values() if item))
    return Outcome(skews, waits)


def _run(sync: Synchronizer[Arrival], arrivals: list[Arrival]) -> Iterator[tuple[int, Match[Arrival]]]:
    now = 0
    for arrival in arrivals:
        while (deadline := sync.next_deadline()) is not None and deadline <= arrival.time:
            yield from ((deadline, match) for match in sync.poll(deadline))
        now = arrival.time
        yield from ((now, match) for match in sync.add(arrival.stream, arrival.stamp, arrival, now))
    yield from ((now, match) for match in sync.flush())


def first_within_slop(arrivals: list[Arrival], slop: int, queue: int = 10) -> list[int]:
    """Skews of a synchroniser that takes, whenever a frame comes, the nearest of the other stream that is there."""
    waiting: dict[str, list[int]] = {REFERENCE: [], PARTNER: []}
    skews = []
    for _, stream, stamp in arrivals:
        others = waiting[PARTNER if stream == REFERENCE else REFERENCE]
        nearest = min(others, key=lambda other: abs(other - stamp), default=None)
        if nearest is not None and abs(nearest - stamp) <= slop:
            others.remove(nearest)
            skews.append(abs(nearest - stamp))
        else:
            waiting[stream] = [*waiting[stream], stamp][-queue:]
    return skews


def throughput(slop: int = 25 * MILLISECOND) -> float:
    """Frames a second of processor time, on 30 and 60 Hz streams of which the second is 30 ms late."""
    arrivals = recording((30, 60), (0, 30), seconds=300)
    sync: Synchronizer[Arrival] = Synchronizer(REFERENCE, [PARTNER], slop=slop, wait=WAIT)
    start = time.process_time()
    for arrival in arrivals:
        sync.add(arrival.stream, arrival.stamp, arrival, arrival.time)
    return len(arrivals) / (time.process_time() - start)


def loops(passes: int = 3, seconds: float = 10) -> list[int]:
    """Pairs in each pass of a looping bag, whose streams jump back at slightly different times."""
    bag = recording((30, 60), (0, 30), seconds)
    length = round(seconds * SECOND)
    sync: Synchronizer[Arrival] = Synchronizer(REFERENCE, [PARTNER], slop=25 * MILLISECOND, wait=WAIT)
    looped = sorted(Arrival(n * length + time, stream, stamp) for n in range(passes) for time, stream, stamp in bag)
    stamps = [match.stamp for _, match in _run(sync, looped)]
    starts = [0, *(n for n, (a, b) in enumerate(itertools.pairwise(stamps), 1) if b < a), len(stamps)]
    return [end - start for start, end in itertools.pairwise(starts)]


def rows(seconds: float = 60) -> list[Row]:
    """Returns one row a figure: `name`, `value`, `unit` and, where it has a target, `at_most` or `at_least`."""
    figures: list[Row] = []
    for rates, late, slop in itertools.product(RATES, LATENESS, SLOPS):
        case = f"pairing: {rates[0]}/{rates[1]} Hz, {late[0]}/{late[1]} ms late, slop {slop} ms"
        arrivals = recording(rates, late, seconds)
        best = optimum(arrivals, slop * MILLISECOND)
        outcome = ours(arrivals, slop * MILLISECOND)
        pairs, skew = _against(f"{case}:", outcome.skews, best)
        figures += [pairs | {"at_least": 99}, skew | {"at_most": 105}, *_added_wait(f"{case}:", outcome.added_waits)]
        figures += _against(f"{case}: first within slop:", first_within_slop(arrivals, slop * MILLISECOND), best)
    best_throughput = max(throughput() for _ in range(3))  # what else runs on the machine only ever slows it down
    figures.append(
        {"name": "pairing: throughput", "value": round(best_throughput), "unit": "frames/s", "at_least": 50_000}
    )
    passes = loops()
    figures += [
        {"name": f"pairing: looping bag: pass {n}", "value": count, "unit": "pairs", "at_least": passes[0]}
        for n, count in enumerate(passes, 1)
    ]
    return figures


def _against(case: str, skews: list[int], best: list[int]) -> list[Row]:
    mean, best_mean = (sum(some) / max(len(some), 1) for some in (skews, best))
    return [
        {"name": f"{case} pairs", "value": round(100 * len(skews) / len(best), 2), "unit": "% of optimum"},
        {"name": f"{case} mean skew", "value": round(100 * mean / best_mean, 2), "unit": "% of optimum"},
    ]


def _added_wait(case: str, waits: list[int]) -> list[Row]:
    ranked = sorted(waits)
    return [
        {
            "name": f"{case} added wait p{percent}",
            "value": round(ranked[(len(ranked) - 1) * percent // 100] / MILLISECOND, 1),
            "unit": "ms",
        }
        for percent in (50, 95)
    ]


def main() -> None:
    """Prints the table, one line a case."""
    for case, figures in itertools.groupby(rows(), lambda row: str(row["name"]).rpartition(": ")[0]):
        line = "; ".join(f"{str(row['name']).rpartition(': ')[2]} {row['value']} {row['unit']}" for row in figures)
        print(f"{case:<72} {line}")


if __name__ == "__main__":
    main()
