from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.calibration import load_rig
from tardal_ros.errors import RigError
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.registration.warp import registering_warp
from tardal_ros.simulation import (
    CONDITIONS,
    HAZARDS,
    INFRARED,
    INFRARED_RIGHT,
    VISIBLE,
    VISIBLE_RIGHT,
    Scene,
    Truth,
    default_rig,
)
from tardal_ros.simulation.atlas import Atlas
from tardal_ros.simulation.climate import climate_of
from tardal_ros.simulation.skin import FELT, SOLID, Air, Skin
from tardal_ros.types import Array, Frame, Pair, View

RIG_FILE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
KELVIN_COUNTS = 27315
Tile = tuple[slice, slice]


def test_images_are_what_the_cameras_say(day_scene: Scene) -> None:
    images = day_scene.render(0.3)
    assert list(images) == list(day_scene.streams) == [VISIBLE, INFRARED, VISIBLE_RIGHT, INFRARED_RIGHT]
    for stream, image in images.items():
        shape, kind = ((768, 1024, 3), np.uint8) if stream.startswith("visible") else ((512, 640), np.uint16)
        assert (image.shape, image.dtype) == (shape, kind)
        assert not image.flags.writeable
        assert image.std() > 20


def test_infrared_counts_are_temperatures_of_a_street(day_scene: Scene) -> None:
    celsius = (day_scene.view(INFRARED, 1.0).astype(float) - KELVIN_COUNTS) / 100
    assert -20 < np.percentile(celsius, 1) < 13  # sky
    assert 15 < np.median(celsius) < 35  # street and walls
    assert 30 < np.percentile(celsius, 99.9) < 80  # faces, tyres, exhaust


def test_same_seed_gives_same_bytes_in_any_order(small_night: Scene) -> None:
    again = Scene(1, "night", rig=default_rig().scaled(0.5))
    forward = [small_night.render(time) for time in (0.0, 2.7)]
    backward = [again.render(time) for time in (2.7, 0.0)]
    for one, other in zip(forward, reversed(backward), strict=True):
        for stream in one:
            np.testing.assert_array_equal(one[stream], other[stream])


def test_things_move_and_noise_is_alive(day_scene: Scene) -> None:
    for stream, noise in ((VISIBLE, 2.0), (INFRARED, 5.0)):
        one, two, same = (day_scene.view(stream, time).astype(float) for time in (1.0, 1.5, 1.0 + 1e-5))
        moved = np.abs(one - two) > 12 * noise
        assert 0.005 < moved.mean() < 0.7
        still = np.median(np.abs(one - same))
        assert 0 < still < 4 * noise


def test_seed_and_split_change_what_is_there(small_night: Scene) -> None:
    view = small_night.view(INFRARED, 0.0).astype(float)
    other = Scene(1, "night", "train", rig=default_rig().scaled(0.5)).view(INFRARED, 0.0).astype(float)
    assert np.mean(np.abs(view - other) > 100) > 0.2


def test_night_is_dark_but_people_are_warm(small_night: Scene) -> None:
    images = small_night.render(0.5)
    assert np.median(images[VISIBLE]) < 80
    truth = small_night.truth(INFRARED, 0.5)
    people = [i.number for i in truth.instances if i.name == "People" and i.visibility > 0.7]
    celsius = (images[INFRARED].astype(float) - KELVIN_COUNTS) / 100
    person = celsius[np.isin(truth.labels, people)]
    assert np.mean(person) > np.median(celsius) + 4


def registered(scene: Scene, time: float) -> Pair:
    frames = {}
    for stream in (VISIBLE, INFRARED):
        camera = scene.rig.cameras[stream]
        frames[stream] = Frame(scene.view(stream, time), 0, camera.frame_id, camera.info)
    return RegistrationStage(load_rig(RIG_FILE)).process(Pair(View(frames[VISIBLE]), View(frames[INFRARED])))


def edges(image: Array) -> Array:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    strength = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.minimum(strength, np.percentile(strength, 97)).astype(np.float32)


def tile_shifts(one: Array, two: Array, mask: Array, size: int = 64, least: float = 0.75) -> list[tuple[Tile, Array]]:
    """By how many pixels (x, y) the edges of each tile that the mask fills are displaced between two images."""
    window = cv2.createHanningWindow((size, size), cv2.CV_32F)
    shifts = []
    for top in range(0, mask.shape[0] - size + 1, size // 2):
        for left in range(0, mask.shape[1] - size + 1, size // 2):
            tile = np.s_[top : top + size, left : left + size]
            if mask[tile].mean() > least and min(one[tile].std(), two[tile].std()) > 1e-3:
                shift, response = cv2.phaseCorrelate(one[tile], two[tile], window)
                if response > 0.08:
                    shifts.append((tile, np.array(shift)))
    return shifts


def lengths(shifts: list[tuple[Tile, Array]]) -> Array:
    return np.array([np.hypot(*shift) for _, shift in shifts])


def test_far_field_registers(day_scene: Scene) -> None:
    pair, truth = registered(day_scene, 0.5), day_scene.truth(VISIBLE, 0.5)
    assert pair.mask is not None and pair.mask.mean() > 0.9 * 255
    visible = edges(cv2.cvtColor(pair.visible.left.image, cv2.COLOR_BGR2GRAY))
    infrared = edges(pair.infrared.left.image)
    far = (truth.depth > 18) & (truth.depth < 90) & (pair.mask > 0)
    shifts = lengths(tile_shifts(infrared, visible, far))
    assert len(shifts) > 20
    assert np.median(shifts) < 1.0
    # The measure can tell: three pixels off is seen as three pixels off.
    assert 2.0 < np.median(lengths(tile_shifts(np.roll(infrared, 3, axis=1), visible, far))) < 4.0


def shift_of(moved: Array, still: Array, mask: Array) -> float:
    """By how many columns to the right the masked part of an image is found in another one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    candidates = np.arange(-12.0, 12.01, 0.25)
    costs = []
    for shift in candidates:
        back = cv2.warpAffine(moved, np.array([[1.0, 0.0, -shift], [0.0, 1.0, 0.0]]), moved.shape[::-1])
        costs.append(np.abs(back[part] - still[part])[mask[part]].mean())
    return float(candidates[int(np.argmin(costs))])


def test_near_objects_show_the_parallax_that_no_homography_removes(day_scene: Scene) -> None:
    warp = registering_warp(load_rig(RIG_FILE), INFRARED, VISIBLE, rectify=False)
    found, expected = [], []
    for time in (1.0, 6.0, 13.0, 15.0, 24.0):
        truth = day_scene.truth(VISIBLE, time)
        # What registration should give: the same warmth, seen by the visible eye itself.
        wanted = np.asarray(day_scene._draw(day_scene._eyes[VISIBLE], time, FELT))
        brought = np.asarray(warp.apply(day_scene._draw(day_scene._eyes[INFRARED], time, FELT)))
        for number in (instance.number for instance in truth.instances if instance.visibility > 0.9):
            # The part of the object that faces us, at about one depth.
            z = np.percentile(truth.depth[truth.labels == number], 20)
            mine = (truth.labels == number) & (np.abs(truth.depth / z - 1.0) < 0.06)
            if np.count_nonzero(mine) < 1500 or mine[:, :40].any() or mine[:, -40:].any():
                continue
            found.append(shift_of(brought, wanted, cv2.dilate(mine.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0))
            # Off the plane at 30 m, things stand aside by focal length x baseline x (1 / z - 1 / 30 m).
            expected.append(1100.0 * 0.04 * (1.0 / z - 1.0 / 30.0))
    assert len(found) >= 6
    assert max(expected) > 2.5, "nothing came near"
    np.testing.assert_allclose(found, expected, atol=0.8)


def predicted(scene: Scene, truth: Truth, stream: str) -> Array:
    """Where another camera sees each pixel of a view, by its depth: (H, W, 2)."""
    here, rays = scene.rig.cameras[truth.stream], scene.rig.cameras[truth.stream].rays()
    depth = np.where(np.isfinite(truth.depth), truth.depth, 1e6)[..., None]
    points = np.concatenate([rays * depth, depth], axis=-1).reshape(-1, 3) @ here.rotation.T + here.translation
    return scene.rig.project(stream, points).reshape(*truth.depth.shape, 2).astype(np.float32)


@pytest.mark.parametrize(("left", "right"), [(VISIBLE, VISIBLE_RIGHT), (INFRARED, INFRARED_RIGHT)])
def test_depth_explains_the_other_eye(day_scene: Scene, left: str, right: str) -> None:
    truth, there = day_scene.truth(left, 1.0), day_scene.truth(right, 1.0)
    seen = predicted(day_scene, truth, right)
    one, two = (day_scene.view(stream, 1.0).astype(np.float32) for stream in (left, right))
    one, two = (image.mean(axis=2) if image.ndim == 3 else image for image in (one, two))

    def error(sideways: float) -> float:
        brought = cv2.remap(two, seen[..., 0] + np.float32(sideways), seen[..., 1], cv2.INTER_LINEAR)
        labels = cv2.remap(there.labels.astype(np.float32), *np.moveaxis(seen, -1, 0), cv2.INTER_NEAREST)
        inside = (seen[..., 0] > 4) & (seen[..., 0] < two.shape[1] - 5) & (truth.depth < 40)
        both = inside & (labels == truth.labels)
        return float(np.median(np.abs(cv2.GaussianBlur(brought - one, (0, 0), 1.0))[both]))

    # No disparity but the true one explains the other image: the photometric error is least there.
    errors = {shift: error(shift) for shift in (-3.0, -1.5, 0.0, 1.5, 3.0)}
    assert min(errors, key=errors.__getitem__) == 0.0
    assert errors[0.0] < 0.9 * min(errors[-1.5], errors[1.5])


def test_truth_says_what_and_when(day_scene: Scene) -> None:
    truth = day_scene.truth(VISIBLE, 1.25)
    assert truth.stamp == 1_250_000_000
    assert truth.labels.shape == truth.depth.shape == truth.targets.shape == (768, 1024)
    assert set(np.unique(truth.labels)) <= {0, *(instance.number for instance in truth.instances)}
    assert np.isinf(truth.depth[0]).any() and np.nanmin(truth.depth) > 0.3
    np.testing.assert_allclose(truth.pose[:3, :3] @ truth.pose[:3, :3].T, np.eye(3), atol=1e-9)
    names = {instance.name for time in (0.0, 20.0) for instance in day_scene.truth(VISIBLE, time).instances}
    assert names == {"People", "Car", "Bus", "Lamp", "Motorcycle", "Truck"}
    right = {instance.number: instance for instance in day_scene.truth(INFRARED_RIGHT, 1.25).instances}
    shared = [instance for instance in truth.instances if instance.number in right]
    assert len(shared) > 5
    assert all(right[instance.number].class_id == instance.class_id for instance in shared)


def pixels_of(scene: Scene, stream: str, points: Array) -> Array:
    """Points of a camera's optical frame on its image, edges counted as in boxes."""
    info = scene.rig.cameras[stream].info
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), info.k, info.d)[0].reshape(-1, 2) + 0.5


@pytest.mark.parametrize("stream", [VISIBLE, INFRARED_RIGHT])
def test_projected_outlines_hit_boxes_and_masks(day_scene: Scene, stream: str) -> None:
    checked, errors = set(), []
    for time in (0.5, 5.0, 21.0):
        truth = day_scene.truth(stream, time)
        stage, _ = day_scene._at(time)
        whole = [i for i in truth.instances if not i.truncated and i.visibility > 0.3]
        whole = [i for i in whole if i.corners[:, 2].min() > 2 and (i.box[2:] - i.box[:2]).min() > 10]
        for instance in whole:
            points = []
            for index in np.flatnonzero(stage.owners == instance.number):
                origin, across, down = stage.corners[index]
                if not stage.both_sides[index] and np.cross(down, across) @ (origin - truth.pose[:3, 3]) >= 0:
                    continue
                if stage.skins[index].opaque:
                    points.append(origin + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ [across, down])
                    continue
                solid = cv2.copyMakeBorder(solid_part(stage.skins[index]), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
                fine = cv2.resize(solid, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
                rows, columns = np.nonzero(fine >= 0.5)
                height, width = solid_part(stage.skins[index]).shape
                s, t = (columns + 0.5) / 4 - 1, (rows + 0.5) / 4 - 1
                points.append(origin + np.outer(s / width, across) + np.outer(t / height, down))
            local = (np.concatenate(points) - truth.pose[:3, 3]) @ truth.pose[:3, :3]
            outline = pixels_of(day_scene, stream, local)
            found = np.array([outline.min(axis=0), outline.max(axis=0)]).ravel()
            errors.append(np.abs(instance.box - found))
            # Boxes hold whole pixels whose centres are inside: a pointed tip between two centres may lie outside.
            assert errors[-1].max() < 1.25, instance.name
            mine = truth.labels == instance.number
            left, top, width, height = cv2.boundingRect(mine.astype(np.uint8))
            assert left >= instance.box[0] and top >= instance.box[1]
            assert left + width <= instance.box[2] and top + height <= instance.box[3]
            checked.add(instance.name)
    assert checked >= {"People", "Car", "Lamp"}
    assert np.median(errors) < 0.3 and np.percentile(errors, 90) < 0.5


@pytest.mark.parametrize("stream", [VISIBLE_RIGHT, INFRARED])
def test_projected_3d_boxes_hit_boxes(day_scene: Scene, stream: str) -> None:
    buses = 0
    for time in np.arange(0.0, 24.0, 2.0):
        for instance in day_scene.truth(stream, float(time)).instances:
            if instance.truncated or instance.corners[:, 2].min() < 2.0:
                continue
            pixels = pixels_of(day_scene, stream, instance.corners)
            within = 0.51 + (0.0 if instance.name in ("Car", "Bus", "Truck") else 0.2 * np.ptp(pixels, axis=0).max())
            assert np.all(instance.box[:2] > pixels.min(axis=0) - within)
            assert np.all(instance.box[2:] < pixels.max(axis=0) + within)
            if instance.name == "Bus" and np.ptp(pixels, axis=0).min() > 24.0:
                # Of a bus the upper corners are solid, so its box reaches them. (The tip of a farther one's roof is
                # thinner than a pixel, and can lie between two centres.)
                top = pixels[1::2]
                assert np.all(instance.box[:2] < top.min(axis=0) + 0.51)
                assert instance.box[2] > top.max(axis=0)[0] - 0.51
                buses += 1
    assert buses


def test_images_show_objects_where_the_truth_has_them(day_scene: Scene) -> None:
    truth = day_scene.truth(INFRARED, 4.0)
    stage, pose = day_scene._at(4.0)
    big = [i for i in truth.instances if np.prod(i.box[2:] - i.box[:2]) > 800 and i.visibility > 0.1]
    assert len(big) > 3
    eye, clear = day_scene._eyes[INFRARED], Air(climate_of("day", 0))
    for instance in big:
        skins = []
        for skin, owner in zip(stage.skins, stage.owners, strict=True):
            hot = 1000.0 if owner == instance.number else 0.0
            solid = solid_part(skin)
            heat = solid if skin.opaque else np.dstack([solid] * 2)
            scale = np.array(hot) if skin.opaque else np.array([hot, 1.0])
            skins.append(Skin(skin.colour, (heat * scale).astype(np.float32)))
        drawn = eye.draw(replace(stage, skins=tuple(skins)), [pose], Atlas(FELT, clear)) > 500
        mine = truth.labels == instance.number
        edge = cv2.morphologyEx(mine.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        assert np.count_nonzero((drawn != mine) & ~edge) < 0.01 * mine.sum(), instance.name
        assert abs(int(drawn.sum()) - int(mine.sum())) < 0.5 * edge.sum()


def solid_part(skin: Skin) -> Array:
    return np.asarray(skin.texels(SOLID, skin.size)[0][..., 0])


def test_an_empty_street_has_nobody() -> None:
    truth = Scene(2, "overcast", rig=default_rig().scaled(0.25), crowd=0.0).truth(VISIBLE, 1.0)
    assert truth.instances == ()
    assert not truth.labels.any() and not truth.targets.any()
    assert np.isfinite(truth.depth).mean() > 0.5


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((0, "fog"), {}, "'fog'.*day, overcast, night, challenge"),
        ((0, "day", "holiday"), {}, "'holiday'.*train, test"),
        ((-1,), {}, "-1.*negative"),
        ((0,), {"view": "submarine"}, "'submarine'.*vehicle, uav"),
        ((0,), {"crowd": 1.5}, "crowd is 1.5"),
    ],
)
def test_unknown_scene_is_refused_at_once(
    arguments: tuple[object, ...], options: dict[str, object], words: str
) -> None:
    with pytest.raises(RigError, match=words):
        Scene(*arguments, **options)  # type: ignore[arg-type]


def test_conditions_are_listed() -> None:
    assert CONDITIONS == ("day", "overcast", "night", "challenge")
    assert HAZARDS == ("smoke", "fog", "glare", "rain")


def test_a_rolling_shutter_shows_the_upper_rows_as_they_were() -> None:
    options = {"rig": default_rig().scaled(0.25), "crowd": 0.0}
    still = Scene(3, "overcast", **options)  # type: ignore[arg-type]
    rolling = Scene(3, "overcast", **options, rolling_shutter=0.08)  # type: ignore[arg-type]
    moved = np.abs(still.view(VISIBLE, 1.0).astype(int) - rolling.view(VISIBLE, 1.0)).mean(axis=(1, 2))
    assert moved[2:18].mean() < 0.6 * moved[-40:].mean()
    np.testing.assert_array_equal(still.view(INFRARED, 1.0), rolling.view(INFRARED, 1.0))
    with pytest.raises(RigError, match=r"rolling shutter is 0\.5"):
        Scene(rolling_shutter=0.5)
