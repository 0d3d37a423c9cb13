"""How nodes are joined: by reference inside one process, by topics between processes.

An `Output` hands each item to the inputs linked to it, and then lets its publisher encode it for whoever subscribes.
An `Input` takes items from its link, or, where nothing is linked, from its subscription. One implementation of a node
serves both wirings; rclpy has no intra-process transport of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from tardal_ros.ros.node import RigNode

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)
SILENCE = 2.0
# Seconds for which a sender lets go of the interpreter, so that the thread it has just woken begins first.
BREATH = 1e-4


class Subscription(Protocol[Item]):
    """The topics that make up one kind of item."""

    def open(self, deliver: Callable[[Item], None]) -> None:
        """Subscribes; `deliver` is called with each item."""

    def close(self) -> None:
        """Unsubscribes."""

    def waiting(self) -> str:
        """Why nothing comes, as far as the topics show it: one sentence."""

    def lacking(self) -> str:
        """What is missing although items come: one sentence, or an empty string."""


class Output(Generic[T]):
    """Where a node's items leave it.

    Args:
        node: The node, which hears of failing receivers.
        publish: Encodes and publishes an item for ROS subscribers.
    """

    def __init__(self, node: RigNode[Any], publish: Callable[[T], None]) -> None:
        self._node = node
        self._publish = publish
        self._receivers: list[Callable[[T], None]] = []

    def link(self, receive: Callable[[T], None]) -> None:
        """Hands every further item to `receive` by reference, in the sender's thread."""
        self._receivers.append(receive)

    def send(self, item: T) -> None:
        """Hands an item on: first to the links, which are waiting, then to the topics."""
        for receive in self._receivers:
            self._hand(receive, item)
        if self._receivers:
            time.sleep(BREATH)
        self._hand(self._publish, item)

    def _hand(self, receive: Callable[[T], None], item: T) -> None:
        try:
            receive(item)
        except Exception as error:  # one receiver's failure must not starve the others
            if not self._node.halted:
                self._node.report(error, "handing on a result")


class Input(Generic[T]):
    """Where items enter a node.

    Args:
        name: What enters, for messages to the user: `visible/left`, `registered pairs`.
        receive: Called with each item while the input is open.
        subscription: Where items come from when nothing is linked.
    """

    def __init__(self, name: str, receive: Callable[[T], None], subscription: Subscription[T]) -> None:
        self.name = name
        self._receive = receive
        self._subscription = subscription
        self._linked = False
        self._open = False
        self._opened = 0.0
        self._last = 0.0

    def link(self, output: Output[T]) -> None:
        """Takes items from an output in this process instead of from topics."""
        self._linked = True
        output.link(self.deliver)

    def open(self) -> None:
        """Begins to take items."""
        self._open = True
        self._opened = self._last = time.monotonic()
        if not self._linked:
            self._subscription.open(self.deliver)

    def close(self) -> None:
        """Takes no more items."""
        self._open = False
        self._subscription.close()

    def deliver(self, item: T) -> None:
        """Hands in one item; it is ignored while the input is closed."""
        if self._open:
            self._last = time.monotonic()
            self._receive(item)

    def waiting(self) -> str:
        """One sentence on what this input waits for or lacks, or an empty string while all is well."""
        now = time.monotonic()
        if not self._open or now - self._opened < SILENCE:
            return ""
        if now - self._last < SILENCE:
            return "" if self._linked else self._subscription.lacking()
        why = "its sender in this process is silent" if self._linked else self._subscription.waiting()
        return f"waiting for {self.name}: {why}"
