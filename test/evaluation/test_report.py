import base64
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from tardal_ros.errors import MissingDependencyError
from tardal_ros.evaluation.report import Sample, write_report
from tardal_ros.evaluation.summary import END_TO_END, Summary, percentiles

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

LATENCIES = {"registration": [5.0, 6.0, 7.0], "fusion_tail": [0.0, 20.0, 21.0], END_TO_END: [30.0, 31.0, 45.0]}


class Page(HTMLParser):
    """Collects a page's elements and text, and checks that every element is closed in turn."""

    VOID = ("meta", "img", "path", "use")

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def sample_at(stamp, width=1280):
    grey = np.full((width // 2, width), 90, np.uint8)
    return Sample(stamp, np.dstack([grey, grey + 20, grey + 40]), grey, np.dstack([grey] * 3))


def report(tmp_path, samples=(), latencies=LATENCIES, title="The rig", notes=(), **changes):
    fields = {"pairs": 1234, "drops": {"no_partner": 4}, "map50": None, "fuser": "laplacian", "versions": {"x": "1"}}
    summary = Summary(latency_ms=percentiles(latencies), **{**fields, **changes})
    path = tmp_path / "report.html"
    write_report(path, summary, samples, latencies, title=title, source="a folder of pairs", notes=notes)
    return path.read_text(encoding="utf-8")


def test_the_report_needs_nothing_else(tmp_path):
    html = report(tmp_path, [sample_at(0)])

    page = Page(html)
    sources = [attrs[name] for _, attrs in page.elements for name in ("src", "href", "xlink:href") if name in attrs]
    assert sources and all(source.startswith(("data:image/jpeg;base64,", "#")) for source in sources)
    assert "http:" not in html and "https:" not in html
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.elements}


def test_every_sample_is_shown_in_both_spectra_and_fused(tmp_path):
    page = Page(report(tmp_path, [sample_at(10**9), sample_at(3 * 10**9)]))

    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert [attrs["alt"].split()[0] for attrs in images] == ["visible", "infrared", "fused"] * 2
    assert "fused · 2.00 s" in page.text
    visible = base64.b64decode(images[0]["src"].partition(",")[2])
    shown = cv2.imdecode(np.frombuffer(visible, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (320, 640, 3)
    assert np.abs(shown.reshape(-1, 3).mean(0) - (90, 110, 130)).max() < 4


def test_numbers_stages_drops_and_versions_are_there(tmp_path):
    text = Page(report(tmp_path, map50=0.625, versions={"opencv": "4.9.0"})).text

    for words in ("1,234", "31.0 ms", "fusion tail", "no partner", "62.5 %", "opencv", "4.9.0", "a folder of pairs"):
        assert words in text


def test_a_run_without_ground_truth_claims_no_precision(tmp_path):
    assert "mAP50" not in report(tmp_path)


def test_the_plot_names_every_stage_and_follows_the_page_colour(tmp_path):
    html = report(tmp_path)
    svg = html[html.index("<svg") : html.index("</svg>")]

    assert "fusion tail" in svg and "currentColor" in svg
    assert "<metadata" not in svg and "xmlns" not in svg


def test_names_cannot_become_markup(tmp_path):
    evil = "<script>alert('1')</script>"
    html = report(tmp_path, title=evil, notes=[evil], fuser=evil, drops={evil: 1}, versions={evil: evil},
                  latencies={evil: [1.0]})  # fmt: skip

    assert "<script" not in html and "&lt;script&gt;" in html
    Page(html)


def test_a_run_that_fused_nothing_says_so(tmp_path):
    text = Page(report(tmp_path, latencies={"fusion": []}, pairs=0, drops={})).text

    for words in ("No pair was fused", "No latency was measured", "Nothing was dropped"):
        assert words in text


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MissingDependencyError, match=rf"{library}: run `pip install '\.\[report\]'` in the checkout"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []
