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
from tardal_ros.ros.resources import resolve

# Seconds that work in progress is given at the end.
GRACE = 1.5
# Seconds of it for callbacks in progress.
LAST_CALLBACKS = 0.3
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Fast DDS reads its profile from the file that one of these names: the first up to Jazzy, the second after it.
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


class Process:
    """Runs nodes in the background, each on an executor of its own; the main thread is free to hear signals.

    One node's transition that a supervisor asks for, which may load a model, so stops no other node. (A multi-threaded
    executor would do that too, at twice the CPU for images over topics.)

    Args:
        nodes: The nodes; ended in this order, so put what records or produces first.
        context: Their context; the default one if None.
    """

    def __init__(self, nodes: Sequence[RigNode[Any]], context: rclpy.Context | None = None) -> None:
        self.nodes = nodes
        self._ending = threading.Event()
        self._executors = [SingleThreadedExecutor(context=context) for _ in nodes]
        self._threads = [
            threading.Thread(target=self._spin, args=pair, name=f"executor:{pair[0].get_name()}", daemon=True)
            for pair in zip(nodes, self._executors, strict=True)
        ]
        for node, executor in zip(nodes, self._executors, strict=True):
            executor.add_node(node)

    def start(self) -> None:
        """Begins to spin, and starts the nodes."""
        for thread in self._threads:
            thread.start()
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
        self._stop_spinning()
        for node in self.nodes:
            node.halt()
        left: list[str] = []
        for node in self.nodes:
            left += node.finish(deadline - time.monotonic())
        if not left:
            for node in self.nodes:
                node.destroy_node()
        return left

    def _stop_spinning(self) -> None:
        self._ending.set()
        deadline = time.monotonic() + LAST_CALLBACKS
        for executor, thread in zip(self._executors, self._threads, strict=True):
            executor.shutdown(timeout_sec=max(0.0, deadline - time.monotonic()))
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _spin(self, node: RigNode[Any], executor: SingleThreadedExecutor) -> None:
        while not self._ending.is_set():
            try:
                executor.spin()
            except ExternalShutdownException:
                return
            except Exception as error:  # one bad callback must not leave the node deaf
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
