"""The player node: a bag in, its topics and /clock out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from tardal_ros.bags.node import message_class
from tardal_ros.bags.player import Message, Player
from tardal_ros.bags.reader import BagReader
from tardal_ros.errors import RigError
from tardal_ros.ros.messages import to_time
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.parameters import parameter
from tardal_ros.ros.process import run

# Seconds between two looks at who listens, and seconds without a change after which those who do are all there are.
LOOK, SETTLED = 0.1, 1.0
# Seconds that the last messages are given to leave this process.
FAREWELL = 0.5


@dataclass(frozen=True)
class PlayerParameters:
    """Parameters of the player node."""

    bag: str = parameter("", "Bag to play: its folder, or its .mcap or .db3 file.", read_only=True)
    topics: tuple[str, ...] = parameter(
        ("",), "Topics of the bag to play; an empty name is all of them.", read_only=True
    )
    rate: float = parameter(1.0, "Playing speed; 1 is real time.", minimum=0.01, maximum=100.0, read_only=True)
    loop: bool = parameter(False, "Begin again at the end.", read_only=True)
    start_offset: float = parameter(
        0.0, "How much of the bag's beginning is left out [s].", minimum=0.0, maximum=1e6, read_only=True
    )
    wait_for: tuple[str, ...] = parameter(
        ("",), "Topics that others publish once they are ready; playing begins when all are there.", read_only=True
    )
    paused: bool = parameter(False, "Stand still, with /clock; the service ~/pause sets it too.")
    autostart: bool = parameter(True, "Configure and activate at once, without a supervisor.", read_only=True)


class PlayerNode(RigNode[PlayerParameters]):
    """Publishes the messages of a bag when they are due, as they are, and its time on `/clock`.

    Playing begins when somebody subscribes. The service `~/pause` (std_srvs/SetBool) pauses and goes on.

    Args:
        on_end: Called in a thread of its own at the end of the bag, or where playing failed.
        options: Passed on to rclpy's node.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__("player", PlayerParameters, **options)
        self._end = on_end
        self._reader: BagReader | None = None
        self._begin = 0
        self._publishers_of_topics: dict[str, Any] = {}
        self._player: Player | None = None
        self._waiting = ""
        self._stop_waiting = threading.Event()
        self._starter_of_player: threading.Thread | None = None
        self._clock_publisher: Any = None
        self._service = self.create_service(SetBool, "~/pause", self._set_paused)

    def configure(self) -> None:
        """Opens the bag, and a publisher for each of its topics."""
        reader = self._reader = BagReader(Path(self.parameters.bag).expanduser())
        for problem in reader.problems:
            self.get_logger().warning(problem)
        self._begin = (reader.span[0] if reader.span else 0) + round(self.parameters.start_offset * 1e9)
        wanted = {topic for topic in self.parameters.topics if topic} or set(reader.topics)
        for name in sorted(wanted & set(reader.topics)):
            topic = reader.topics[name]
            try:
                publisher = self.create_publisher(message_class(topic.type), name, to_qos(topic.latched))
            except RigError as error:
                self.get_logger().warning(f"{name} is not played: {error}")
            else:
                self._publishers_of_topics[name] = publisher
        if not self._publishers_of_topics:
            raise RigError(f"bag {self.parameters.bag} has nothing that can be played: it has {reader.listing()}")

    def activate(self) -> None:
        """Begins to play as soon as somebody listens."""
        p = self.parameters
        self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        self._player = Player(self._messages, self._emit, self._tick, self._finished, p.rate, p.loop, p.paused)
        self._stop_waiting = threading.Event()
        arguments = self._player, self._stop_waiting
        self._starter_of_player = threading.Thread(target=self._play, args=arguments, name="bag-waiter", daemon=True)
        self._starter_of_player.start()

    def deactivate(self) -> None:
        """Stops playing; activating again begins at the beginning."""
        self._stop_waiting.set()
        if self._starter_of_player is not None:
            self._starter_of_player.join(1.0)
        player, self._player = self._player, None
        if player is not None and not player.stop():
            raise RigError("The bag hangs: what reads it is left behind.")
        if self._clock_publisher is not None and not self.halted:
            self.destroy_publisher(self._clock_publisher)
        self._clock_publisher = None

    def cleanup(self) -> None:
        """Closes the bag and destroys the publishers."""
        while self._publishers_of_topics:
            publisher = self._publishers_of_topics.popitem()[1]
            if not self.halted:
                self.destroy_publisher(publisher)
        self._reader = None

    def apply(self, old: PlayerParameters, new: PlayerParameters) -> None:
        """Pauses or goes on."""
        if self._player is not None:
            self._player.paused = new.paused

    def waits(self) -> list[str]:
        """What playing waits for."""
        if self._waiting:
            return [self._waiting]
        return ["paused: call ~/pause with false to go on"] if self.parameters.paused else []

    def values(self) -> dict[str, str]:
        """What plays, and how far it is."""
        played = 0 if self._player is None else self._player.played
        return {"bag": self.parameters.bag, "topics": str(len(self._publishers_of_topics)), "played": str(played)}

    def _messages(self) -> Iterator[Message]:
        """What is to be played; latched messages of the part that is left out come at its end."""
        reader, begin = self._reader, self._begin
        assert reader is not None
        for topic, received, data in reader.serialised(set(self._publishers_of_topics)):
            if received >= begin or reader.topics[topic].latched:
                yield topic, max(received, begin), data

    def _emit(self, topic: str, data: bytes) -> None:
        self._publishers_of_topics[topic].publish(data)

    def _tick(self, now: int) -> None:
        self._clock_publisher.publish(Clock(clock=to_time(now)))

    def _play(self, player: Player, stop: threading.Event) -> None:
        """Plays when all who will listen do."""
        before, since = 0, time.monotonic()
        while not stop.is_set():
            heard = sum(publisher.get_subscription_count() > 0 for publisher in self._publishers_of_topics.values())
            absent = [topic for topic in self.parameters.wait_for if topic and not self._is_published(topic)]
            if heard != before or absent:
                before, since = heard, time.monotonic()
            if (
                not absent
                and heard
                and (heard == len(self._publishers_of_topics) or time.monotonic() - since > SETTLED)
            ):
                break
            names = ", ".join(absent)
            self._waiting = (
                f"waiting for {names}: nobody publishes it yet"
                if absent
                else "waiting: nobody takes what the bag holds"
            )
            self._tick(self._begin)  # so that nobody misses the time meanwhile
            stop.wait(LOOK)
        self._waiting = ""
        if not stop.is_set():
            self.get_logger().info(f"playing {self.parameters.bag} at rate {self.parameters.rate:g}")
            player.start()

    def _is_published(self, topic: str) -> bool:
        return bool(self.count_publishers(self.resolve_topic_name(topic)))

    def _finished(self, reason: str) -> None:
        if reason:
            self.report(RigError(reason), "playing")
        else:
            self.get_logger().info("the bag is played to its end")
        time.sleep(FAREWELL)
        self._end()

    def _set_paused(self, request: Any, response: Any) -> Any:
        results = self.set_parameters([Parameter("paused", value=bool(request.data))])
        response.success, response.message = results[0].successful, results[0].reason
        return response


def to_qos(is_latched: bool) -> QoSProfile:
    """What fits every subscriber; latched where the bag says that the topic was."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=10, durability=durability)  # and reliable


def main(args: list[str] | None = None) -> int:
    """Runs the node alone until the bag is played; takes ROS arguments."""
    return run(lambda: [PlayerNode(lambda: signal.raise_signal(signal.SIGTERM))], args)
