from __future__ import annotations

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.registration.agc import Agc
from tardal_ros.registration.intake import Intake, pair_in_order
from tardal_ros.registration.sync import MILLISECOND as MS
from tardal_ros.types import Frame, freeze

PERIOD = 100 * MS


def visible_frame(stamp: int) -> Frame:
    return Frame(freeze(np.full((24, 32, 3), 90, np.uint8)), stamp, "camera")


def infrared_frame(stamp: int, seed: int = 0) -> Frame:
    """16-bit counts over a range that changes with the seed."""
    random = np.random.default_rng(seed)
    low, span = 30_000 + random.uniform(-200, 200), random.uniform(500, 1500)
    return Frame(freeze(random.uniform(low, low + span, (24, 32)).astype(np.uint16)), stamp, "camera")


def recording(count: int, begin: int = 0, skew: int = 2 * MS) -> list[tuple[str, Frame]]:
    frames = []
    for index in range(count):
        stamp = begin + index * PERIOD
        frames.append(("visible/left", visible_frame(stamp)))
        frames.append(("infrared/left", infrared_frame(stamp + skew, index)))
    return frames


def tones_by_agc(count: int) -> list:
    agc = Agc()
    return [agc.update(infrared_frame(0, index).image) for index in range(count)]


def test_the_agc_sees_every_infrared_frame_paired_or_not() -> None:
    frames = recording(6)
    without = [item for item in frames if item[0] == "infrared/left" or item[1].stamp in (0, 3 * PERIOD, 5 * PERIOD)]
    pairs = list(pair_in_order(Intake(), without))
    assert [pair.stamp // PERIOD for pair in pairs] == [0, 3, 5]
    wanted = tones_by_agc(6)
    assert [pair.infrared.left.tone for pair in pairs] == [wanted[index] for index in (0, 3, 5)]
    assert wanted[5] != Agc().update(infrared_frame(0, 5).image), "the AGC must have a memory for this to say anything"


def test_pairs_do_not_depend_on_when_frames_arrive() -> None:
    """Live, with polls in between and another clock, and in order."""
    frames = recording(8)
    live, intake = [], Intake()
    for number, (stream, frame) in enumerate(frames):
        now = 7_000 * MS + number * 50 * MS
        live += intake.poll(now) + intake.add(stream, frame, now)
    live += intake.poll(10**15)
    in_order = list(pair_in_order(Intake(), frames))
    assert len(live) == len(in_order) == 8
    for one, other in zip(live, in_order, strict=True):
        assert (one.stamp, one.skew) == (other.stamp, other.skew)
        assert one.infrared.left.image is other.infrared.left.image
        assert one.infrared.left.tone == other.infrared.left.tone


def test_a_jump_back_begins_pairing_and_agc_again() -> None:
    begin = 10**12
    pairs = list(pair_in_order(Intake(), recording(8, begin) + recording(8, begin)))
    assert [(pair.stamp - begin) // PERIOD for pair in pairs] == [*range(8), *range(8)]
    tones = [pair.infrared.left.tone for pair in pairs]
    assert tones[:8] == tones[8:] == tones_by_agc(8)


def test_a_stream_that_jumps_alone_or_late_takes_its_own_agc_along() -> None:
    """Infrared arrives late: visible has jumped while frames from before still come."""
    begin = 10**12
    passes = [("visible/left", "infrared/left", recording(8, begin)) for _ in range(2)]
    visible = [item for *_, frames in passes for item in frames if item[0] == "visible/left"]
    infrared = [item for *_, frames in passes for item in frames if item[0] == "infrared/left"]
    frames = [visible[0]]
    for ours, theirs in zip(visible[1:], infrared, strict=False):
        frames += [ours, theirs]
    frames.append(infrared[-1])
    pairs = list(pair_in_order(Intake(wait=500 * MS), frames))
    assert [pair.infrared.left.tone for pair in pairs] == 2 * tones_by_agc(8)


def test_frames_that_are_a_little_out_of_order_do_not_reset_the_agc() -> None:
    intake, agc = Intake(), Agc()
    for number, stamp in enumerate((1000, 1060, 1030, 1090)):
        intake.add("infrared/left", infrared_frame(stamp * MS, number), 0)
        wanted = agc.update(infrared_frame(0, number).image)
    pairs = intake.add("visible/left", visible_frame(1090 * MS), 0) + intake.flush()
    assert pairs[0].infrared.left.tone == wanted


@pytest.mark.parametrize(
    ("stream", "pixels"),
    [("visible/left", np.uint16), ("visible/left", np.float32), ("infrared/left", np.float32)],
)
def test_a_wrong_pixel_type_is_refused_and_counted(stream: str, pixels: type) -> None:
    intake = Intake()
    with pytest.raises(RigError, match=f"{stream} has {np.dtype(pixels)} pixels: have its driver publish uint8"):
        intake.add(stream, Frame(np.zeros((4, 4), pixels), 0), 0)
    assert intake.drops == {"refused": 1}
    assert intake.status.received[stream] == 0
    assert len(list(pair_in_order(intake, recording(2)))) == 2


def test_empty_infrared_is_refused_and_the_agc_lives() -> None:
    intake = Intake()
    with pytest.raises(RigError, match="empty"):
        intake.add("infrared/left", Frame(np.zeros((0, 0), np.uint16), 0), 0)
    assert intake.drops == {"refused": 1}
    pairs = list(pair_in_order(intake, recording(3)))
    assert [pair.infrared.left.tone for pair in pairs] == tones_by_agc(3)


def test_a_stream_that_does_not_exist_is_named() -> None:
    with pytest.raises(RigError, match="no stream 'radar'"):
        Intake().add("radar", visible_frame(0), 0)


def test_right_eyes_are_taken_where_asked_for_and_may_be_missing() -> None:
    frames = recording(10)
    frames[4:4] = [("visible/right", visible_frame(PERIOD)), ("infrared/right", infrared_frame(PERIOD, 9))]
    alone = list(pair_in_order(Intake(), frames))
    assert len(alone) == 10
    assert all(pair.visible.right is None for pair in alone)
    stereo = list(pair_in_order(Intake(stereo=True), frames))
    assert [pair.stamp for pair in stereo] == [pair.stamp for pair in alone]
    assert [pair.visible.right is not None for pair in stereo] == [index == 1 for index in range(10)]
    assert stereo[1].infrared.right is not None
    assert stereo[1].infrared.right.tone == Agc().update(infrared_frame(0, 9).image)


def test_infrared_offset_holds_for_pairing_only() -> None:
    pairs = list(pair_in_order(Intake(infrared_offset=-50 * MS), recording(4, skew=50 * MS)))
    assert len(pairs) == 4
    assert pairs[0].skew == 50 * MS


def test_slop_and_wait_can_be_changed() -> None:
    intake = Intake()
    intake.configure(slop=60 * MS, wait=100 * MS)
    assert len(list(pair_in_order(intake, recording(4, skew=40 * MS)))) == 4
    with pytest.raises(RigError, match="slop"):
        intake.configure(slop=-1, wait=0)


def test_pairing_in_order_is_lazy() -> None:
    frames = iter(recording(1000))
    pairs = pair_in_order(Intake(), frames)
    for _ in range(3):
        next(pairs)
    assert len(list(frames)) > 1980
