"""Importing ultralytics without what it does besides.

On its own, ultralytics looks whether it is online, installs packages that it misses, fetches weights, and keeps
settings in the user's home. Importing it (8.4) also changes the process: OpenCV goes down to one thread; so does
OpenMP, by the environment (and with it torch, if that comes later); numpy prints floats differently; `torch.save` is
another function; and a logger of its own writes to stdout.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from tardal_ros.errors import MissingDependencyError

_lock = threading.RLock()
_settings: list[tempfile.TemporaryDirectory[str]] = []


@contextmanager
def contained() -> Iterator[None]:
    """Import ultralytics inside this: it stays off the network, writes to a temporary folder and changes nothing else.

    Raises:
        MissingDependencyError: torch or ultralytics is not installed.
    """
    with _lock:
        if "ultralytics" in sys.modules:  # its import has done what it does, here or in the user's own program
            yield
            return
        try:
            import torch  # before ultralytics tells OpenMP to use one thread
        except ImportError as error:
            raise _missing(error) from error
        _keep_offline()
        environment, threads, save = dict(os.environ), cv2.getNumThreads(), torch.save
        try:
            with np.printoptions(), warnings.catch_warnings():
                yield
        except ImportError as error:
            raise _missing(error) from error
        finally:
            torch.save = save
            cv2.setNumThreads(threads)
            for name in set(os.environ) - set(environment):
                del os.environ[name]
            os.environ.update(environment)
            logger = logging.getLogger("ultralytics")
            logger.handlers.clear()
            logger.propagate = True


def _keep_offline() -> None:
    """Sets what ultralytics reads at import; it stays set for the processes that ultralytics may start."""
    if not _settings:
        _settings.append(tempfile.TemporaryDirectory(prefix="tardal_ros-ultralytics-"))
    os.environ.update(
        YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", YOLO_CONFIG_DIR=_settings[0].name
    )


def _missing(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(
        f"A .pt detector needs ultralytics and torch ({error}): run `pip install '.[detect]'` in the checkout, or give "
        "an .onnx file."
    )
