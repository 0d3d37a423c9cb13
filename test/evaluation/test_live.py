import json
import math

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion_metric import information
from tardal_ros.evaluation.live import AFTERWARDS, IMAGES, NOTE, Assembler, Ledger, LiveMoment, Losses, as_text
from tardal_ros.types import Frame, Fused, Pair, View, freeze

ALL = (*IMAGES, *AFTERWARDS)


def put(assembler, stamp, parts=ALL):
    return [ready for part in parts for ready in assembler.add(part, stamp, f"{part} {stamp}")]


def stamps(ready):
    return [stamp for stamp, _ in ready]


def a_moment(stamp, **more):
    random = np.random.default_rng(stamp)
    visible, infrared, fused = (freeze(random.integers(0, 256, (24, 32), np.uint8)) for _ in range(3))
    pair = Pair(View(Frame(visible, stamp)), View(Frame(infrared, stamp)), freeze(np.full((24, 32), 255, np.uint8)))
    return LiveMoment(Fused(Frame(fused, stamp), pair), **more)


# Assembling.


def test_a_moment_is_ready_when_its_last_part_comes_in_whatever_order():
    for order in (ALL, ALL[::-1]):
        assembler = Assembler()
        assert put(assembler, 5, order[:-1]) == []
        ((stamp, parts),) = put(assembler, 5, order[-1:])
        assert stamp == 5
        assert parts == {part: f"{part} 5" for part in ALL}
    assert assembler.lost == 0


def test_truth_comes_along_and_is_not_waited_for():
    assembler = Assembler()
    assembler.add("truth", 1, "truth")
    assert put(assembler, 1)[0][1]["truth"] == "truth"
    assert "truth" not in put(assembler, 2)[0][1]


def test_moments_leave_in_order_and_what_detection_dropped_goes_before_a_later_one():
    assembler = Assembler()
    assert put(assembler, 1, IMAGES) == []
    ready = put(assembler, 2)
    assert stamps(ready) == [1, 2]
    assert "detections" not in ready[0][1]


def test_what_fusion_dropped_is_no_moment_and_what_was_lost_on_the_way_is_counted():
    assembler = Assembler()
    put(assembler, 1, ("visible", "infrared", "mask"))
    put(assembler, 2, ("visible", "fused", "detections"))
    assert stamps(put(assembler, 3)) == [3]
    assert assembler.lost == 1


def test_what_comes_too_late_is_passed_over():
    assembler = Assembler()
    put(assembler, 1, IMAGES)
    put(assembler, 2)
    assert put(assembler, 1, AFTERWARDS) == []
    assert assembler.flush() == []


def test_without_detections_moments_leave_when_many_wait():
    assembler = Assembler()
    ready = [each for stamp in range(200) for each in put(assembler, stamp, IMAGES)]
    assert 100 < len(ready) < 200
    ready += assembler.flush()
    assert stamps(ready) == list(range(200))


def test_a_recording_that_begins_again_is_assembled_again():
    assembler = Assembler()
    ready = [each for stamp in (1, 2, 3, 1, 2, 3) for each in put(assembler, stamp)]
    assert stamps(ready) == [1, 2, 3, 1, 2, 3]


# Summing up.


def test_means_leave_out_what_is_not_defined_and_files_appear_when_finished(tmp_path):
    values = iter([{"EN": 1.0, "VIF": math.nan}, {"EN": 3.0, "VIF": 0.5}])
    ledger = Ledger("laplacian", lambda *_: next(values), tmp_path, {"recording": "drive"})
    ledger.add(a_moment(1, fuse_ms=4.0))
    ledger.add(a_moment(2, fuse_ms=6.0, detect_ms=9.0))
    assert not (tmp_path / "pairs.jsonl").exists()
    summary = ledger.close(Losses({"late": 3}, 7, 1.0, 2.0, {"fusion": 4}), ["something"])
    assert summary["quality"] == {"EN": 2.0, "VIF": 0.5}
    assert summary["timing_ms"]["fuse"]["p50"] == 5.0
    assert summary["detection"] is None
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    header, one, other, end = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert header["recording"] == "drive"
    assert one["fusers"]["laplacian"]["quality"] == {"EN": 1.0, "VIF": None}
    assert one["registration_px"] is None
    assert (other["stamp"], other["width"], other["height"]) == (2, 32, 24)
    assert end == {"pairing": {"late": 3}, "problems": ["something"], "finished": True}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl", "summary.json"]
    text = as_text(summary)
    assert "2 of 7 pairs judged" in text and "3 unpaired, late" in text and "4 by fusion" in text and NOTE in text


def test_boxes_are_held_against_the_truth():
    pytest.importorskip("pycocotools", reason="needs the extra that scores detections")
    ledger = Ledger("laplacian", information)
    truth = [("People", (4.0, 4.0, 10.0, 12.0), False), ("People", (20.0, 4.0, 8.0, 12.0), False)]
    ledger.add(a_moment(1, boxes=[("person", 0.9, (4.0, 4.0, 10.0, 12.0))], tracks=["7"], objects=truth))
    ledger.add(a_moment(2, boxes=[], objects=None))
    scores = ledger.close(Losses())["detection"]
    assert scores["objects"] == 2 and scores["images"] == 1
    assert scores["map50"] == pytest.approx(0.5, abs=0.01)


def test_nothing_judged_is_a_summary_too():
    assert "none, since no pair was judged" in as_text(Ledger("laplacian", information).close(Losses()))


def test_a_report_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RigError, match=r"file/report cannot be written"):
        Ledger("laplacian", information, tmp_path / "file" / "report")
