"""The folder of an evaluation, which one run at a time may use."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tardal_ros.errors import RigError

_LOCK = ".lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Makes a folder, and keeps others out of it. The system lets go of it when this process ends, however it does.

    Raises:
        RigError: It is in use, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w")
    except OSError as error:
        raise RigError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RigError(
                f"{folder} is in use by another evaluation: wait for it, or choose another folder."
            ) from None
        yield
