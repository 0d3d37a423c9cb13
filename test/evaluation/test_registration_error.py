from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tardal_ros.calibration import load_rig
from tardal_ros.calibration.rig import Camera, Pose, Rig
from tardal_ros.evaluation.offline import Judge, Settings
from tardal_ros.evaluation.recording import Moment
from tardal_ros.evaluation.registration_error import STEP, registration_error
from tardal_ros.types import CameraInfo, Frame, Pair, View, freeze

RIG_FILE = Path(__file__).resolve().parents[2] / "config" / "calibration" / "rig.yaml"
BASELINE, PLANE = 0.1, 20.0


def info_of(width, height, focal):
    k = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return CameraInfo(width, height, k, p=np.hstack([k, np.zeros((3, 1))]))


def rig_of(**infrared):
    """Two pinhole cameras side by side that agree on a plane in front of them; infrared sees less than half as fine."""
    visible = Camera("visible", info_of(160, 120, 400.0))
    infrared = infrared or {"pose": Pose(translation=np.array([BASELINE, 0.0, 0.0]))}
    cameras = {"visible/left": visible, "infrared/left": Camera("infrared", info_of(96, 72, 160.0), **infrared)}
    return Rig(cameras, np.array([0.0, 0.0, 1.0 / PLANE]))


def depth_of(value):
    return np.full((120, 160), value, np.float32)


@pytest.mark.parametrize("z", [2.0, 5.0, 15.0, 20.0, 60.0, 1e6])
def test_it_is_the_parallax_in_pixels_of_the_visible_image(z):
    errors = registration_error(rig_of(), depth_of(z))

    assert len(errors) == (120 // STEP) * (160 // STEP)
    np.testing.assert_allclose(errors, 400.0 * BASELINE * abs(1 / z - 1 / PLANE), atol=1e-3)


def test_only_pixels_of_known_depth_that_infrared_sees_count():
    depth = depth_of(np.nan)
    depth[:STEP, : 6 * STEP] = np.repeat([np.inf, -np.inf, 0.0, -3.0, 5.0, 10.0], STEP)
    assert np.sort(registration_error(rig_of(), depth)) == pytest.approx([2.0, 6.0], abs=1e-3)
    aside = rig_of(pose=Pose(translation=np.array([5.0, 0.0, 0.0])))  # sees the right part of the plane alone
    assert 0 < len(registration_error(aside, depth_of(PLANE))) < (120 // STEP) * (160 // STEP)
    assert len(registration_error(rig_of(pose=Pose(np.diag([-1.0, 1.0, -1.0]))), depth_of(5.0))) == 0


def test_nothing_is_known_where_infrared_has_no_pose():
    rig = rig_of(homography=np.eye(3))

    assert len(registration_error(rig, depth_of(5.0))) == 0
    assert len(registration_error(Rig({"visible/left": rig.cameras["visible/left"]}), depth_of(5.0))) == 0


def test_offline_tells_it_of_pairs_that_the_rig_file_registers(monkeypatch):
    monkeypatch.setattr("tardal_ros.evaluation.offline.quality", lambda *_: {"Qabf": 0.5})  # takes a second
    rig = load_rig(RIG_FILE)
    infos = [rig.cameras[stream].info for stream in ("visible/left", "infrared/left")]
    shapes = [(info.height, info.width) for info in infos]
    frames = [
        Frame(freeze(np.zeros((*shapes[0], 3), np.uint8)), 0, "visible", infos[0]),
        Frame(freeze(np.zeros(shapes[1], np.uint8)), 0, "infrared", infos[1]),
    ]
    pair, depth = Pair(View(frames[0]), View(frames[1])), np.full(shapes[0], 5.0, np.float32)
    judge = Judge(Settings(("infrared",)), RIG_FILE)

    told = judge.process(Moment("0", "street", "day", pair, depth=depth))["registration_px"]

    baseline = np.hypot(*rig.cameras["infrared/left"].pose.translation[:2])
    parallax = infos[0].k[0, 0] * baseline * (1 / 5.0 - rig.plane[2])
    assert told["median"] == pytest.approx(parallax, rel=0.05) and told["median"] <= told["p95"] < 1.2 * parallax
    assert judge.process(Moment("0", "street", "day", pair))["registration_px"] is None
    placed = replace(frames[0], image=freeze(np.zeros(shapes[0], np.uint8)))
    registered = Pair(pair.visible, View(placed))
    assert judge.process(Moment("0", "street", "day", registered, depth=depth))["registration_px"] is None
