"""What the files of a bag have in common, whatever their format."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

import yaml

Serialised = tuple[str, int, bytes]
"""Topic, time of receipt in nanoseconds, and the message in CDR."""


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    Attributes:
        type: The interface, such as `sensor_msgs/msg/Image`.
        count: How many messages can be read.
        definition: The interface as the bag defines it; empty where it does not.
        is_idl: Whether the definition is in IDL, not in the .msg format.
        latched: Whether it was offered to late subscribers too (transient local).
    """

    type: str
    count: int
    definition: str = ""
    is_idl: bool = False
    latched: bool = False


class Storage(Protocol):
    """One file of a bag, open.

    Attributes:
        topics: What is in it.
        span: Receipt of its first and its last message, in nanoseconds; None where it is empty.
        distro: The ROS release that wrote it, such as `jazzy`; empty where nobody says.
        problems: Sentences about what cannot be read, complete once `messages` has ended.
    """

    topics: dict[str, Topic]
    span: tuple[int, int] | None
    distro: str
    problems: list[str]

    def messages(self, topics: Collection[str]) -> Iterator[Serialised]:
        """Reads the messages of these topics, in the order of their receipt."""

    def close(self) -> None:
        """Closes the file."""


def is_latched(profiles: str) -> bool:
    """Whether all QoS profiles, in the YAML of rosbag2, offer messages to late subscribers.

    Newer releases name the durability, older ones give its number in rmw.
    """
    try:
        offered = yaml.safe_load(profiles) or []
        return bool(offered) and all(each["durability"] in (1, "transient_local") for each in offered)
    except (yaml.YAMLError, KeyError, TypeError):
        return False
