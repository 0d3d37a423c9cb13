import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.evaluation.charts import Axis, Line, boxplot, line_chart

NUMBERS = st.one_of(st.none(), st.floats(-1e9, 1e9))


def numbers_of(svg):
    return [float(each) for path in re.findall(r' d="([^"]*)"', svg) for each in re.findall(r"-?[\d.]+", path)]


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=30).filter(lambda name: name.isprintable()),
        st.lists(NUMBERS, max_size=9),
        max_size=4,
    )
)
def test_any_boxplot_is_well_formed_and_inside(series):
    svg = boxplot(series, {name: number for number, name in enumerate(series)}, "<a>")

    if any(value is not None for values in series.values() for value in values):
        width, height = map(float, ElementTree.fromstring(svg).attrib["viewBox"].split()[2:])
        assert all(0 <= number <= max(width, height) for number in numbers_of(svg))
    else:
        assert svg == ""


def test_boxes_are_quartiles_and_whiskers_leave_outliers_out():
    svg = boxplot({"a": [0.0, 1.0, 2.0, 3.0, 4.0, 100.0], "b": [None]}, {"a": 0, "b": 1}, "test")

    assert "a: median 2.5, middle half 1.25 to 3.75" in svg
    assert ">100<" not in svg and 'class="c1"' not in svg


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), NUMBERS), max_size=30), st.booleans(), st.booleans())
def test_any_line_is_well_formed_and_inside(points, log_x, log_y):
    line = Line("l", 9, [x for x, _ in points], [y for _, y in points])
    svg = line_chart([line], Axis("x", log=log_x), Axis("y", log=log_y), "test")

    if svg:
        ElementTree.fromstring(svg)
        assert all(0 <= number <= 340 for number in numbers_of(svg))


def test_a_missing_value_is_a_gap():
    svg = line_chart([Line("l", 0, [0, 1, 2, 3, 4], [1, 2, None, 2, 3])], Axis("x"), Axis("y"), "test")
    path = re.search(r'<path class="line c0" d="([^"]*)"', svg)[1]

    assert path.count("M") == 2 and path.count("L") == 2


def test_long_lines_are_thinned_out_but_keep_their_extremes():
    values = [0.0] * 10_000
    values[1234], values[7777] = 5.0, -5.0
    svg = line_chart([Line("l", 0, range(10_000), values)], Axis("x"), Axis("y"), "test")

    path = re.search(r'<path class="line c0" d="([^"]*)"', svg)[1]
    heights = [float(step.split()[1]) for step in re.split("[ML]", path)[1:]]
    assert len(heights) <= 400
    assert min(heights) == pytest.approx(8.0) and max(heights) == pytest.approx(230 - 36)
    assert len(svg) < 10_000


def test_what_lies_beyond_the_axis_is_not_drawn_at_its_border():
    svg = line_chart(
        [Line("l", 0, [0.001, 0.1, 1.0], [1, 0.5, 0.2])], Axis("x", 0.01, 10, log=True), Axis("y", 0, 1), "t"
    )

    assert re.search(r'<path class="line c0" d="([^"]*)"', svg)[1].count(" ") == 2
