"""The one-slot mailbox between two stages: the freshest item wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item; a newer one replaces it. Latency stays bounded whatever the load."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Leaves an item for the taker.

        Returns:
            Whether an item that nobody had taken yet was replaced, or this one refused because the box is closed.
        """
        with self._changed:
            if self._closed:
                return True
            replaced = self._item is not None
            self._item = item
            self._changed.notify()
            return replaced

    def take(self, timeout: float | None = None) -> T | None:
        """Waits for an item; None after `timeout` seconds, or once the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wakes the taker and refuses further items; a waiting item is let go."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the box was closed."""
        return self._closed
