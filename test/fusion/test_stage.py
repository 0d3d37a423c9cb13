"""Registered pairs in, fused frames out."""

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.types import CameraInfo, Frame, Pair, ToneRange, View, freeze


@pytest.fixture
def make_registered(make_pair):
    def make(counts=False, mask=None):
        visible, infrared = make_pair()
        if counts:
            infrared = infrared.astype(np.uint16) * 20 + 7000
        info = CameraInfo(64, 48, np.eye(3))
        return Pair(
            View(Frame(freeze(visible), 1_000, "visible_left_optical_frame", info)),
            View(Frame(freeze(infrared), 4_000, "visible_left_optical_frame", info, ToneRange(1.0, 2.0))),
            mask,
        )

    return make


@pytest.fixture
def stage():
    return FusionStage(create_fuser("laplacian"))


def test_the_result_has_the_visible_header(stage, make_registered):
    pair = make_registered()
    fused = stage.process(pair)
    assert fused.pair is pair
    frame, visible = fused.frame, pair.visible.left
    assert (frame.stamp, frame.frame_id, frame.camera_info) == (1_000, visible.frame_id, visible.camera_info)
    assert frame.tone is None
    assert not frame.image.flags.writeable
    np.testing.assert_array_equal(frame.image, create_fuser("laplacian").fuse(visible.image, pair.infrared.left.image))


def test_the_mask_is_used(stage, make_registered):
    pair = make_registered(mask=freeze(np.zeros((48, 64), np.uint8)))
    np.testing.assert_array_equal(stage.process(pair).frame.image, pair.visible.left.image)


def test_reset_forgets(stage, make_registered):
    pair = make_registered(counts=True)
    hot = np.array(pair.infrared.left.image)
    hot[:4] = 20_000
    second = Pair(pair.visible, View(Frame(hot, 5_000)))
    alone = stage.process(second).frame.image
    stage.reset()
    stage.process(pair)
    assert not np.array_equal(stage.process(second).frame.image, alone)
    stage.reset()
    np.testing.assert_array_equal(stage.process(second).frame.image, alone)


def test_a_pair_of_two_sizes_is_refused(stage, make_registered):
    pair = make_registered()
    smaller = Frame(freeze(pair.infrared.left.image[:, :60].copy()), 0)
    with pytest.raises(RigError, match="differ in size"):
        stage.process(Pair(pair.visible, View(smaller)))
