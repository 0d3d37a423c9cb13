import importlib.util
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def load(path):
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository():
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def set_up():
    """tools/set_up.py as a module."""
    return load(REPOSITORY / "tools/set_up.py")


@pytest.fixture(scope="session")
def prefix():
    """The prefix that the package is installed to."""
    packages = pytest.importorskip("ament_index_python.packages", reason="needs ROS 2: `make test` sets it up")
    try:
        return Path(packages.get_package_prefix("tardal_ros"))
    except packages.PackageNotFoundError:
        pytest.skip("the package is not installed: `make test` builds it")


@pytest.fixture(params=["stand-in", "installed"])
def message_filters(request):
    """Our stand-in for message_filters, and the one that is installed: they must behave the same."""
    pytest.importorskip("rclpy", reason="needs ROS 2: `make test` sets it up")
    if request.param == "installed":
        return pytest.importorskip("message_filters", reason="no message_filters is installed")
    return load(REPOSITORY / "compat/message_filters/message_filters/__init__.py")
