"""Pairs and what fusers make of them, as pictures."""

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main
from tardal_ros.commands.montage import side_by_side


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        for spectrum in ("vi", "ir"):
            path = tmp_path / "pairs" / spectrum / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (30, 40), np.uint8))
    return tmp_path / "pairs"


@pytest.mark.parametrize(
    ("choice", "names"), [((), "abc"), (("--every", "2"), "ac"), (("--names", "b"), "b")], ids=["all", "every", "names"]
)
def test_a_picture_for_each_pair_that_was_asked_for(pairs, tmp_path, capsys, choice, names):
    out = tmp_path / "out"
    assert main(["montage", "--data", str(pairs), "--fusers", "average", "--out", str(out), *choice]) == 0
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.png" for name in names]
    picture = cv2.imread(str(out / f"{names[0]}.png"))
    assert picture.shape[0] > 2 * 30 and picture.shape[1] > 2 * 40  # three tiles in two rows
    assert str(out) in capsys.readouterr().out


def test_a_source_that_is_asked_for_is_shown_once(pairs, tmp_path):
    pictures = []
    for fusers in (["average"], ["visible", "average", "infrared"]):
        out = tmp_path / str(len(fusers))
        assert main(["montage", "--data", str(pairs), "--fusers", *fusers, "--names", "a", "--out", str(out)]) == 0
        pictures.append(cv2.imread(str(out / "a.png")))
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [(("--names", "z"), "no pair 'z'"), (("--every", "0"), "must be 1 or more"), (("--fusers", "magic"), "no fuser")],
)
def test_what_cannot_be_shown_is_named(pairs, tmp_path, capsys, choice, sentence):
    assert main(["montage", "--data", str(pairs), "--out", str(tmp_path / "out"), *choice]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_infrared_sees_nothing_the_visible_picture_shows(pairs, tmp_path):
    cv2.imwrite(str(pairs / "ir" / "a.png"), np.zeros((30, 40), np.uint8))
    (pairs / "labels").mkdir()
    shown = []
    for flags in ([], ["--infer-seen"]):
        out = tmp_path / str(len(flags))
        arguments = ["--data", str(pairs), "--fusers", "average", "--names", "a", "--out", str(out)]
        assert main(["montage", *arguments, *flags]) == 0
        shown.append(cv2.imread(str(out / "a.png"))[-30:, :40].mean())
    assert shown[1] > 1.4 * shown[0]


def test_tiles_are_where_they_belong():
    tiles = {"dark": np.zeros((10, 12), np.uint8), "red": np.full((10, 12, 3), (0, 0, 255), np.uint8)}
    picture = side_by_side(tiles)
    half = picture.shape[1] // 2
    assert (picture[26:30, 6:14] == 0).all()
    assert (picture[26:30, half + 6 : half + 14] == (0, 0, 255)).all()
