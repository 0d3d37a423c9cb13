"""What every test shares: a ROS domain of its own, loopback only, settings in a temporary home."""

import itertools
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"
_domains = itertools.count(os.getpid())


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """Networks as small as those of tests only wait for their threads, long on a busy machine."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def domain_id():
    """A ROS domain that no other test uses at the same time."""
    return 1 + next(_domains) % 100


@pytest.fixture
def ros_context(domain_id):
    """An rclpy context in a domain of its own."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain_id)
    yield context
    context.try_shutdown()


@pytest.fixture
def wait_until():
    """Waits for a condition instead of sleeping for a fixed time."""

    def wait(condition, timeout=20.0, what="the condition"):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"waited {timeout} s in vain for {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def golden_file():
    """Reads a file of golden vectors by name: its arrays by key."""

    def read(name):
        path = SHARED / "reference" / "golden" / name
        if not path.is_file():
            pytest.skip(f"needs ../shared/reference/golden/{name}")
        with np.load(path) as file:
            return dict(file)

    return read
