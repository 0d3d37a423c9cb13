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
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from tardal_ros.errors import RigError
from tardal_ros.ros.node import RigNode

# Seconds that work in progress is given at the end.
GRACE = 1.5


class Process:
    """Runs nodes on one executor thread; the main thread only waits, so that signals are heard at once.

    Args:
        nodes: The nodes; ended in this order, so put what records or produces first.
        context: Their context; the default one if None.
    """

    def __init__(self, nodes: Sequence[RigNode[Any]], context: rclpy.Context | None = None) -> None:
        self.nodes = nodes
        self._executor = SingleThreadedExecutor(context=context)
        for node in nodes:
            self._executor.add_node(node)
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
        for node in self.nodes:
            node.halt()
        left: list[str] = []
        for node in self.nodes:
            left += node.finish(deadline - time.monotonic())
        self._executor.shutdown(timeout_sec=0.2)
        if self._thread.ident is not None:
            self._thread.join(0.2)
        if not left:
            for node in self.nodes:
                node.destroy_node()
        return left

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def run(build: Callable[[], Sequence[RigNode[Any]]], args: Sequence[str] | None = None) -> int:
    """Runs nodes until SIGINT or SIGTERM.

    Args:
        build: Makes the nodes, once ROS is initialised.
        args: Command line without the program's name; ROS arguments are taken from it.

    Returns:
        The exit code: 0 after a clean end, 1 where the nodes could not be made.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    arguments = [sys.argv[0], *(sys.argv[1:] if args is None else args)]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    try:
        process = Process(build())
    except RigError as error:
        get_logger("tardal_ros").fatal(str(error))
        rclpy.shutdown()
        return 1
    process.start()
    while not stop.wait(0.5):
        if not rclpy.ok():
            break
    left = process.end()
    if left:
        get_logger("tardal_ros").warning(f"ended with work in progress: {', '.join(left)}")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # a thread inside a network cannot be interrupted; everything else is closed
    rclpy.shutdown()
    return 0
