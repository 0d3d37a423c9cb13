from __future__ import annotations

import pytest

from tardal_ros.simulation import Scene, default_rig


@pytest.fixture(scope="session")
def day_scene() -> Scene:
    return Scene(0, "day")


@pytest.fixture(scope="session")
def small_night() -> Scene:
    return Scene(1, "night", rig=default_rig().scaled(0.5))
