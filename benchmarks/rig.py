"""What the running rig costs beside its networks, and what composing its nodes in one process saves.

Every process of the rig is a real one; its frames are prepared beforehand, 1024x768 BGR and 640x512 16-bit infrared.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import Image

from benchmarks.rig_process import DOMAIN, ENVIRONMENT, RigProcess, Setup, Usage
from tardal_ros.msg import StageTiming
from tardal_ros.ros.messages import to_stamp_ns
from tardal_ros.ros.qos import sensor_data

Row = dict[str, object]
RIG = ("capture", "registration", "fusion", "detection")
BGR_TOPICS = ("visible/left/image_raw", "registration/visible/image", "fusion/image", "detection/image")
WARM_UP = 2.0
PATIENCE = 60.0


class Listener:
    """A subscriber in this process.

    Attributes:
        node: Its node.
    """

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=DOMAIN)
        self.node = rclpy.create_node("benchmark", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._executor.shutdown()
        self._context.try_shutdown()
        self._thread.join()

    @contextmanager
    def hearing(self, message_type: type, topic: str) -> Iterator[list[Any]]:
        """Collects the messages of a topic; of images, their stamps only."""
        got: list[Any] = []
        keep = (lambda message: got.append(message.header.stamp)) if message_type is Image else got.append
        subscription = self.node.create_subscription(message_type, topic, keep, sensor_data())
        try:
            yield got
        finally:
            self.node.destroy_subscription(subscription)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def rows(seconds: float = 6.0, latency_seconds: float = 20.0) -> list[Row]:
    """Returns one row a figure: `name`, `value`, `unit` and, where it has a target, `at_most` or `at_least`."""
    os.environ.update(ENVIRONMENT)
    listener = Listener()
    try:
        return [
            *overhead("visible as it is", Setup(RIG, DOMAIN), 15, seconds),
            *topic_costs(listener, seconds),
            *overhead("rectified", Setup(RIG, DOMAIN, parameters={"registration": {"rectify": True}}), 25, seconds),
            *overhead_over_topics(seconds),
            *between_stages(listener, latency_seconds),
        ]
    finally:
        listener.close()


def overhead(case: str, setup: Setup, target: float, seconds: float) -> list[Row]:
    """CPU per pair of all that is not a network, with nobody subscribed."""
    with RigProcess(setup) as process:
        idle = settled(process, seconds)
        process.play()
        usage = settled(process, seconds)
    name = f"rig: {case}, no subscriber:"
    return [
        {"name": f"{name} CPU per pair", "value": per_pair(usage, idle), "unit": "ms CPU", "at_most": target},
        *(
            {"name": f"{name} of that in {thread}", "value": spent, "unit": "ms CPU"}
            for thread, spent in thread_costs(usage, idle)
        ),
        {"name": f"{name} idle", "value": round(100 * idle.cpu / idle.seconds, 1), "unit": "% of a core"},
    ]


def topic_costs(listener: Listener, seconds: float) -> list[Row]:
    """CPU per pair that one subscriber of each 1024x768 bgr8 topic adds in the rig's process."""
    result: list[Row] = []
    with RigProcess(Setup(RIG, DOMAIN)) as process:
        process.play()
        before = settled(process, seconds)
        for topic in BGR_TOPICS:
            with listener.hearing(Image, topic) as got:
                wait_for_messages(got, 3)
                time.sleep(WARM_UP)
                heard = len(got)
                usage = process.measure(seconds)
                heard = len(got) - heard
            after = settled(process, seconds)
            # What the process does without pairs cancels out, and by before and after nearly what the machine does.
            without = (before.cpu + after.cpu) / (before.pairs + after.pairs)
            added = 1e3 * (usage.cpu / usage.pairs - without)
            name = f"rig: {topic} subscribed:"
            result += [
                {"name": f"{name} added CPU per pair", "value": round(added, 2), "unit": "ms CPU", "at_most": 6},
                {"name": f"{name} arrived", "value": round(100 * heard / usage.pairs), "unit": "% of pairs"},
            ]
            before = after
    return result


def overhead_over_topics(seconds: float) -> list[Row]:
    """The same with frames that come as messages of another process, as from camera drivers."""
    with RigProcess(Setup(RIG[:1], DOMAIN)) as cameras, RigProcess(Setup(RIG[1:], DOMAIN)) as process:
        idle = settled(process, seconds)
        cameras.play()
        usage = settled(process, seconds)
    return [
        {
            "name": "rig: frames from another process, no subscriber: CPU per pair",
            "value": per_pair(usage, idle),
            "unit": "ms CPU",
        }
    ]


def between_stages(listener: Listener, seconds: float, rate: float = 5.0) -> list[Row]:
    """Time that a frame spends between stages, composed and as separate processes, with `laplacian`."""
    stages = RIG[:3]
    times = {
        "composed": stage_times(listener, [stages], rate, seconds),
        "separate": stage_times(listener, [(name,) for name in stages], rate, seconds),
    }
    result: list[Row] = []
    for mode, pairs in times.items():
        for hop, values in hops(pairs).items():
            ordered = sorted(values)
            for percent in (50, 95):
                value = ordered[(len(ordered) - 1) * percent // 100] / 1e6
                result.append({"name": f"rig: {mode}: {hop} p{percent}", "value": round(value, 2), "unit": "ms"})
        result.append({"name": f"rig: {mode}: pairs", "value": len(pairs), "unit": f"of {round(rate * seconds)}"})
    composed, separate = (statistics.median(hops(times[mode])["between stages"]) for mode in times)
    result.append(
        {
            "name": "rig: between stages: separate / composed, medians",
            "value": round(separate / composed, 1),
            "unit": "times",
            "at_least": 10,
        }
    )
    return result


def stage_times(
    listener: Listener, processes: Sequence[tuple[str, ...]], rate: float, seconds: float
) -> list[tuple[int, ...]]:
    """When each pair was captured, handed on by capture, and begun and finished by registration and by fusion.

    Args:
        listener: Who hears the timing.
        processes: The nodes of each process.
        rate: Pairs per second.
        seconds: How long to listen.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(RigProcess(Setup(nodes, DOMAIN, rate, networks=True))) for nodes in processes]
        timings = {
            stage: stack.enter_context(listener.hearing(StageTiming, f"{stage}/timing"))
            for stage in ("registration", "fusion")
        }
        time.sleep(WARM_UP)
        running[0].play()
        for got in timings.values():
            wait_for_messages(got, round(2 * rate))
        for got in timings.values():
            got.clear()
        time.sleep(seconds)
        emitted = running[0].emitted()
        registered, fused = (
            {
                to_stamp_ns(timing.header.stamp): (to_stamp_ns(timing.started), to_stamp_ns(timing.finished))
                for timing in list(got)
            }
            for got in timings.values()
        )
    return [
        (stamp, emitted[stamp], *registered[stamp], *fused[stamp])
        for stamp in sorted(registered.keys() & fused.keys() & emitted.keys())
    ]


def hops(pairs: Sequence[tuple[int, ...]]) -> dict[str, list[int]]:
    """Nanoseconds of each pair from stage to stage and from end to end; see `stage_times`."""
    columns = list(zip(*pairs, strict=True))
    captured, emitted, registering, registered, fusing, fused = columns
    first = [begin - end for end, begin in zip(emitted, registering, strict=True)]
    second = [begin - end for end, begin in zip(registered, fusing, strict=True)]
    return {
        "capture to registration": first,
        "registration to fusion": second,
        "between stages": [sum(both) for both in zip(first, second, strict=True)],
        "end to end": [end - begin for begin, end in zip(captured, fused, strict=True)],
    }


def settled(process: RigProcess, seconds: float) -> Usage:
    """What a process uses once it has run in its present condition for a while."""
    time.sleep(WARM_UP)
    return process.measure(seconds)


def per_pair(usage: Usage, idle: Usage) -> float:
    """Milliseconds of CPU per pair, beyond what the process uses when it has nothing to do."""
    return round(1e3 * (usage.cpu - idle.cpu * usage.seconds / idle.seconds) / usage.pairs, 2)


def thread_costs(usage: Usage, idle: Usage) -> list[tuple[str, float]]:
    """The same by thread, the dearest first; those below a tenth of a millisecond are left out."""
    scale = usage.seconds / idle.seconds
    costs = {
        name: round(1e3 * (spent - idle.threads.get(name, 0.0) * scale) / usage.pairs, 2)
        for name, spent in usage.threads.items()
    }
    return sorted(((name, cost) for name, cost in costs.items() if cost >= 0.1), key=lambda cost: -cost[1])


def wait_for_messages(got: list[Any], count: int) -> None:
    """Waits until so many messages have come."""
    deadline = time.monotonic() + PATIENCE
    while len(got) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(got)} of {count} messages came in {PATIENCE:g} s")
        time.sleep(0.02)


if __name__ == "__main__":
    for row in rows():
        print(f"{row['name']:<75} {row['value']:>9} {row['unit']}")
