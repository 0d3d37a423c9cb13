"""Recordings spread over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from tardal_ros.errors import RigError
from tardal_ros.evaluation.offline import Settings, evaluate, prepare_process
from tardal_ros.evaluation.recording import Recording

_LOOK = 0.5  # Seconds from one look at the count of moments to the next.

_shared: dict[str, Any] = {}
"""In a worker, what all of them share."""


def evaluate_in_processes(
    recordings: Sequence[Recording],
    settings: Settings,
    folder: Path,
    processes: int,
    on_moments: Callable[[int], None] = lambda moments: None,
) -> Generator[Recording, None, None]:
    """Evaluates recordings into a folder, several at the same time, and yields each when it is done.

    The processes are fresh ones: OpenCV's threads, and the locks of torch's, do not survive a fork. They end when the
    iteration does, however that comes about; files of recordings under way are lost then.

    Args:
        recordings: What to evaluate.
        settings: How.
        folder: See `evaluate`.
        processes: How many recordings at the same time.
        on_moments: Called now and then with the number of moments so far.

    Raises:
        RigError: A recording cannot be evaluated, or a process died.
    """
    context = multiprocessing.get_context("spawn")
    count = context.Value("q", 0)
    before = multiprocessing.active_children()
    pool = ProcessPoolExecutor(min(processes, len(recordings)) or 1, context, _begin, (count,))
    try:
        waiting: dict[Future[None], Recording] = {
            pool.submit(_evaluate, recording, settings, folder): recording for recording in recordings
        }
        while waiting:
            done, _ = wait(waiting, _LOOK, FIRST_COMPLETED)
            on_moments(count.value)
            for future in sorted(done, key=lambda each: waiting[each].name):
                recording = waiting.pop(future)
                future.result()
                yield recording
    except BrokenProcessPool:
        raise RigError(
            "A process of the evaluation died, most likely for want of memory: give fewer processes and run it again."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - set(before):
            process.terminate()


def _begin(count: Any) -> None:
    """Sets a worker up: Ctrl-C is the parent's to handle, and its end is the worker's end."""
    _shared["moments"] = count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_process()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _evaluate(recording: Recording, settings: Settings, folder: Path) -> None:
    evaluate(recording, settings, folder, _count)


def _count() -> None:
    count = _shared["moments"]
    with count.get_lock():
        count.value += 1
