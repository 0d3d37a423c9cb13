import math

import cv2
import numpy as np

from tardal_ros.evaluation.shots import Shots


def flat(value):
    return np.full((48, 64), value, np.uint8)


def looked(qabf, lumas):
    shots = Shots()
    for number, (kept, images) in enumerate(zip(qabf, lumas, strict=True)):
        shots.look(f"{number}", kept, images, lambda number=number: {"fused": flat(number)})
    return shots


def test_the_two_worst_and_the_two_biggest_disagreements_are_kept(tmp_path):
    qabf = [{"a": 0.5, "b": 0.6}, {"a": 0.9, "b": 0.2}, {"a": 0.3, "b": 0.8}, {"a": math.nan, "b": 0.7}]
    lumas = [{"a": flat(10), "b": flat(value)} for value in (12, 10, 40, 20)]
    told = looked(qabf, lumas).save(tmp_path, "street")
    assert [(shot["kind"], shot["frame"]) for shot in told] == [
        ("worst", "1"),
        ("worst", "2"),
        ("disagreement", "2"),
        ("disagreement", "3"),
    ]
    assert told[0]["note"] == "Qabf of b is 0.200"
    assert told[2]["note"] == "a and b differ by 30.0 grey levels on average"
    for shot in told:
        image = cv2.imread(str(tmp_path / shot["pictures"]["fused"]), cv2.IMREAD_GRAYSCALE)
        assert abs(int(image.mean()) - int(shot["frame"])) <= 1


def test_one_fuser_disagrees_with_nobody(tmp_path):
    told = looked([{"a": 0.5}], [{"a": flat(1)}]).save(tmp_path, "street")
    assert [shot["kind"] for shot in told] == ["worst"]


def test_where_nothing_is_defined_nothing_is_shown(tmp_path):
    assert looked([{"a": math.nan}, {}], [{"a": flat(1)}, {}]).save(tmp_path, "street") == []
