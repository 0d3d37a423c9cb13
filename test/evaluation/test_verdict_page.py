import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from tardal_ros.evaluation.verdict_page import write_page

pytest.importorskip("jinja2")

HEADINGS = ("Verdict", "Precision and cost", "Quality", "Spread over frames", "Detection", "Pictures worth a look",
            "Time", "Drops", "Definitions", "How it was made")  # fmt: skip


def page_of(report, folder):
    return write_page(report, folder).read_text("utf-8")


def add_shot(report, folder, kind="worst", path="shots/a.jpg", frame="007"):
    (folder / "shots").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "shots/a.jpg"), np.full((480, 640, 3), 90, np.uint8))
    shot = {"kind": kind, "dataset": "roads", "recording": "roads", "frame": frame, "note": "Qabf of average is 0.1"}
    report["shots"].append({**shot, "pictures": {"average": path}})


def words_of(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture
def chromium(tmp_path):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium to open the page in")

    def run(page, *options):
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--enable-logging=stderr",
                   f"--user-data-dir={tmp_path / 'chromium'}", *options, page.as_uri()]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    return run


def test_a_browser_shows_every_section_without_complaint(make_report, tmp_path, chromium):
    report = make_report()
    add_shot(report, tmp_path)
    page = write_page(report, tmp_path)

    done = chromium(page, "--dump-dom", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1280,2000")

    assert "CONSOLE" not in done.stderr
    dom = done.stdout
    assert tuple(re.findall(r"<h2>([^<]*)</h2>", dom)) == HEADINGS
    assert len(re.findall(r'<svg class="chart"', dom)) == 3 + 2 + 2  # boxes, curves, timelines
    assert "<parsererror" not in dom
    picture = cv2.imread(str(tmp_path / "page.png"))
    if picture is not None:  # some releases write no picture beside a DOM
        assert picture.shape[1] == 1280 and len(np.unique(picture)) > 50


def test_the_page_asks_for_nothing_else(make_report, tmp_path):
    report = make_report()
    add_shot(report, tmp_path)
    html = page_of(report, tmp_path)

    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert any(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in sources)
    assert not re.search(r"https?:|url\(|@import|<script|<link|<iframe", html)


def test_the_verdict_names_the_clear_winner_and_what_is_noise(make_report, tmp_path):
    report = make_report()  # laplacian is ahead of average by 0.5 everywhere, and more Nabf is worse
    text = words_of(page_of(report, tmp_path))

    assert "laplacian is clearly best in 2 of 3 comparisons" in text
    assert "average is clearly best in 1" in text
    assert "average is clearly best at Nabf" in text

    text = words_of(page_of(make_report(shift={"laplacian": -0.5}), tmp_path))
    assert "Within noise, the best first" in text


def test_a_reference_wins_no_contest_for_quality(make_report, tmp_path):
    text = words_of(page_of(make_report(shift={"visible": 99.0}), tmp_path))

    assert "visible is clearly best" not in text


def test_few_scenes_tell_nothing(make_report, tmp_path):
    report = make_report()
    report["datasets"]["roads"]["scenes"] = ["one"] * 12
    text = words_of(page_of(report, tmp_path))

    assert "Fewer than 5 scenes" in text and "is clearly best" not in text
    assert "most on laplacian: mAP@.5 0.900, which may be noise" in text


def test_the_detector_is_told_apart_by_intervals(make_report, tmp_path):
    report = make_report()
    assert "most on laplacian: mAP@.5 0.900 [0.880…0.920], beyond the intervals of all others." in words_of(
        page_of(report, tmp_path)
    )

    report["datasets"]["roads"]["detection"]["average"]["map50"]["high"] = 0.95
    assert "The intervals of average overlap with it" in words_of(page_of(report, tmp_path))


def test_best_and_second_are_marked(make_report, tmp_path):
    html = page_of(make_report(), tmp_path)
    table = html[html.index('id="quality"') : html.index('id="spread"')]
    rows = {name: re.findall(r'<td class="number (\w*)">', row) for name, row in
            re.findall(r"</span>(\w+)</td>(.*?)</tr>", table, re.DOTALL)[:3]}  # fmt: skip

    assert rows == {
        "visible": [""] * 3,
        "average": ["second", "best", "second"],
        "laplacian": ["best", "second", "best"],
    }


def test_the_columns_of_the_papers_second_table_are_there(make_report, tmp_path):
    text = words_of(page_of(make_report(), tmp_path))

    assert "mAP@.5 roads size (M) GMACs 64x48 ms 64x48 peak MB 64x48" in text
    assert "average 0.700 0.296 0.900 3.000 7.500" in text and "visible 0.500 — — — —" in text
    assert "on this machine with 2 threads" in text


def test_undefined_values_and_missing_parts_are_shown_as_such(make_report, tmp_path):
    report = make_report()
    data = report["datasets"]["roads"]
    data["quality"]["average"]["EN"] = {"value": None, "low": None, "high": None, "values": [None] * 12}
    data["detection"], report["timelines"] = None, {}
    text = words_of(page_of(report, tmp_path))

    assert "No data set has a ground truth" in text and "There are no pictures." in text and "nan" not in text.lower()


def test_registration_is_told_where_it_is_known(make_report, tmp_path):
    report = make_report()
    assert "Registration is off" not in words_of(page_of(report, tmp_path))

    report["datasets"]["roads"]["registration_px"] = {"median": 0.4567, "p95": 12.34, "frames": 1}
    assert (
        "Registration is off by 0.457 px (median) and 12.34 px (95th percentile) of the visible image,"
        " over 1 pair of known depth."
    ) in words_of(page_of(report, tmp_path))


def test_names_cannot_become_markup(make_report, tmp_path):
    evil = "<script>alert('1')</script>"
    report = make_report(name=evil, fusers=("visible", evil, '"><img src=x onerror=alert(1)>'))
    add_shot(report, tmp_path, frame=evil)
    report["problems"] = report["made"]["command"] = evil
    report["definitions"][evil] = evil
    html = page_of(report, tmp_path)

    assert "<script" not in html and "<img src=x" not in html and "&lt;script&gt;" in html


def test_pictures_outside_of_the_folder_or_broken_are_left_out(make_report, tmp_path):
    report, folder = make_report(), tmp_path / "out"
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "private.jpg"), np.zeros((9, 9), np.uint8))
    add_shot(report, folder, path="../private.jpg")
    (folder / "shots/empty.jpg").touch()
    add_shot(report, folder, path="shots/empty.jpg")

    html = page_of(report, folder)
    assert "data:image" not in html and "2 more are in the folder" in words_of(html)


def test_the_page_stays_small_enough_to_be_mailed(make_report, tmp_path):
    report = make_report(frames=500, fusers=[f"fuser{number}" for number in range(6)])
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for number in range(20):
        add_shot(report, tmp_path)
        report["shots"][-1]["pictures"] = {f"{number}-{label}": "shots/a.jpg" for label in range(8)}
    cv2.imwrite(str(tmp_path / "shots/a.jpg"), noise)

    path = write_page(report, tmp_path)
    assert path.stat().st_size < 6e6
    assert "more are in the folder" in path.read_text("utf-8")
