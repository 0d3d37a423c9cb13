from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.datasets.labels import class_names, read_voc, read_yolo
from tardal_ros.errors import RigError
from tardal_ros.simulation.labels import yolo_lines

SHAPE = (48, 64, 3)
NAMES = ("person", "car")


@pytest.mark.parametrize("listed", ["traffic light\ncar\n", "0 traffic light\n1 car\n", "traffic light\n\ncar"])
def test_classes_are_listed_with_or_without_their_number(tmp_path, listed):
    (tmp_path / "classes.txt").write_text(listed)

    assert class_names(tmp_path / "classes.txt") == ("traffic light", "car")


def test_classes_that_name_nothing_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(RigError, match=r"classes\.txt names no class"):
        class_names(tmp_path / "classes.txt")


def test_yolo_lines_are_edges_in_pixels(tmp_path):
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n\n0 0.25 0.25 0.5 0.5\n")
    read = read_yolo(tmp_path / "a.txt", SHAPE, NAMES)

    assert read.xyxy.tolist() == [[24.0, 12.0, 40.0, 36.0], [0.0, 0.0, 32.0, 24.0]]
    assert read.class_ids.tolist() == [1, 0] and not read.ignored.any() and read.names == NAMES


def test_no_lines_are_no_objects(tmp_path):
    (tmp_path / "a.txt").write_text("\n")

    assert read_yolo(tmp_path / "a.txt", SHAPE, NAMES).xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 0.5 0.5 0.25\n", "each line must be"),
        ("0 a 0.5 0.25 0.5\n", "each line must be"),
        ("7 0.5 0.5 0.25 0.5\n", r"class 7, which is not named: the data set has 2 classes \(person, car\)"),
        ("-1 0.5 0.5 0.25 0.5\n", "class -1"),
        ("0.5 0.5 0.5 0.25 0.5\n", "class 0.5"),
        ("0 1.5 0.5 0.25 0.5\n", "outside 0 to 1"),
        ("0 0.5 0.5 -0.25 0.5\n", "outside 0 to 1"),
        ("0 nan 0.5 0.25 0.5\n", "outside 0 to 1"),
    ],
)
def test_broken_yolo_lines_are_named(tmp_path, text, sentence):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(RigError, match=rf"a\.txt.*{sentence}"):
        read_yolo(tmp_path / "a.txt", SHAPE, NAMES)


def test_a_missing_label_file_is_named(tmp_path):
    with pytest.raises(RigError, match=r"gone\.txt cannot be read"):
        read_yolo(tmp_path / "gone.txt", SHAPE, NAMES)


@given(
    boxes=st.lists(st.tuples(st.floats(0, 0.45), st.floats(0, 0.45), st.floats(0.5, 1), st.floats(0.5, 1)), max_size=4)
)
@settings(deadline=None, max_examples=30)
def test_yolo_lines_come_back_as_they_were_written(tmp_path_factory, boxes):
    path = tmp_path_factory.mktemp("yolo") / "a.txt"
    xyxy = np.array(boxes, np.float64).reshape(-1, 4) * [64, 48, 64, 48]
    path.write_text(yolo_lines([1] * len(xyxy), xyxy, (64, 48)))

    assert np.allclose(read_yolo(path, SHAPE, NAMES).xyxy, xyxy, atol=1e-3)


def test_voc_annotations_are_edges_in_pixels(tmp_path, annotation):
    (tmp_path / "a.xml").write_text(annotation("Car", (4, 6, 20, 18), "<difficult>1</difficult>"))
    read = read_voc(tmp_path / "a.xml", SHAPE, NAMES)

    assert read.xyxy.tolist() == [[4.0, 6.0, 20.0, 18.0]] and read.class_ids.tolist() == [1]
    assert read.ignored.tolist() == [True]


def test_voc_boxes_that_count_from_one_are_cut_at_the_edge(tmp_path, annotation):
    (tmp_path / "a.xml").write_text(annotation("car", (1, 1, 65, 48)))

    assert read_voc(tmp_path / "a.xml", SHAPE, NAMES).xyxy.tolist() == [[1.0, 1.0, 64.0, 48.0]]


def test_an_annotation_without_objects_is_one(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><filename>a.png</filename></annotation>")

    assert read_voc(tmp_path / "a.xml", SHAPE, NAMES).xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "box", "sentence"),
    [
        ("bus", (4, 6, 20, 18), "class 'bus', which is none of person, car"),
        ("car", (4, 6, 80, 18), "outside its image of 64x48"),
        ("car", (4, 6, float("nan"), 18), "outside its image"),
        ("car", (20, 6, 20, 18), "empty box"),
        ("car", (4, 6, "", 18), "without a whole bndbox"),
    ],
)
def test_broken_voc_objects_are_named(tmp_path, annotation, name, box, sentence):
    (tmp_path / "a.xml").write_text(annotation(name, box))
    with pytest.raises(RigError, match=rf"a\.xml has .*{sentence}"):
        read_voc(tmp_path / "a.xml", SHAPE, NAMES)


def test_broken_xml_is_named(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><object>")
    with pytest.raises(RigError, match=r"a\.xml is broken XML"):
        read_voc(tmp_path / "a.xml", SHAPE, NAMES)


def test_an_annotation_that_declares_entities_is_not_read(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY b "x">]><annotation><object><name>&b;</name></object></annotation>'
    (tmp_path / "a.xml").write_text(bomb)
    with pytest.raises(RigError, match="declares a document type"):
        read_voc(tmp_path / "a.xml", SHAPE, NAMES)
