"""How far the work is, and what of it could not be done, told on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from tardal_ros.errors import MissingDependencyError

if TYPE_CHECKING:
    from tardal_ros.training.detector_trainer import Progress

Each = TypeVar("Each")

_NOTHING: Mapping[str, float] = MappingProxyType({})
_SELDOM = 30.0  # Seconds between the lines in a file.
_NAMED = 10  # How many problems are told before they are only counted.


class Bar:
    """A bar with the time that is left; in a file, a line of it now and then. Leave it as a context manager."""

    def __init__(self, what: str = "", unit: str = "it", shown: bool = True) -> None:
        """Sets it up; it appears with the first call.

        Args:
            what: What is done.
            unit: What of it is counted.
            shown: Whether to show it at all.
        """
        self._settings = {"desc": what or None, "unit": unit, "disable": not shown}
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, done: int, total: int, figures: Mapping[str, float] = _NOTHING) -> None:
        """Takes note of how much is done; what was done before the first call does not count for the speed.

        Raises:
            MissingDependencyError: tqdm is not installed.
        """
        if self._bar is None:
            self._bar = _tqdm(initial=done, total=total, **self._settings)
        if figures:
            told = {name: value if isinstance(value, int) else f"{value:.3f}" for name, value in figures.items()}
            self._bar.set_postfix(told, refresh=False)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Ends the line, as the end of the work does by itself."""
        if self._bar is not None:
            self._bar.close()


def in_steps(bar: Bar) -> Callable[[Progress], None]:
    """Has a bar follow the training of a detector."""

    def note(at: Progress) -> None:
        scored = {} if at.map50 is None else {"map50": at.map50}
        bar((at.epoch - 1) * at.steps + at.step, at.epochs * at.steps, {"epoch": at.epoch, **at.losses, **scored})

    return note


def counted(items: Iterable[Each], total: int, unit: str) -> Iterator[Each]:
    """Passes items on with a bar.

    Args:
        items: What to pass on.
        total: How many there are.
        unit: What one of them is.

    Raises:
        MissingDependencyError: tqdm is not installed.
    """
    with Bar(unit=unit) as bar:
        bar(0, total)
        for done, item in enumerate(items, 1):
            yield item
            bar(done, total)


def tell(problems: Sequence[str]) -> None:
    """Tells of what was left out, a sentence each."""
    for problem in problems[:_NAMED]:
        sys.stderr.write(f"{problem}\n")
    if len(problems) > _NAMED:
        sys.stderr.write(f"… and {len(problems) - _NAMED} more\n")


def _tqdm(**settings: Any) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingDependencyError("The bar needs tqdm: run `pip install '.[train]'` in the checkout.") from None
    return tqdm(dynamic_ncols=True, mininterval=0.1 if sys.stderr.isatty() else _SELDOM, **settings)
