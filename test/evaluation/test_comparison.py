import json

import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.comparison import as_table, compare, in_words, load_report
from tardal_ros.evaluation.comparison_page import write_comparison


def of(comparison, fuser, metric):
    (change,) = [each for each in comparison.changes if (each.fuser, each.metric) == (fuser, metric)]
    return change


def test_a_real_change_is_told_and_the_rest_is_noise(make_report):
    comparison = compare(make_report(), make_report(shift={"laplacian": 0.1}))

    assert {of(comparison, "laplacian", each).judgement for each in ("EN", "MI_vi", "Qabf")} == {"better"}
    assert of(comparison, "laplacian", "Nabf").judgement == "worse"
    assert of(comparison, "average", "EN").judgement == "noise"
    change = of(comparison, "laplacian", "EN")
    assert change.difference.paired and change.difference.value == pytest.approx(0.1)
    assert change.after - change.before == pytest.approx(0.1)
    assert in_words(comparison)[2] == (
        "laplacian is better at EN, MI_vi, Qabf on roads and worse at Nabf on roads;"
        " 2 of 6 differences are within noise."
    )


@pytest.mark.parametrize("change", ["hash", "frames", "no hash"])
def test_frames_of_other_data_are_not_paired(make_report, change):
    after = make_report(frames=11 if change == "frames" else 12, shift={"laplacian": 0.1})
    if change == "hash":
        after["made"]["hashes"]["roads"] = "cd"
    if change == "no hash":
        after["made"]["hashes"] = {}
    comparison = compare(make_report(), after)

    assert not any(each.difference.paired for each in comparison.changes)
    assert of(comparison, "laplacian", "EN").judgement == "noise"
    assert "The data of roads differ between A and B" in comparison.notes[0]


def test_what_only_one_has_and_other_weights_and_definitions_are_told(make_report):
    before, after = make_report(), make_report(fusers=("visible", "average", "new"))
    after["datasets"]["sea"] = after["datasets"]["roads"]
    after["fusers"]["average"]["weights"] = "ff"
    after["definitions"]["EN"] = "Something else."
    notes = compare(before, after).notes

    assert notes == ["Only B has sea.", "The weights of average differ.", "Only A has the fuser laplacian.",
                     "Only B has the fuser new.", "A and B do not mean the same by EN: do not compare it."]  # fmt: skip


def test_detection_is_compared_by_intervals(make_report):
    after = make_report()
    after["datasets"]["roads"]["detection"]["average"]["map50"] = {
        "value": 0.8,
        "low": 0.78,
        "high": 0.82,
        "objects": 9,
    }
    change = of(compare(make_report(), after), "average", "mAP@.5")

    assert change.judgement == "better" and not change.difference.paired
    after["datasets"]["roads"]["detection"] = None
    assert not any(each.metric == "mAP@.5" for each in compare(make_report(), after).changes)


def test_reports_of_nothing_in_common_are_refused(make_report):
    with pytest.raises(RigError, match=r"nothing in common, roads by visible, average, laplacian and sea by"):
        compare(make_report(), make_report(name="sea"))
    with pytest.raises(RigError, match="nothing in common"):
        compare(make_report(), make_report(fusers=("other",)))


def test_a_broken_report_is_refused(make_report):
    after = make_report()
    del after["datasets"]["roads"]["quality"]["average"]["EN"]["values"]

    with pytest.raises(RigError, match="A report is broken"):
        compare(make_report(), after)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[1]", "is no report of `evaluate`"),
        ('{"version": 1}', "is no report of `evaluate`"),
        ('{"version": 9, "made": {}, "fusers": {}, "datasets": {}, "definitions": {}}', "has version 9, not 1"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(tmp_path, text, complaint):
    if text is not None:
        (tmp_path / "report.json").write_text(text)

    with pytest.raises(RigError, match=complaint) as raised:
        load_report(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_report_is_found_by_folder_and_by_file(tmp_path, make_report):
    (tmp_path / "report.json").write_text(json.dumps(make_report()))

    assert load_report(tmp_path) == load_report(tmp_path / "report.json") == make_report()


def test_the_table_has_every_figure(make_report):
    lines = as_table(compare(make_report(), make_report(shift={"average": 1.0}))).splitlines()

    assert len(lines) == 2 + 3 * (4 + 2)
    assert {line.count("|") for line in lines} == {9}
    assert any(line.startswith("| roads | average | EN |") and line.endswith("| better |") for line in lines)


def test_the_page_is_escaped_and_asks_for_nothing_else(tmp_path, make_report):
    pytest.importorskip("jinja2")
    evil = "<script>1</script>"
    comparison = compare(make_report(name=evil), make_report(name=evil, shift={"average": 1.0}))
    write_comparison(comparison, tmp_path / "page.html", evil, "B")
    html = (tmp_path / "page.html").read_text("utf-8")

    assert "<script" not in html and "&lt;script&gt;" in html and "http" not in html
    assert '<td class="number best">better</td>' in html
    assert '<td class="number is-worse">worse</td>' in html
