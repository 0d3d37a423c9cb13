import json
import sys

import pytest

from tardal_ros.commands import main

pytest.importorskip("jinja2")


def report(value):
    values = [value + number / 10 for number in range(8)]
    figure = {"value": value, "low": value - 1, "high": value + 1, "values": values}
    data = {"recordings": ["roads"], "frames": 8, "scenes": list("abcdefgh"), "quality": {"laplacian": {"EN": figure}}}
    fusers = {"laplacian": {"reference": False, "weights": None, "efficiency": None}}
    return {
        "version": 1,
        "made": {"hashes": {"roads": "ab"}},
        "definitions": {"EN": "Entropy."},
        "fusers": fusers,
        "datasets": {"roads": {**data, "detection": None}},
    }


def test_compare_prints_a_table_and_the_verdict_and_writes_a_page(tmp_path, capsys, monkeypatch):
    for name, value in (("a", 6.0), ("b", 6.5)):
        (tmp_path / f"{name}.json").write_text(json.dumps(report(value)))
    page = tmp_path / "deep" / "page.html"
    monkeypatch.setitem(sys.modules, "torch", None)  # nor does it need one

    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--out", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "| roads | laplacian | EN | 6.0000 | 6.5000 | +0.5000 | +0.5000 … +0.5000 | better |" in printed
    assert "laplacian is better at EN on roads." in printed and printed.endswith(f"{page}\n")
    assert "laplacian is better at EN on roads." in page.read_text("utf-8")


def test_compare_refuses_what_is_no_report(tmp_path, capsys):
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert "report.json cannot be read" in capsys.readouterr().err
