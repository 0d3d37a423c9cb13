from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from tardal_ros.simulation import CLASSES, VISIBLE, Scene
from tardal_ros.simulation.labels import VISIBLE_ENOUGH, labelled, voc, yolo


def test_only_what_can_be_seen_is_labelled(small_night: Scene) -> None:
    truth = small_night.truth(VISIBLE, 1.0)
    kept = labelled(truth)
    assert 0 < len(kept) < len(truth.instances)
    for instance in truth.instances:
        left, top, right, bottom = instance.box
        seen = instance.visibility >= VISIBLE_ENOUGH and min(right - left, bottom - top) >= 6
        assert seen == (instance in kept)


def test_both_formats_hold_the_same_boxes_to_the_pixel(small_night: Scene) -> None:
    truth = small_night.truth(VISIBLE, 1.0)
    height, width = truth.labels.shape
    rows = np.loadtxt(yolo(truth).splitlines(), ndmin=2)
    root = ElementTree.fromstring(voc(truth, "a.png"))
    assert root.findtext("filename") == "a.png"
    assert [root.findtext(f"size/{side}") for side in ("width", "height")] == [str(width), str(height)]
    objects = root.findall("object")
    assert len(rows) == len(objects) == len(labelled(truth)) > 3
    for row, entry, instance in zip(rows, objects, labelled(truth), strict=True):
        class_id, x, y, w, h = row
        assert CLASSES[int(class_id)] == entry.findtext("name") == instance.name
        box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        edges = [float(entry.findtext(f"bndbox/{edge}", "")) for edge in ("xmin", "ymin", "xmax", "ymax")]
        np.testing.assert_allclose(box, instance.box, atol=0.01)
        np.testing.assert_array_equal(edges, instance.box)
        assert entry.findtext("truncated") == str(int(instance.truncated))
