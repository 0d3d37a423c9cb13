from __future__ import annotations

import pytest

from tardal_ros.simulation import Scene


@pytest.fixture(scope="session")
def day_scene() -> Scene:
    return Scene(0, "day")
