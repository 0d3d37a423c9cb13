from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.datasets.dataset import open_dataset
from tardal_ros.datasets.item import Sample
from tardal_ros.datasets.splits import expand, folds, in_scenes, read_split
from tardal_ros.errors import RigError

SPLITS = Path(__file__).resolve().parents[2] / "config" / "splits"


def samples_of(scenes):
    return [Sample(str(index), scene, "real") for index, scene in enumerate(scenes)]


def test_ranges_include_both_ends():
    assert expand([(8, 10), (12, 12)], 5) == ("00008", "00009", "00010", "00012")


def test_m3fd_is_split_in_blocks_that_stay_apart():
    parts = read_split(SPLITS / "m3fd.yaml").parts
    train, val = ({int(name) for name in parts[part]} for part in ("train", "val"))

    assert (len(train), len(val)) == (3240, 720) and max(train | val) < 4200
    assert all(len(name) == 5 for names in parts.values() for name in names)
    assert all(number + apart not in train for number in val for apart in range(-10, 11))


def test_a_part_of_the_shipped_split_is_opened(write, annotation):
    root = write(["00281.png", "00290.png"], "Ir", "Vis")
    write([], texts={f"Annotation/00{number}.xml": annotation("Car") for number in (281, 290)})
    dataset = open_dataset(root, part="val", file_list=SPLITS / "m3fd.yaml", on_broken="skip")

    assert [sample.name for sample in dataset.samples] == ["00281", "00290"]
    with pytest.raises(RigError, match="no part 'test', for the list has train, val"):
        open_dataset(root, part="test", file_list=SPLITS / "m3fd.yaml")


def test_numbers_tell_the_scene(shared_msrs):
    samples = open_dataset(shared_msrs, file_list=SPLITS / "msrs.yaml").samples
    scenes = {sample.name: sample.scene for sample in samples}

    assert len(samples) == 34 and scenes["00005N"] == scenes["00011N"] != scenes["00013N"]
    assert scenes["00001D"] == "00001D" and len(set(scenes.values())) == 12
    assert sorted(len(judged) for _, judged in folds(samples, 3, 0)) == [11, 11, 12]


def test_pictures_out_of_all_ranges_stay_where_they_are():
    placed = in_scenes([Sample(name, name, "real") for name in ("train/00005N", "9", "left")], [(4, 6)])

    assert [sample.scene for sample in placed] == ["4 to 6", "9", "left"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: [[5, 3]]", "range 5 to 3"),
        ("train: 5", "no file of ranges"),
        ("- 5", "no file of ranges"),
        ("train: [[a, b]]", "no file of ranges"),
        ("train: [", "no file of ranges"),
        ("{digits: -1, train: [[1, 5]]}", "digits is -1: give 0 to 20"),
        ("{digits: 999999999999, train: [[1, 5]]}", "digits is 9+: give 0 to 20"),
        ("{digits: 2, train: [[1, 5]], val: [[5, 6]]}", "05 is in train and in val"),
    ],
)
def test_a_broken_split_is_named(tmp_path, text, sentence):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(RigError, match=rf"a\.yaml.*{sentence}"):
        read_split(tmp_path / "a.yaml")


@given(scenes=st.lists(st.sampled_from("abcdefgh"), min_size=3), k=st.integers(2, 4), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_every_pair_is_judged_once_and_never_by_its_own_scene(scenes, k, seed):
    samples = samples_of(scenes)
    if k > len(set(scenes)):
        with pytest.raises(RigError, match=f"cannot make {k} folds"):
            folds(samples, k, seed)
        return
    made = folds(samples, k, seed)

    assert sorted(index for _, judged in made for index in judged) == list(range(len(samples)))
    for learnt, judged in made:
        assert sorted(learnt + judged) == list(range(len(samples)))
        assert not {scenes[index] for index in learnt} & {scenes[index] for index in judged}
    assert made == folds(samples, k, seed)


def test_another_seed_gives_other_folds():
    samples = samples_of("abcdefghij")

    assert len({str(folds(samples, 3, seed)) for seed in range(5)}) > 1
