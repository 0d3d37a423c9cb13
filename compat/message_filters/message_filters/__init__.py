"""The part of message_filters that tardal_ros uses, for machines without a ROS installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SimpleFilter:
    """Hands what it outputs to every callback registered with it."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802, message_filters' own name
        """Registers a callback, called with each output followed by `args`; returns the connection's number."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802, message_filters' own name
        """Outputs `msg`: calls the callbacks, in the order in which they were registered."""
        for callback, args in list(self.callbacks.values()):
            callback(*msg, *args)


class Subscriber(SimpleFilter):
    """A subscription as a filter: outputs each message received."""

    def __init__(self, node: Any, msg_type: Any, topic: str, qos_profile: Any = 10, **kwargs: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        self.sub = node.create_subscription(msg_type, topic, self.callback, qos_profile, **kwargs)

    def callback(self, msg: Any) -> None:
        """Outputs a received message."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802, message_filters' own name
        """Returns the topic's name as it was given."""
        return self.topic

    def __getattr__(self, key: str) -> Any:
        """Finds everything else on the subscription."""
        return getattr(object.__getattribute__(self, "sub"), key)
