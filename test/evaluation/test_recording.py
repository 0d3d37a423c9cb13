import pickle
import shutil

import cv2
import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.recording import STILL, DatasetRecording, RenderedRecording, videos


def write_video(path, values, rate=20.0, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for value in values:
        writer.write(np.full((size[1], size[0], 3), value, np.uint8))
    writer.release()


def test_pictures_of_a_data_set_come_with_their_truth_and_too_far_apart_for_a_track(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "city", 3, ("car", "person")))
    moments = list(recording.moments())
    assert recording.name == recording.dataset == "city"
    assert [moment.name for moment in moments] == ["000", "001", "002"]
    assert np.diff([moment.stamp for moment in moments]).tolist() == [STILL, STILL]
    assert moments[0].objects.names == ("car", "person")
    assert moments[0].pair.visible.left.frame_id == moments[0].pair.infrared.left.frame_id
    assert recording.problems == [] and recording.pairing() == {}


def test_holes_of_a_data_set_are_passed_over_and_told(tmp_path, make_pairs):
    root = make_pairs(tmp_path / "city", 4, ("car", "person"))
    (root / "ir" / "001.png").unlink()
    (root / "vi" / "002.png").write_bytes(b"no picture")
    recording = DatasetRecording(root)
    assert [moment.name for moment in recording.moments()] == ["000", "003"]
    assert len(recording.problems) == 2
    assert "001" in recording.problems[0] and "is missing" in recording.problems[0]
    assert "002.png" in recording.problems[1]


def test_truth_that_is_of_other_pictures_is_refused(tmp_path, make_pairs):
    root = make_pairs(tmp_path / "city", 2, ("car", "person"))
    other = make_pairs(tmp_path / "other", 2, ("car", "person"), first=10)
    shutil.rmtree(root / "labels")
    shutil.copytree(other / "labels", root / "labels")
    with pytest.raises(RigError, match=r"000\.txt is missing"):
        list(DatasetRecording(root).moments())


def test_the_fingerprint_changes_with_the_data_only(tmp_path, make_pairs):
    root = make_pairs(tmp_path / "city", 2)
    before = DatasetRecording(root).fingerprint()
    assert DatasetRecording(root).fingerprint() == before
    assert DatasetRecording(root, infer_seen=True).fingerprint() != before
    make_pairs(root, 1, first=2)
    assert DatasetRecording(root).fingerprint() != before


def test_a_folder_of_videos_is_a_recording_for_each_pair(tmp_path):
    for name in ("one", "two"):
        for part in ("vi", "ir"):
            write_video(tmp_path / "m2vd" / part / f"{name}.mp4", (10, 60, 110))
    recordings = videos(tmp_path / "m2vd")
    assert [(each.name, each.dataset) for each in recordings] == [("m2vd_one", "m2vd"), ("m2vd_two", "m2vd")]
    moments = list(pickle.loads(pickle.dumps(recordings[0])).moments())
    assert np.diff([moment.stamp for moment in moments]).tolist() == [50_000_000, 50_000_000]
    assert [moment.pair.skew for moment in moments] == [0, 0, 0]
    assert len({moment.name for moment in moments}) == 3


def test_videos_of_different_length_are_paired_by_their_stamps(tmp_path):
    write_video(tmp_path / "vi" / "one.mp4", range(8), rate=20.0)
    write_video(tmp_path / "ir" / "one.mp4", range(4), rate=10.0)
    (recording,) = videos(tmp_path)
    moments = list(recording.moments())
    assert all(abs(moment.pair.skew) <= 25_000_000 for moment in moments)
    frames = 2 * len(moments) + sum(recording.pairing().values())
    assert len(moments) >= 3 and frames >= 10 and recording.pairing()


def test_a_video_without_a_partner_is_refused(tmp_path):
    write_video(tmp_path / "vi" / "one.mp4", (1, 2))
    with pytest.raises(RigError, match=r"one\.mp4 has no partner"):
        videos(tmp_path)
    assert videos(tmp_path / "elsewhere") == []


def test_a_rendered_scene_of_no_length_is_refused():
    with pytest.raises(RigError, match="more than 0"):
        RenderedRecording(0, "day", 0.0)
    assert RenderedRecording(0, "day").fingerprint() != RenderedRecording(1, "day").fingerprint()


def test_a_scene_from_a_drone_is_another_one():
    car, drone = RenderedRecording(0, "day"), RenderedRecording(0, "day", view="uav")
    assert (car.name, drone.name) == ("rendered_test_day_0", "rendered_test_uav_day_0")
    assert (car.dataset, drone.dataset) == ("rendered", "rendered_uav")
    assert car.fingerprint() != drone.fingerprint()
