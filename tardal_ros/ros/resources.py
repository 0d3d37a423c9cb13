"""Files named in parameters: plain paths, and `package://` addresses as ROS writes them."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from tardal_ros.errors import RigError

SCHEME = "package://"


def resolve(address: str) -> Path:
    """Turns a path or `package://<package>/<path in its share folder>` into a path.

    Raises:
        RigError: The package is not installed.
    """
    if not address.startswith(SCHEME):
        return Path(address).expanduser()
    package, _, inner = address.removeprefix(SCHEME).partition("/")
    try:
        return Path(get_package_share_directory(package)) / inner
    except PackageNotFoundError:
        raise RigError(f"{address}: no package {package} is installed; source its setup file or give a path") from None
