import json

import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.summary import Summary, installed_versions, percentiles, write_summary


def a_summary(**changes):
    fields = {
        "pairs": 12,
        "drops": {"late": 3},
        "latency_ms": {"fusion": {"p50": 20.0, "p95": 31.5}},
        "map50": None,
        "fuser": "laplacian",
        "versions": {"numpy": "2.0"},
    }
    return Summary(**{**fields, **changes})


def test_the_file_has_exactly_the_promised_keys(tmp_path):
    write_summary(tmp_path / "out" / "summary.json", a_summary())

    read = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(read) == {"pairs", "drops", "latency_ms", "map50", "fuser", "versions"}
    assert read["map50"] is None and read["drops"] == {"late": 3}
    assert read["latency_ms"]["fusion"] == {"p50": 20.0, "p95": 31.5}


def test_a_stage_is_summed_up_by_its_median_and_tail():
    assert percentiles({"fusion": [*range(101)], "idle": []}) == {"fusion": {"p50": 50.0, "p95": 95.0}}


def test_versions_are_told_without_importing_what_is_heavy():
    versions = installed_versions()

    assert {"python", "numpy", "opencv"} <= set(versions)
    assert all(isinstance(version, str) and version for version in versions.values())


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "summary.json"
    write_summary(path, a_summary())
    with pytest.raises(ValueError, match="JSON"):
        write_summary(path, a_summary(map50=float("nan")))

    assert json.loads(path.read_text())["pairs"] == 12
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(RigError, match=r"summary\.json cannot be written"):
        write_summary(tmp_path / "file" / "summary.json", a_summary())
