"""Giving a running fuser another method, which is loaded while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.fusion.fuser import Fuser, Method
from tardal_ros.pipeline import Step, Worker

_TRIAL = np.zeros((48, 64), np.uint8)


@dataclass(frozen=True)
class Choice:
    """What can be switched about a fuser.

    Attributes:
        fuser: Its name.
        weights: Weights file of a network; None for a fuser that takes none.
        device: Where a network runs: `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    fuser: str
    weights: Path | None = None
    device: str = "auto"


class Switch:
    """Switches a fuser that runs to another method, between two images; until then, or where that fails, it goes on.

    Wishes are loaded in a thread of their own, one after another; the last one wins.

    Args:
        fuser: What runs.
        running: As what.
        load: Makes the fuser of a choice.
        on_switched: Called in that thread with what has taken over.
        on_failure: Called in that thread with a sentence on what could not be loaded.

    Attributes:
        running: What fuses now.
        wanted: What was asked for last.
        failure: Why that could not be loaded, in one sentence; empty where it could, or where it is not known yet.
    """

    name = "loading"

    def __init__(
        self,
        fuser: Fuser,
        running: Choice,
        load: Callable[[Choice], Fuser],
        on_switched: Callable[[Choice], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.running = self.wanted = running
        self.failure = ""
        self._fuser = fuser
        self._load = load
        self._on_switched = on_switched
        self._on_failure = on_failure
        self._worker: Worker[Choice, tuple[Choice, Method]] = Worker(self, self._take_over, self._fail)
        self._worker.start()

    def want(self, choice: Choice) -> None:
        """Asks for another method; returns at once. What could not be loaded before is tried again."""
        if choice == self.wanted and not self.failure:
            return
        self.wanted, self.failure = choice, ""
        self._worker.submit(choice)

    def status(self) -> str:
        """Why what was asked for does not fuse; empty where it does."""
        if self.failure or self.wanted == self.running:
            return self.failure
        return f"{self.wanted.fuser} is being loaded, {self.running.fuser} goes on fusing meanwhile"

    def close(self) -> None:
        """Switches no more; does not wait for what is being loaded."""
        self._worker.close()

    def join(self, timeout: float) -> bool:
        """Waits until nothing is being loaded, once closed; returns whether that was within `timeout` seconds."""
        return self._worker.join(timeout)

    def process(self, item: Choice) -> tuple[Choice, Method] | None:
        """Loads what is still wanted and does not run yet, and tries it; the worker calls this.

        Raises:
            RigError: It cannot be loaded.
        """
        if item != self.wanted or item == self.running:
            return None
        method = self._load(item).method
        method.fuse_luma(_TRIAL, _TRIAL)  # what does not run shows now, and what is slow at first is
        return item, method

    def reset(self) -> None:
        """Has nothing to forget."""

    def _take_over(self, loaded: tuple[Choice, Method], step: Step) -> None:
        choice, method = loaded
        if choice == self.wanted:
            self._fuser.method, self.running = method, choice
            self._on_switched(choice)

    def _fail(self, choice: Choice, error: Exception) -> None:
        if choice != self.wanted:
            return
        why = str(error) if isinstance(error, RigError) else f"{type(error).__name__}: {error}"
        self.failure = f"{self.running.fuser} goes on fusing, since {choice.fuser} cannot be loaded: {why}"
        self._on_failure(self.failure)
