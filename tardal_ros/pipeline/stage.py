"""What a stage of the rig is."""

from __future__ import annotations

from typing import Protocol, TypeVar

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol[In, Out]):
    """One step of a frame's way; the same object serves the live and the in-order driver.

    A stage is used by one thread at a time and may remember things between items.
    """

    name: str

    def process(self, item: In) -> Out | None:
        """Makes one result of one item, or None where there is nothing to hand on."""

    def reset(self) -> None:
        """Forgets what earlier items left behind, after a jump in time."""
