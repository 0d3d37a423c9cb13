"""Fusers are compared on the same pairs, with intervals."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tardal_ros.datasets.item import Item
from tardal_ros.errors import RigError
from tardal_ros.evaluation.fusion import as_json, as_table, create_fusers, score_fusers
from tardal_ros.evaluation.fusion_metric import quality


def pair(seed, size=(40, 56), colour=True):
    rng = np.random.default_rng(seed)
    visible = rng.integers(0, 256, (*size, 3) if colour else size, np.uint8)
    return Item(f"pair{seed}", f"scene{seed}", "day", visible, rng.integers(0, 256, size, np.uint8))


def test_references_come_first_and_win_their_own_measure():
    comparison = score_fusers([pair(0), pair(1, (33, 47), colour=False)], create_fusers(["average", "laplacian"]))
    assert list(comparison.fusers) == ["visible", "infrared", "average", "laplacian"]
    assert comparison.images == 2
    figures = comparison.fusers
    assert figures["visible"]["SSIM_vi"].value == pytest.approx(1.0)
    assert figures["visible"]["MI_vi"].value == pytest.approx(figures["visible"]["EN"].value)
    assert figures["average"]["SSIM_vi"].value < 1.0


def test_a_mean_is_that_of_the_images_and_lies_in_its_interval():
    items = [pair(seed, colour=False) for seed in range(5)]
    mean = score_fusers(items, create_fusers(["average"])).fusers["average"]["SD"]
    fuser = create_fusers(["average"])["average"]
    values = [quality(fuser.fuse(each.visible, each.infrared), each.visible, each.infrared)["SD"] for each in items]
    assert mean.value == pytest.approx(np.mean(values))
    assert min(values) <= mean.low < mean.value < mean.high <= max(values)


def test_the_same_pairs_give_the_same_figures():
    first, second = (as_json(score_fusers([pair(0), pair(1)], create_fusers(["laplacian"]))) for _ in range(2))
    assert first == second


def test_what_infrared_does_not_see_counts_for_nothing():
    seen = np.full((40, 56), 255, np.uint8)
    seen[:, :12] = 0
    first = pair(3)
    spoilt = first.infrared.copy()
    spoilt[:, :12] = 0
    both = [
        Item(first.name, "scene", "day", first.visible, infrared, seen=seen) for infrared in (first.infrared, spoilt)
    ]
    one, other = (score_fusers([item], create_fusers(["average"])) for item in both)
    assert as_json(one) == as_json(other)


def test_a_table_has_a_row_for_each_metric_and_a_column_for_each_fuser():
    comparison = score_fusers([pair(0)], create_fusers(["average"]))
    lines = as_table(comparison).splitlines()
    assert lines[0] == "| 1 images | visible | infrared | average |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(comparison.fusers["average"])
    assert all(line.count("|") == 5 for line in lines)


def test_json_has_null_for_what_is_not_defined():
    black = Item("black", "scene", "day", np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8))
    comparison = score_fusers([black], {})
    told = json.loads(as_json(comparison))
    undefined = [name for name, mean in comparison.fusers["visible"].items() if math.isnan(mean.value)]
    assert undefined
    assert all(told["fusers"]["visible"][name]["value"] is None for name in undefined)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(RigError, match="no pairs"):
        score_fusers([], {})
    odd = Item("odd", "scene", "day", np.zeros((20, 20), np.uint8), np.zeros((20, 21), np.uint8))
    with pytest.raises(RigError, match="Pair odd: "):
        score_fusers([odd], {})
    with pytest.raises(RigError, match="Two fusers are called 'average'"):
        create_fusers(["average", "average"])
    with pytest.raises(RigError, match="no fuser 'magic'"):
        create_fusers(["magic"])


def test_fusers_go_by_the_names_of_their_weights(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    from tardal_ros.fusion.tardal import Generator

    paths = [tmp_path / f"tardal_{mode}.pth" for mode in ("dt", "ct")]
    for path in paths:
        torch.save(Generator(4).state_dict(), path)
    fusers = create_fusers(["average", *(f"tardal:{path}" for path in paths)])
    assert list(fusers) == ["average", "tardal_dt", "tardal_ct"]


def test_the_interval_narrows_with_the_number_of_scenes():
    items = [replace(pair(number % 5), scene=str(number)) for number in range(20)]
    means = [score_fusers(items[:count], {}, 200) for count in (1, 5, 20)]
    one, few, many = (mean.fusers["visible"]["SD"].high - mean.fusers["visible"]["SD"].low for mean in means)
    assert one == 0.0 < many < few
    alike = score_fusers([replace(item, scene="same") for item in items[:5]], {}, 200).fusers["visible"]["SD"]
    assert alike.low == alike.value == alike.high
