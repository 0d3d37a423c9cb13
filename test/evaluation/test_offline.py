import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.bags.export import export
from tardal_ros.bags.recording import BagRecording
from tardal_ros.bags.reel import dataset_reel
from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.labels import Objects
from tardal_ros.detection.detector import create_detector
from tardal_ros.detection.stage import DetectionStage
from tardal_ros.detection.tracking import Tracker
from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import quality
from tardal_ros.evaluation.offline import Judge, Settings, evaluate, is_finished, result_path
from tardal_ros.evaluation.recording import DatasetRecording, Moment, videos
from tardal_ros.fusion.colour import luma
from tardal_ros.fusion.fuser import create_fuser
from tardal_ros.fusion.stage import FusionStage
from tardal_ros.pipeline import run_in_order
from tardal_ros.types import Frame, Pair, View

REPOSITORY = Path(__file__).resolve().parents[2]
DETECTOR = str(REPOSITORY / "weights" / "detector.onnx")
SETTINGS = Settings(("laplacian", "average", "infrared"))


def lines_of(folder, name):
    return [json.loads(line) for line in result_path(folder, name).read_text().splitlines()]


def timeless(lines):
    """The lines without what no two runs have in common."""
    for line in lines:
        for told in line.get("fusers", {}).values():
            del told["fuse_ms"], told["detect_ms"]
    return lines


def test_a_result_is_what_the_stages_and_metrics_say(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "city", 2, ("car", "person")))
    evaluate(recording, SETTINGS, tmp_path / "out")
    header, first, _, end = lines_of(tmp_path / "out", "city")
    assert header["recording"] == header["dataset"] == "city"
    assert end["finished"] and end["problems"] == [] and end["pairing"] == {}
    assert (first["name"], first["width"], first["height"], first["skew_ms"]) == ("000", 96, 72, 0.0)
    assert first["objects"][0] == ["car", 38.4, 28.8, 19.2, 14.4, False, None]
    pair = next(iter(recording.moments())).pair
    visible, infrared = pair.visible.left.image, pair.infrared.left.image
    fused = create_fuser("laplacian").fuse(visible, infrared)
    expected = quality(luma(fused), luma(visible), infrared, np.full(infrared.shape, 255, np.uint8))
    told = {name: np.nan if value is None else value for name, value in first["fusers"]["laplacian"]["quality"].items()}
    assert told == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert list(first["fusers"]) == ["laplacian", "average", "infrared"]


def test_two_runs_are_the_same_to_the_last_digit(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "city", 3))
    for run in ("one", "two"):
        evaluate(recording, SETTINGS, tmp_path / run)
    one, two = (timeless(lines_of(tmp_path / run, "city")) for run in ("one", "two"))
    assert one == two
    shots = [
        sorted(path.relative_to(tmp_path / run) for path in (tmp_path / run).rglob("*.jpg")) for run in ("one", "two")
    ]
    assert shots[0] == shots[1] and shots[0]
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in shots[0])


def test_a_result_counts_as_finished_only_with_the_same_data_and_settings(tmp_path, make_pairs):
    root, out = make_pairs(tmp_path / "city", 2), tmp_path / "out"
    recording = DatasetRecording(root)
    assert not is_finished(out, recording, SETTINGS)
    evaluate(recording, SETTINGS, out)
    assert is_finished(out, recording, SETTINGS)
    assert not is_finished(out, recording, Settings(("laplacian", "average", "infrared"), scale=0.5))
    make_pairs(root, 1, first=2)
    assert not is_finished(out, recording, SETTINGS)


def test_boxes_and_tracks_are_those_of_the_rig_and_unsure_ones_besides(tmp_path):
    data = REPOSITORY.parent / "shared" / "data" / "m2vd"
    if not data.is_dir():
        pytest.skip("needs ../shared/data/m2vd")
    recording = videos(data)[0]
    evaluate(recording, Settings(("average",), DETECTOR, limit=4), tmp_path)
    rows = lines_of(tmp_path, recording.name)[1:-1]
    stages = FusionStage(create_fuser("average")), DetectionStage(create_detector(DETECTOR), Tracker())
    rig = run_in_order(stages, (moment.pair for moment, _ in zip(recording.moments(), range(4), strict=False)))
    for row, detected in zip(rows, rig, strict=True):
        found, told = detected.detections, row["fusers"]["average"]["detections"]
        assert len(told) >= len(found) > 0
        assert [box[0] for box in told[: len(found)]] == [found.names[number] for number in found.class_ids]
        assert [box[1] for box in told[: len(found)]] == pytest.approx(found.scores.tolist(), abs=1e-6)
        assert [box[6] for box in told[: len(found)]] == [found.track(index) for index in range(len(found))]
        assert all(box[1] < 0.25 and box[6] is None for box in told[len(found) :])
    assert any(box[6] is not None for row in rows for box in row["fusers"]["average"]["detections"])


def test_a_bag_of_a_data_set_gives_the_figures_of_the_data_set(tmp_path, make_pairs):
    root = make_pairs(tmp_path / "city", 3, ("car", "person"))
    export(dataset_reel(open_dataset(root)), tmp_path / "bag")
    settings = Settings(("laplacian", "average"), DETECTOR)
    for recording in (DatasetRecording(root), BagRecording(tmp_path / "bag")):
        evaluate(recording, settings, tmp_path / "out")
    here, there = (lines_of(tmp_path / "out", name)[1:-1] for name in ("city", "bag"))
    assert len(here) == len(there) == 3
    for one, other in zip(here, there, strict=True):
        assert one["objects"] == other["objects"] and one["scene"] == other["scene"]
        for name in settings.fusers:
            ours, theirs = one["fusers"][name], other["fusers"][name]
            assert ours["sha256"] == theirs["sha256"] and ours["quality"] == theirs["quality"]
            boxes = [[box[:6] for box in told["detections"]] for told in (ours, theirs)]  # tracks are for sequences
            assert boxes[0] == boxes[1] and boxes[0]


def test_images_fused_elsewhere_are_measured_like_ours(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "city", 2))
    (tmp_path / "ours").mkdir()
    for moment in recording.moments():
        visible, infrared = moment.pair.visible.left.image, moment.pair.infrared.left.image
        cv2.imwrite(str(tmp_path / "ours" / f"{moment.name}.png"), create_fuser("average").fuse(visible, infrared))
    evaluate(recording, Settings(("average",), fused=(("theirs", tmp_path / "ours"),)), tmp_path / "out")
    for row in lines_of(tmp_path / "out", "city")[1:-1]:
        average, theirs = row["fusers"]["average"], row["fusers"]["theirs"]
        assert theirs["fuse_ms"] is None
        assert theirs["quality"] == average["quality"] and theirs["sha256"] == average["sha256"]


def test_images_fused_elsewhere_must_be_there_and_fit(tmp_path, make_pairs):
    recording = DatasetRecording(make_pairs(tmp_path / "city", 2))
    given = tmp_path / "theirs"
    given.mkdir()
    settings = Settings((), fused=(("theirs", given),))
    cv2.imwrite(str(given / "000.png"), np.zeros((72, 96), np.uint8))
    with pytest.raises(RigError, match=r"city: moment 001: .*has no image 001\.\* of theirs"):
        evaluate(recording, settings, tmp_path / "out")
    cv2.imwrite(str(given / "001.png"), np.zeros((36, 48), np.uint8))
    with pytest.raises(RigError, match=r"001\.png is 48x36 and the pair 96x72"):
        evaluate(recording, settings, tmp_path / "out")
    assert not list((tmp_path / "out" / "recordings").iterdir())  # nothing half done


def test_bad_settings_are_told(tmp_path, make_pairs):
    with pytest.raises(RigError, match="no fuser 'magic'"):
        Settings(("magic",)).fusing()
    with pytest.raises(RigError, match="Two fusers are called 'average'"):
        Settings(("average",), fused=(("average", tmp_path),)).fusing()
    with pytest.raises(RigError, match="nothing to evaluate"):
        Settings(()).fusing()
    with pytest.raises(RigError, match=r"lost\.onnx cannot be read"):
        Settings(("average",), str(tmp_path / "lost.onnx")).hashes()


def test_truth_of_other_frames_is_refused(tmp_path, make_pairs):
    objects = Objects(np.array([[500.0, 10.0, 520.0, 30.0]]), np.array([0]), np.array([False]), ("car",))
    frames = [Frame(np.zeros(shape, np.uint8), 0, "one") for shape in ((72, 96, 3), (72, 96))]
    moment = Moment("000", "s", "all", Pair(View(frames[0]), View(frames[1])), objects)
    with pytest.raises(RigError, match="the ground truth is of other frames"):
        Judge(SETTINGS, None).process(moment)


def test_a_data_set_without_any_whole_pair_is_refused(tmp_path, make_pairs):
    root = make_pairs(tmp_path / "city", 1)
    (root / "vi" / "000.png").write_bytes(b"")
    with pytest.raises(RigError, match="city: there is no pair to evaluate"):
        evaluate(DatasetRecording(root), SETTINGS, tmp_path / "out")
    shutil.rmtree(root)
    with pytest.raises(RigError, match="no folder"):
        evaluate(DatasetRecording(root), SETTINGS, tmp_path / "out")
