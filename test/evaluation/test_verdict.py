import json

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.offline import Settings, evaluate, result_path
from tardal_ros.evaluation.recording import STILL, DatasetRecording
from tardal_ros.evaluation.verdict import environment, read_result, verdict

NAMES = ("Car", "People")


class Street:
    """A recording whose result is written by hand."""

    calibration = None
    problems = ()

    def __init__(self, name, dataset="street"):
        self.name, self.dataset = name, dataset

    def fingerprint(self):
        return f"data of {self.name}"


def frame(name, objects=None, found=(), classes=("person", "car"), stamp=0, **values):
    told = {"quality": values or {"EN": 1.0}, "fuse_ms": 2.0, "detect_ms": 4.0, "detections": found, "sha256": ""}
    return {
        "name": name,
        "scene": name,
        "condition": "day",
        "stamp": stamp,
        "skew_ms": 1.5,
        "width": 100,
        "height": 100,
        "objects": objects,
        "classes": list(classes),
        "fusers": {"average": told},
    }


def write(folder, recording, frames, pairing=None, problems=()):
    end = {"pairing": pairing or {}, "problems": problems, "classes": NAMES, "shots": [], "finished": True}
    path = result_path(folder, recording.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in ({"recording": recording.name}, *frames, end)))


def summed(folder, *recordings, detector="hog"):
    return verdict(folder, recordings, Settings(("average",), detector), "evaluate", {})


def test_figures_of_recordings_of_one_data_set_are_averaged(tmp_path):
    one, two, other = Street("one"), Street("two"), Street("three", "sea")
    write(tmp_path, one, [frame("a", EN=1.0, SD=None), frame("b", EN=2.0, SD=4.0)], {"late": 1})
    write(tmp_path, two, [frame("c", EN=6.0, SD=None)], {"late": 2, "unused": 1}, ["a hole"])
    write(tmp_path, other, [frame("d", EN=9.0)])
    report = summed(tmp_path, one, two, other)
    street = report["datasets"]["street"]
    assert street["recordings"] == ["one", "two"] and street["frames"] == 3
    figure = street["quality"]["average"]["EN"]
    assert figure["value"] == 3.0 and figure["values"] == [1.0, 2.0, 6.0]
    assert 1.0 <= figure["low"] < 3.0 < figure["high"] <= 6.0
    assert street["quality"]["average"]["SD"] == {"value": 4.0, "low": 4.0, "high": 4.0, "values": [None, 4.0, None]}
    assert street["pairing"] == {"pairs": 3, "drops": {"late": 3, "unused": 1}}
    assert street["timing_ms"]["average"] == {"fuse": {"p50": 2.0, "p95": 2.0}, "detect": {"p50": 4.0, "p95": 4.0}}
    assert report["datasets"]["sea"]["quality"]["average"]["EN"]["value"] == 9.0
    assert report["problems"] == ["two: a hole"]
    assert report["made"]["hashes"]["one"] == "data of one"
    assert report["fusers"] == {"average": {"reference": False, "weights": None, "efficiency": None}}


def test_registration_is_summed_up_over_the_frames_of_known_depth(tmp_path):
    told = [{"median": 1.0, "p95": 10.0}, None, {"median": 2.0, "p95": 30.0}, {"median": 6.0, "p95": 20.0}]
    write(tmp_path, Street("one"), [{**frame(str(i)), "registration_px": each} for i, each in enumerate(told)])
    write(tmp_path, Street("two", "sea"), [frame("a")])
    report = summed(tmp_path, Street("one"), Street("two", "sea"))
    assert report["datasets"]["street"]["registration_px"] == {"median": 2.0, "p95": 20.0, "frames": 3}
    assert report["datasets"]["sea"]["registration_px"] is None
    assert "parallax" in report["definitions"]["registration_px"]


def test_the_order_of_class_names_does_not_matter(tmp_path):
    found = [["Car", 0.9, 10, 10, 20, 20, None], ["People", 0.8, 60, 60, 20, 20, 7]]
    truth = [["person", 60, 60, 20, 20, False], ["car", 10, 10, 20, 20, False]]
    write(tmp_path, Street("one"), [frame("a", truth, found, ("person", "car"))])
    write(tmp_path, Street("two"), [frame("b", truth, found, ("car", "bike", "person"))])
    report = summed(tmp_path, Street("one"), Street("two"))
    scores = report["datasets"]["street"]["detection"]["average"]
    assert scores["map50"]["value"] == 1.0 and scores["map50"]["objects"] == 4
    assert scores["miss_rate"]["log_average"] < 1e-9 and scores["miss_rate"]["miss"][-1] == 0.0
    assert {name: figure["objects"] for name, figure in scores["by_class"].items()} == {"person": 2, "car": 2}


def test_what_is_behind_a_precision_is_told(tmp_path):
    truth = [["person", 60, 60, 20, 20, False], ["car", 10, 10, 40, 40, False], ["boat", 0, 80, 20, 20, False]]
    found = [["Car", 0.9, 10, 10, 40, 40, None], ["People", 0.8, 20, 60, 20, 20, None]]
    write(tmp_path, Street("one"), [frame("a", truth, found, ("boat", "person", "car"))])
    report = summed(tmp_path, Street("one"))
    scores = json.loads(json.dumps(report, allow_nan=False))["datasets"]["street"]["detection"]["average"]
    assert {size: (each["value"], each["objects"]) for size, each in scores["by_size"].items()} == {
        "small": (0.0, 1),
        "medium": (1.0, 1),
    }
    assert scores["curves"]["car"]["precision"] == [1.0] * 101 and len(scores["curves"]["car"]["recall"]) == 101
    assert scores["curves"]["person"]["precision"] == [0.0] * 101
    assert scores["miss_rate"]["fppi"] == [0.0, 1.0] and scores["miss_rate"]["miss"] == [0.5, 0.5]
    assert report["problems"] == ["street: the detector does not know boat; these objects are not scored."]


@pytest.mark.parametrize(("step", "known", "switches"), [(1, True, 2), (STILL, True, None), (1, False, None)])
def test_switches_of_tracks_are_counted_by_recording(tmp_path, step, known, switches):
    pytest.importorskip("trackers", reason="the count needs trackers")
    truth = [["car", 10, 10, 40, 40, False, *([5] if known else [])]]
    for name in ("one", "two"):
        found = [[["Car", 0.9, 10, 10, 40, 40, track]] for track in (1, 1, 2)]
        rows = [frame(f"{index}", truth, each, stamp=index * step) for index, each in enumerate(found)]
        write(tmp_path, Street(name), rows)
    report = summed(tmp_path, Street("one"), Street("two"))
    assert report["datasets"]["street"]["detection"]["average"]["track_switches"] == switches


def test_a_data_set_of_classes_that_the_detector_does_not_know_has_no_precision(tmp_path):
    write(tmp_path, Street("one"), [frame("a", [["boat", 1, 1, 9, 9, False]], classes=("boat",))])
    report = summed(tmp_path, Street("one"))
    assert report["datasets"]["street"]["detection"] is None
    assert report["problems"] == [
        "street: no object is of a class that the detector knows, so that there is no precision.",
        "street: the detector does not know boat; these objects are not scored.",
    ]


def test_without_truth_or_detector_there_is_no_precision(tmp_path):
    write(tmp_path, Street("one"), [frame("a")])
    assert summed(tmp_path, Street("one"))["datasets"]["street"]["detection"] is None
    assert summed(tmp_path, Street("one"), detector="")["problems"] == []


def test_sequences_have_a_timeline_and_pictures_have_none(tmp_path, make_pairs):
    rows = [frame(f"{number}", stamp=5_000_000_000 + number * 100_000_000) for number in range(3)]
    write(tmp_path, Street("film"), rows)
    pictures = DatasetRecording(make_pairs(tmp_path / "pictures", 3))
    evaluate(pictures, Settings(("average",)), tmp_path)
    report = summed(tmp_path, Street("film"), pictures)
    assert report["timelines"] == {
        "film": {"seconds": [0.0, 0.1, 0.2], "skew_ms": [1.5] * 3, "fuse_ms": {"average": [2.0] * 3}}
    }
    assert {shot["recording"] for shot in report["shots"]} == {"pictures"}
    assert all((tmp_path / path).is_file() for shot in report["shots"] for path in shot["pictures"].values())


def test_a_result_that_breaks_off_is_refused(tmp_path):
    write(tmp_path, Street("one"), [frame("a")])
    path = result_path(tmp_path, "one")
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(RigError, match=r"one\.jsonl breaks off"):
        list(read_result(tmp_path, "one"))
    path.write_text('{"recording":')
    with pytest.raises(RigError, match=r"one\.jsonl cannot be read"):
        list(read_result(tmp_path, "one"))
    with pytest.raises(RigError, match=r"two\.jsonl cannot be read"):
        list(read_result(tmp_path, "two"))


def test_the_environment_names_machine_and_versions():
    told = environment()
    assert told["cores"] >= 1 and told["processor"] and told["numpy"] == np.__version__
