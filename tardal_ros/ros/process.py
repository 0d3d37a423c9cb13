"""A process that runs nodes until it is told to end: executor, signals, an end within two seconds."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from tardal_ros.errors import RigError
from tardal_ros.ros.node import RigNode
from tardal_ros.ros.resources import resolve

# Seconds that work in progress is given at the end.
GRACE = 1.5
# One for a transition that a supervisor asks for, which may load a model, and one for everybody else.
THREADS = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Fast DDS reads its profile from the file that one of these names: the first up to Jazzy, the second after it.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


class Process:
    """Runs nodes on an executor in the background; the main thread only waits, so that signals are heard at once.

    Args:
        nodes: The nodes; ended in this order, so put what records or produces first.
        context: Their context; the default one if None.
    """

    def __init__(self, nodes: Sequence[RigNode[Any]], context: rclpy.Context | None = None) -> None:
        self.nodes = nodes
        self._executor = MultiThreadedExecutor(THREADS, context=context)
        for node in nodes:
            self._executor.add_node(node)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="executor", daemon=True)

    def start(self) -> None:
        """Begins to spin, and starts the nodes."""
        self._thread.start()
        for node in self.nodes:
            node.start()

    def end(self, grace: float = GRACE) -> list[str]:
        """Ends the nodes: no new work, then work in progress is waited for.

        Args:
            grace: Seconds to wait in all.

        Returns:
            What could not be ended in that time.
        """
        deadline = time.monotonic() + grace
        # First of all, since an executor stumbles over subscriptions that are destroyed while it waits on them.
        self._ending.set()
        self._executor.shutdown(timeout_sec=0.2)
        if self._thread.ident is not None:
            self._thread.join(0.2)
        for node in self.nodes:
            node.halt()
        left: list[str] = []
        for node in self.nodes:
            left += node.finish(deadline - time.monotonic())
        if not left:
            for node in self.nodes:
                node.destroy_node()
        return left

    def _spin(self) -> None:
        while not self._ending.is_set():
            try:
                self._executor.spin()
            except ExternalShutdownException:
                return
            except Exception as error:  # one bad callback must not leave the other nodes deaf
                for node in self.nodes:
                    node.report(error, "handling a message, a timer or a service")


def run(build: Callable[[], Sequence[RigNode[Any]]], args: Sequence[str] | None = None) -> int:
    """Runs nodes until SIGINT or SIGTERM.

    Args:
        build: Makes the nodes, once ROS is initialised.
        args: Command line without the program's name; ROS arguments are taken from it.

    Returns:
        1 where the nodes could not be made. After an end by signal it does not return: the process exits with 0.
    """
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    make_room_for_images()
    try:
        arguments = [sys.argv[0], *(sys.argv[1:] if args is None else args)]
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        process = Process(build())
    except Exception as error:  # rclpy has a dozen types for arguments and parameter files that it cannot take
        sys.stderr.write(f"tardal_ros cannot start: {error}\n")
        return 1
    process.start()
    while not stop.wait(0.5):
        if not rclpy.ok():
            break
    # A second signal, as a terminal and a launch both send one, must not interrupt the end.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    left = process.end()
    if left:
        get_logger("tardal_ros").warning(f"ended with work in progress: {', '.join(left)}")
    else:
        rclpy.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all is closed, and a thread inside a network or a camera's driver cannot be waited for


def make_room_for_images() -> None:
    """Gives Fast DDS shared memory that holds images, unless the user has a profile of their own.

    Its default segment is smaller than one image; larger ones go out in UDP fragments, of which best effort loses most.
    """
    if any(name in os.environ for name in PROFILES):
        return
    try:
        profile = resolve("package://tardal_ros/config/fastdds.xml")
    except RigError:
        return
    for name in PROFILES:
        os.environ[name] = str(profile)
