import json

import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.offline import Settings, evaluate, result_path
from tardal_ros.evaluation.recording import DatasetRecording
from tardal_ros.evaluation.workers import evaluate_in_processes

SETTINGS = Settings(("laplacian", "average"))


def timeless(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for told in line.get("fusers", {}).values():
            del told["fuse_ms"], told["detect_ms"]
    return lines


def test_two_processes_write_what_one_does(tmp_path, make_pairs):
    recordings = [DatasetRecording(make_pairs(tmp_path / name, 2, first=first)) for name, first in (("a", 0), ("b", 5))]
    for recording in recordings:
        evaluate(recording, SETTINGS, tmp_path / "one")
    counts = []
    done = list(evaluate_in_processes(recordings, SETTINGS, tmp_path / "two", 2, counts.append))
    assert sorted(each.name for each in done) == ["a", "b"] and counts == sorted(counts)
    for name in ("a", "b"):
        assert timeless(result_path(tmp_path / "two", name)) == timeless(result_path(tmp_path / "one", name))
    files = [{path.relative_to(tmp_path / run) for path in (tmp_path / run).rglob("*.*")} for run in ("one", "two")]
    assert files[0] == files[1]


def test_what_fails_in_a_process_is_told_in_a_sentence(tmp_path):
    with pytest.raises(RigError, match="There is no folder"):
        list(evaluate_in_processes([DatasetRecording(tmp_path / "lost")], SETTINGS, tmp_path / "out", 1))
