from __future__ import annotations

import builtins
import sys

import cv2
import numpy as np
import pytest

from tardal_ros.errors import MissingDependencyError
from tardal_ros.simulation.atlas import Atlas
from tardal_ros.simulation.climate import climate_of
from tardal_ros.simulation.eye import Eye, Pose
from tardal_ros.simulation.mesh import HOUSES, STREET, Face, Mesh, Stage, Thing
from tardal_ros.simulation.rig import INFRARED, default_rig
from tardal_ros.simulation.skin import FELT, SEEN, Air, Skin
from tardal_ros.types import Array

AIR = Air(climate_of("overcast", 0))
HOME = Pose(np.eye(3), np.zeros(3))


def skin(value: int, alpha: int = 255) -> Skin:
    """A grey face, of so many degrees; transparent ones are multiplied by alpha."""
    part = alpha / 255
    if alpha == 255:
        return Skin(np.full((8, 8, 3), value, np.uint8), np.full((8, 8), value, np.float32))
    colour = np.dstack([np.full((8, 8, 3), value * part), np.full((8, 8), alpha)]).astype(np.uint8)
    return Skin(colour, np.dstack([np.full((8, 8), value * part), np.full((8, 8), part)]).astype(np.float32))


def wall(z: float, shown: Skin, layer: int = STREET, half: float = 50.0) -> Thing:
    """A wall before the camera; it looks at us."""
    face = Face((-half, -half, z), (2 * half, 0.0, 0.0), (0.0, 2 * half, 0.0), shown, True)
    return Thing(Mesh.of([face]), layer, np.array([0.0, 0.0, z]))


def drawn(things: list[Thing], kind: int = FELT) -> Array:
    eye = Eye(default_rig().scaled(0.25).cameras[INFRARED])
    return np.asarray(eye.draw(Stage.of(things), [HOME], Atlas(kind, AIR)))


def through_air(value: float, z: float) -> float:
    """What arrives from straight ahead."""
    arrives, added = AIR.infrared(z)
    return float(value * arrives + added)


def test_a_wall_fills_the_view_with_what_arrives_of_it() -> None:
    image = drawn([wall(10.0, skin(40))])
    assert image.dtype == np.float32
    middle = image[image.shape[0] // 2, image.shape[1] // 2]
    assert middle == pytest.approx(through_air(40.0, 10.0), abs=0.02)
    # The corners are farther away, so more air is between.
    assert abs(image[0, 0] - through_air(40.0, 13.0)) < 0.2


def test_the_nearer_wall_hides_the_farther_whatever_the_order() -> None:
    walls = [wall(10.0, skin(40)), wall(20.0, skin(80))]
    np.testing.assert_array_equal(drawn(walls), drawn(walls[::-1]))
    np.testing.assert_array_equal(drawn(walls), drawn(walls[:1]))


def test_layers_come_before_distance() -> None:
    image = drawn([wall(10.0, skin(40), HOUSES), wall(20.0, skin(80))])
    np.testing.assert_array_equal(image, drawn([wall(20.0, skin(80))]))


def test_half_a_veil_lets_half_through() -> None:
    image = drawn([wall(10.0, skin(40, 127)), wall(20.0, skin(80))])
    part = 127 / 255
    expected = part * through_air(40.0, 10.0) + (1 - part) * through_air(80.0, 20.0)
    assert image[image.shape[0] // 2, image.shape[1] // 2] == pytest.approx(expected, abs=0.05)


def test_a_wall_is_drawn_where_it_projects() -> None:
    rig = default_rig().scaled(0.25)
    eye = Eye(rig.cameras[INFRARED])
    stage = Stage.of([wall(10.0, skin(200), half=1.0)])
    image = np.asarray(eye.draw(stage, [HOME], Atlas(SEEN, AIR)))[..., 0]
    corners = rig.project(INFRARED, np.array([[x, y, 10.0] for x in (-1.0, 1.0) for y in (-1.0, 1.0)]))
    mask = np.zeros(image.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners[[0, 1, 3, 2]]).astype(np.int32), 255)
    assert mask.any()
    differs = (image > 100) != (mask > 0)
    edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert not np.any(differs & ~edge)


def test_what_stands_behind_or_reaches_there_does_no_harm() -> None:
    nothing = drawn([wall(-5.0, skin(40))])
    assert not nothing.any()
    # The ground reaches from behind the camera to far ahead, 1.5 m below.
    ground = Face((-50.0, 1.5, 200.0), (100.0, 0.0, 0.0), (0.0, 0.0, -250.0), skin(30), True)
    image = drawn([Thing(Mesh.of([ground]), STREET, np.zeros(3))])
    assert (image[-1] > 20).all()
    assert not image[0].any()


def test_an_atlas_grows_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tardal_ros.simulation.atlas._ROOM", 70)
    atlas, skins = Atlas(FELT, AIR), [skin(value) for value in (10, 20, 30)]
    once = np.zeros((3, 2), np.int64)
    levels = atlas.levels(skins, once)
    for value, (start, width, height, glow) in zip((10, 20, 30), levels.tolist(), strict=True):
        assert (width, height, glow) == (8, 8, -1)
        assert (atlas.texels[start : start + 64] == (value, 1.0)).all()
    room = len(atlas.texels)
    np.testing.assert_array_equal(atlas.levels(skins, once), levels)
    assert len(atlas.texels) == room
    assert atlas.levels(skins[:1], np.array([[1, 2]]))[0, 1:3].tolist() == [4, 2]


def test_without_numba_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: object, **options: object) -> object:
        if name == "numba":
            raise ImportError(name)
        return real(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "tardal_ros.simulation.raster", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match="numba"):
        drawn([wall(10.0, skin(40))])
