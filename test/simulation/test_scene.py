from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.calibration import load_rig
from tardal_ros.errors import RigError
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.simulation import CONDITIONS, INFRARED, VISIBLE, Scene
from tardal_ros.simulation.actors import Pedestrian, Plume, Sign
from tardal_ros.types import Array, Frame, Pair, View

RIG_FILE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
KELVIN_COUNTS = 27315


def test_images_are_what_the_cameras_say(day_scene: Scene) -> None:
    images = day_scene.render(0.3)
    assert list(images) == list(day_scene.streams) == [VISIBLE, INFRARED]
    assert (images[VISIBLE].shape, images[VISIBLE].dtype) == ((768, 1024, 3), np.uint8)
    assert (images[INFRARED].shape, images[INFRARED].dtype) == ((512, 640), np.uint16)
    for image in images.values():
        assert not image.flags.writeable
        assert image.std() > 20


def test_infrared_counts_are_temperatures_of_a_street(day_scene: Scene) -> None:
    celsius = (day_scene.view(INFRARED, 1.0).astype(float) - KELVIN_COUNTS) / 100
    assert -15 < np.percentile(celsius, 1) < 5  # sky
    assert 15 < np.median(celsius) < 25  # street and walls
    assert 30 < np.percentile(celsius, 99.9) < 70  # faces, tyres, exhaust


def test_same_seed_gives_same_bytes_in_any_order(day_scene: Scene) -> None:
    again = Scene(0, "day")
    forward = [day_scene.render(time) for time in (0.0, 2.7)]
    backward = [again.render(time) for time in (2.7, 0.0)]
    for one, other in zip(forward, reversed(backward), strict=True):
        for stream in one:
            np.testing.assert_array_equal(one[stream], other[stream])


def test_things_move_and_noise_is_alive(day_scene: Scene) -> None:
    for stream, noise in ((VISIBLE, 2.0), (INFRARED, 5.0)):
        one, two = (day_scene.view(stream, time).astype(float) for time in (1.0, 1.5))
        moved = np.abs(one - two) > 12 * noise
        moved = moved.any(axis=2) if moved.ndim == 3 else moved
        assert 0.005 < moved.mean() < 0.5
        still = np.median(np.abs(one - two))
        assert 0 < still < 4 * noise


def test_seed_and_split_change_what_is_there(day_scene: Scene) -> None:
    view = day_scene.view(INFRARED, 0.0).astype(float)
    other = Scene(0, "day", "train").view(INFRARED, 0.0).astype(float)
    assert np.mean(np.abs(view - other) > 100) > 0.2


def test_night_is_dark_but_people_are_warm() -> None:
    scene = Scene(0, "night")
    images = scene.render(0.5)
    assert np.median(images[VISIBLE]) < 40
    celsius = (images[INFRARED].astype(float) - KELVIN_COUNTS) / 100
    assert np.mean((celsius > 17) & (celsius < 40)) > 0.01


def registered(scene: Scene, time: float) -> Pair:
    frames = {}
    for stream, image in scene.render(time).items():
        camera = scene.rig.cameras[stream]
        frames[stream] = Frame(image, 0, camera.frame_id, camera.info)
    return RegistrationStage(load_rig(RIG_FILE)).process(Pair(View(frames[VISIBLE]), View(frames[INFRARED])))


def edges(image: Array) -> Array:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.minimum(strength, np.percentile(strength, 97)).astype(np.float32)


def tile_shifts(one: Array, two: Array, mask: Array, size: int = 128) -> list[float]:
    """By how many pixels the edges of each tile are displaced between two images."""
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    shifts = []
    for top in range(0, mask.shape[0] - size + 1, size // 2):
        for left in range(0, mask.shape[1] - size + 1, size // 2):
            tile = np.s_[top : top + size, left : left + size]
            if mask[tile].all():
                shift, _ = cv2.phaseCorrelate(one[tile], two[tile], window)
                shifts.append(float(np.hypot(*shift)))
    return shifts


def test_shipped_rig_file_registers_the_rendered_pair(day_scene: Scene) -> None:
    pair = registered(day_scene, 0.5)
    visible = edges(cv2.cvtColor(pair.visible.left.image, cv2.COLOR_BGR2GRAY))
    infrared = edges(pair.infrared.left.image)
    assert pair.mask is not None and pair.mask.mean() > 0.9 * 255
    shifts = tile_shifts(infrared, visible, pair.mask)
    assert len(shifts) > 100
    assert np.median(shifts) < 1.0
    # The measure can tell: two pixels off is seen as two pixels off.
    assert 1.5 < np.median(tile_shifts(np.roll(infrared, 2, axis=1), visible, pair.mask)) < 2.5


def test_only_the_visible_reads_the_sign_and_only_infrared_sees_through_smoke(day_scene: Scene) -> None:
    where: dict[type, list[Array]] = {}
    for actor in day_scene._actors:
        (sprite, left, top), *_ = actor.at(0.5)
        box = np.array([[left, top], [left + sprite.size[0], top + sprite.size[1]]])
        corners = day_scene.rig.project(VISIBLE, (box - (640.0, 480.0)) / 1100.0)
        where.setdefault(type(actor), []).append(corners)
    pair = registered(day_scene, 0.5)
    visible = cv2.cvtColor(pair.visible.left.image, cv2.COLOR_BGR2GRAY).astype(float)
    infrared = pair.infrared.left.image.astype(float)

    (left, top), (right, bottom) = where[Sign][0]
    board = np.s_[int(top) + 14 : int((top + bottom) / 2) - 14, int(left) + 14 : int(right) - 14]
    assert visible[board].std() > 40
    assert infrared[board].std() < 8

    (left, top), (right, bottom) = where[Plume][0]
    hidden = where[Pedestrian][2]
    assert left < hidden[0, 0] and hidden[1, 0] < right
    x, y = hidden.mean(axis=0)
    chest = np.s_[int(y) - 25 : int(y) - 5, int(x) - 4 : int(x) + 5]
    beside = np.s_[int(y) - 25 : int(y) - 5, int(x) + 35 : int(x) + 50]
    assert infrared[chest].mean() - infrared[beside].mean() > 25
    assert abs(visible[chest].mean() - visible[beside].mean()) < 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((0, "fog"), "'fog'.*day, night"), ((0, "day", "holiday"), "'holiday'.*train, test"), ((-1,), "-1.*negative")],
)
def test_unknown_scene_is_refused_at_once(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(RigError, match=words):
        Scene(*arguments)  # type: ignore[arg-type]


def test_conditions_are_listed() -> None:
    assert CONDITIONS == ("day", "night")
