from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.calibration import Camera, Pose, Rig, load_rig
from tardal_ros.errors import RigError
from tardal_ros.registration.agc import to_grey8
from tardal_ros.registration.stage import RegistrationStage
from tardal_ros.registration.warp import rectifying_warp, registering_warp
from tardal_ros.types import CameraInfo, Frame, Pair, ToneRange, View, freeze

CONFIG = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"


def small_info(width: int, height: int, focal: float, cx: float = 0.0) -> CameraInfo:
    k = np.array([[focal, 0.0, width / 2 + cx], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    d = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])
    return CameraInfo(width, height, k, d=d, p=np.hstack([k, np.zeros((3, 1))]))


VISIBLE, INFRARED = small_info(160, 120, 150.0), small_info(80, 64, 70.0)
SHIFTED = Pose(np.eye(3), np.array([0.05, 0.0, 0.0]))
EYES = {
    "visible/left": Camera("vis_left", VISIBLE),
    "infrared/left": Camera("ir_left", INFRARED, Pose(np.eye(3), np.array([0.0, 0.03, 0.0]))),
}
FOUR_EYES = {
    **EYES,
    "visible/right": Camera("vis_right", small_info(160, 120, 150.0, 3.0), SHIFTED),
    "infrared/right": Camera("ir_right", small_info(80, 64, 70.0, 2.0), SHIFTED),
}
NEAR = np.array([0.0, 0.0, 0.5])


def random_image(width: int, height: int, deep: bool = False, colour: bool = False) -> np.ndarray:
    shape = (height, width, 3) if colour else (height, width)
    image = np.random.default_rng(width).integers(0, 16000 if deep else 256, shape)
    return freeze(image.astype(np.uint16 if deep else np.uint8))


def visible_frame(side: str = "left", **changes: object) -> Frame:
    frame = Frame(random_image(160, 120, colour=True), 1_000, f"vis_{side}", VISIBLE)
    return replace(frame, **changes)  # type: ignore[arg-type]


def infrared_frame(side: str = "left", **changes: object) -> Frame:
    frame = Frame(random_image(80, 64, deep=True), 1_250, f"ir_{side}", INFRARED, ToneRange(1000.0, 9000.0))
    return replace(frame, **changes)  # type: ignore[arg-type]


def pair_of(visible: Frame | None = None, infrared: Frame | None = None) -> Pair:
    return Pair(View(visible or visible_frame()), View(infrared or infrared_frame()))


def test_infrared_comes_onto_the_raw_visible_pixels() -> None:
    rig = Rig(EYES, NEAR)
    pair = pair_of()
    result = RegistrationStage(rig).process(pair)
    warp = registering_warp(rig, "infrared/left", "visible/left", False)
    assert result.visible.left is pair.visible.left
    infrared = result.infrared.left
    grey = to_grey8(pair.infrared.left.image, ToneRange(1000.0, 9000.0))
    np.testing.assert_array_equal(infrared.image, warp.apply(grey))
    assert (infrared.frame_id, infrared.stamp, infrared.tone) == ("vis_left", 1_250, None)
    assert infrared.camera_info is VISIBLE
    assert infrared.size == result.visible.left.size
    assert result.mask is not None
    np.testing.assert_array_equal(result.mask, warp.mask)
    assert not infrared.image.flags.writeable
    assert result.skew == 250


def test_rectify_delivers_both_on_rectified_pixels() -> None:
    rig = Rig(EYES, NEAR)
    pair = pair_of()
    result = RegistrationStage(rig, rectify=True).process(pair)
    left = result.visible.left
    rectified = rectifying_warp(VISIBLE)
    np.testing.assert_array_equal(left.image, rectified.apply(pair.visible.left.image))
    warp = registering_warp(rig, "infrared/left", "visible/left", True)
    grey = to_grey8(pair.infrared.left.image, pair.infrared.left.tone)
    np.testing.assert_array_equal(result.infrared.left.image, warp.apply(grey))
    np.testing.assert_array_equal(result.mask, np.minimum(warp.mask, rectified.mask))
    info = left.camera_info
    assert info is not None
    assert result.infrared.left.camera_info is info
    assert not info.d.any()
    np.testing.assert_array_equal(info.k, VISIBLE.p[:, :3])
    assert (left.stamp, left.frame_id) == (1_000, "vis_left")


def test_rectified_pixels_that_the_visible_image_does_not_cover_are_masked() -> None:
    p = np.array([[105.0, 0.0, 80.0, 0.0], [0.0, 105.0, 60.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    zoomed_out = replace(VISIBLE, p=p)
    wide = small_info(80, 64, 40.0)
    rig = Rig({"visible/left": Camera("vis_left", zoomed_out), "infrared/left": Camera("ir_left", wide)})
    result = RegistrationStage(rig, rectify=True).process(pair_of())
    covered = rectifying_warp(zoomed_out).mask
    assert registering_warp(rig, "infrared/left", "visible/left", True).mask.all()
    assert 0.3 < (covered == 255).mean() < 0.9
    np.testing.assert_array_equal(result.mask, covered)


def test_pairs_that_are_registered_already_keep_their_pixels() -> None:
    infrared = infrared_frame(image=random_image(160, 120), frame_id="vis_left", tone=None)
    for rig in (None, Rig(EYES)):
        result = RegistrationStage(rig).process(pair_of(infrared=infrared))
        assert result.infrared.left.image is infrared.image
        assert result.infrared.left.camera_info is VISIBLE
        assert result.mask is not None
        assert (result.mask == 255).all()
        assert result.mask.shape == (120, 160)


def test_a_given_mask_is_kept_and_rectified_with_its_pair() -> None:
    mask = np.zeros((120, 160), np.uint8)
    mask[:, :80] = 255
    infrared = infrared_frame(image=random_image(160, 120), frame_id="vis_left")
    pair = replace(pair_of(infrared=infrared), mask=freeze(mask))
    assert RegistrationStage().process(pair).mask is mask
    rectified = RegistrationStage(rectify=True).process(pair).mask
    assert rectified is not None
    assert set(np.unique(rectified)) == {0, 255}
    assert rectified[60, 40] == 255
    assert rectified[60, 120] == 0


def test_registered_pairs_may_change_size() -> None:
    stage = RegistrationStage()
    for width, height in ((160, 120), (96, 64), (160, 120)):
        image = random_image(width, height)
        pair = pair_of(Frame(image, 0, "cam"), Frame(image, 0, "cam"))
        mask = stage.process(pair).mask
        assert mask is not None
        assert mask.shape == (height, width)


def test_registered_pairs_are_rectified_by_the_camera_info_of_each_frame() -> None:
    stage = RegistrationStage(rectify=True)
    for info in (VISIBLE, small_info(96, 64, 80.0), small_info(96, 64, 60.0)):
        image = random_image(info.width, info.height)
        pair = pair_of(Frame(image, 0, "cam", info), Frame(image, 0, "cam", info))
        result = stage.process(pair)
        wanted = rectifying_warp(info).apply(image)
        np.testing.assert_array_equal(result.visible.left.image, wanted)
        np.testing.assert_array_equal(result.infrared.left.image, wanted)


def test_equal_camera_info_does_not_make_the_map_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        "tardal_ros.registration.stage.rectifying_warp", lambda info: made.append(info) or rectifying_warp(info)
    )
    stage = RegistrationStage(rectify=True)
    for _ in range(3):
        info = small_info(96, 64, 80.0)
        image = random_image(96, 64)
        stage.process(pair_of(Frame(image, 0, "cam", info), Frame(image, 0, "cam", info)))
    assert len(made) == 1


@pytest.mark.parametrize("rectify", [False, True])
def test_the_right_infrared_eye_goes_onto_the_right_visible_one(rectify: bool) -> None:
    rig = Rig(FOUR_EYES, NEAR)
    pair = Pair(View(visible_frame(), visible_frame("right")), View(infrared_frame(), infrared_frame("right")))
    stage = RegistrationStage(rig, rectify)
    stage.prepare()
    result = stage.process(pair)
    right, infrared = result.visible.right, result.infrared.right
    assert right is not None
    assert infrared is not None
    warp = registering_warp(rig, "infrared/right", "visible/right", rectify)
    np.testing.assert_array_equal(infrared.image, warp.apply(to_grey8(infrared_frame().image, infrared_frame().tone)))
    assert infrared.frame_id == "vis_right"
    assert infrared.camera_info is right.camera_info
    assert (right is pair.visible.right) == (not rectify)


def test_a_right_eye_that_the_rig_does_not_describe_stays_on_its_own_pixels() -> None:
    right = infrared_frame("right")
    pair = Pair(View(visible_frame(), visible_frame("right")), View(infrared_frame(), right))
    result = RegistrationStage(Rig(EYES, NEAR)).process(pair)
    assert result.visible.right is pair.visible.right
    assert result.infrared.right is not None
    assert result.infrared.right.frame_id == "ir_right"
    assert result.infrared.right.image.dtype == np.uint8
    assert result.infrared.right.size == right.size


def test_a_missing_right_eye_does_not_stop_the_other() -> None:
    stage = RegistrationStage(Rig(FOUR_EYES, NEAR), rectify=True)
    alone = stage.process(Pair(View(visible_frame(), visible_frame("right")), View(infrared_frame())))
    assert alone.infrared.right is None
    assert alone.visible.right is not None
    assert alone.visible.right.camera_info is not VISIBLE
    alone = stage.process(Pair(View(visible_frame()), View(infrared_frame(), infrared_frame("right"))))
    assert alone.visible.right is None
    assert alone.infrared.right is not None
    assert alone.infrared.right.frame_id == "ir_right"


UNCALIBRATED = {
    "without camera_info": lambda width, height: None,
    "with a K of zeros": lambda width, height: CameraInfo(width, height, np.zeros((3, 3))),
}


@pytest.mark.parametrize("kind", UNCALIBRATED)
def test_an_uncalibrated_visible_camera_gets_the_rigs_camera_info(kind: str) -> None:
    stage = RegistrationStage(Rig(EYES))
    result = stage.process(pair_of(visible_frame(camera_info=UNCALIBRATED[kind](160, 120))))
    assert result.visible.left.camera_info is VISIBLE
    assert result.infrared.left.camera_info is VISIBLE


@pytest.mark.parametrize("kind", UNCALIBRATED)
@pytest.mark.parametrize(("size", "frame_id"), [((96, 64), "vis_left"), ((160, 120), "other_camera")])
def test_a_camera_that_is_not_the_rigs_stays_uncalibrated(kind: str, size: tuple[int, int], frame_id: str) -> None:
    info = UNCALIBRATED[kind](*size)
    pair = pair_of(Frame(random_image(*size), 0, frame_id, info), Frame(random_image(*size), 0, frame_id, info))
    stage = RegistrationStage(Rig(EYES))
    result = stage.process(pair)
    assert result.visible.left.camera_info is None
    assert result.infrared.left.camera_info is None
    assert not stage.uses_rig


@pytest.mark.parametrize("rig", [None, Rig(EYES)])
@pytest.mark.parametrize("rectify", [False, True])
def test_a_camera_info_of_another_size_than_its_image_is_refused(rig: Rig | None, rectify: bool) -> None:
    image = random_image(96, 64)
    pair = pair_of(Frame(image, 0, "vis_left", VISIBLE), Frame(image, 0, "vis_left", VISIBLE))
    with pytest.raises(RigError, match="visible/left frames are 96x64, but their camera_info is for 160x120"):
        RegistrationStage(rig, rectify).process(pair)


def test_it_tells_whether_a_pair_needed_the_rig_file() -> None:
    registered = infrared_frame(image=random_image(160, 120), frame_id="vis_left", tone=None)
    stage = RegistrationStage(Rig(EYES))
    for pair, needed in (
        (pair_of(), True),
        (pair_of(infrared=registered), False),
        (pair_of(visible_frame(camera_info=None), registered), True),
    ):
        stage.process(pair)
        assert stage.uses_rig == needed
    stage = RegistrationStage(Rig(EYES), rectify=True)
    stage.process(pair_of(infrared=registered))
    assert stage.uses_rig


def test_three_channel_infrared_becomes_grey() -> None:
    colour = random_image(160, 120, colour=True)
    infrared = Frame(colour, 0, "vis_left")
    result = RegistrationStage().process(pair_of(infrared=infrared))
    np.testing.assert_array_equal(result.infrared.left.image, cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))


def test_sixteen_bits_without_a_tone_are_made_grey_by_themselves() -> None:
    infrared = Frame(random_image(160, 120, deep=True), 0, "vis_left")
    result = RegistrationStage().process(pair_of(infrared=infrared))
    np.testing.assert_array_equal(result.infrared.left.image, to_grey8(infrared.image))


def test_without_a_rig_file_unregistered_frames_are_refused() -> None:
    with pytest.raises(RigError, match=r"infrared/left \(frame 'ir_left', 80x64\).*'vis_left', 160x120.*rig file"):
        RegistrationStage().process(pair_of())


def test_frames_without_names_count_as_registered_only_without_a_rig() -> None:
    visible = visible_frame(frame_id="", image=random_image(80, 64), camera_info=None)
    infrared = infrared_frame(frame_id="")
    assert RegistrationStage().process(pair_of(visible, infrared)).mask is not None
    with pytest.raises(RigError, match="visible/left frames are 80x64"):
        RegistrationStage(Rig(EYES)).process(pair_of(visible, infrared))


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("stream", ["visible/left", "infrared/left"])
def test_frames_of_another_size_than_the_rigs_are_refused_and_the_stage_lives(stream: str, rectify: bool) -> None:
    stage = RegistrationStage(Rig(EYES), rectify)
    stage.process(pair_of())
    other = random_image(100, 50)
    pair = (
        pair_of(visible_frame(image=other)) if stream == "visible/left" else pair_of(None, infrared_frame(image=other))
    )
    wanted = "160x120" if stream == "visible/left" else "80x64"
    what = "camera_info" if stream == "visible/left" else "calibration"
    with pytest.raises(RigError, match=f"{stream} frames are 100x50, but their {what} is for {wanted}"):
        stage.process(pair)
    assert stage.process(pair_of()).mask is not None


def test_rectify_without_camera_info_is_refused() -> None:
    image = random_image(160, 120)
    with pytest.raises(RigError, match="cannot rectify visible/left"):
        RegistrationStage(rectify=True).process(pair_of(Frame(image, 0, "cam"), Frame(image, 0, "cam")))


def test_rectify_with_an_uncalibrated_camera_info_is_refused() -> None:
    image, info = random_image(160, 120), CameraInfo(160, 120, np.zeros((3, 3)))
    with pytest.raises(RigError, match="cannot rectify visible/left: its camera_info has no calibration"):
        RegistrationStage(rectify=True).process(pair_of(Frame(image, 0, "cam", info), Frame(image, 0, "cam", info)))


@pytest.mark.parametrize("image", [np.zeros((0, 0), np.uint16), np.full((64, 80), np.nan, np.float32)])
def test_empty_and_nan_infrared_is_refused(image: np.ndarray) -> None:
    with pytest.raises(RigError, match="infrared"):
        RegistrationStage(Rig(EYES)).process(pair_of(infrared=infrared_frame(image=image)))


def test_the_shipped_rig_registers() -> None:
    rig = load_rig(CONFIG)
    visible = Frame(np.zeros((768, 1024, 3), np.uint8), 0, "a")
    infrared = Frame(np.full((512, 640), 200, np.uint8), 0, "b")
    result = RegistrationStage(rig).process(pair_of(visible, infrared))
    assert result.mask is not None
    assert (result.mask == 255).mean() > 0.9
    np.testing.assert_array_equal(result.infrared.left.image, np.where(result.mask, 200, 0))
