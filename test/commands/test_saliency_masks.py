"""The `saliency_masks` command."""

import os

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main
from tardal_ros.datasets.saliency_folder import write_masks
from tardal_ros.datasets.saliency_mask import saliency_mask


@pytest.fixture
def folders(tmp_path):
    """Three pairs that were taken a while ago, one of them as JPEG."""
    random = np.random.default_rng(0)
    for spectrum, shape in (("vi", (30, 40, 3)), ("ir", (30, 40))):
        (tmp_path / spectrum).mkdir()
        for name in ("a.png", "b.jpg", "c.png"):
            path = tmp_path / spectrum / name
            cv2.imwrite(str(path), random.integers(0, 256, shape, np.uint8))
            os.utime(path, (1e9, 1e9))
    return tmp_path


def masks(folder, visible="vi", infrared="ir", out="mask"):
    return main(["saliency_masks", *(str(folder / name) for name in (visible, infrared, out))])


def expected(folder, name):
    return saliency_mask(*(cv2.imread(str(folder / kind / name), cv2.IMREAD_UNCHANGED) for kind in ("vi", "ir")))


def test_a_mask_for_each_pair(folders, capsys):
    assert masks(folders) == 0
    assert capsys.readouterr().out == f"3 written: {folders / 'mask'}\n"
    assert sorted(path.name for path in (folders / "mask").iterdir()) == ["a.png", "b.png", "c.png"]
    for name in ("a.png", "b.jpg", "c.png"):
        written = cv2.imread(str(folders / "mask" / name.replace("jpg", "png")), cv2.IMREAD_UNCHANGED)
        assert written.dtype == np.uint8
        assert set(np.unique(written)) == {0, 255}
        np.testing.assert_array_equal(written, expected(folders, name))
    assert (folders / "mask" / "a.png").read_bytes()[24:26] == b"\x08\x00"  # 8 bits of one channel


def test_what_cannot_be_used_is_named_and_nothing_else_is_lost(folders, capsys):
    (folders / "ir" / "a.png").write_bytes(b"broken")
    cv2.imwrite(str(folders / "ir" / "c.png"), np.zeros((20, 40), np.uint8))
    (folders / "vi" / "only.png").write_bytes((folders / "vi" / "c.png").read_bytes())
    (folders / "ir" / "lone.png").write_bytes((folders / "vi" / "c.png").read_bytes())
    assert masks(folders) == 0
    told = capsys.readouterr()
    assert told.out == f"1 written: {folders / 'mask'}\n"
    vi, ir = folders / "vi", folders / "ir"
    for sentence in (
        f"{vi / 'only.png'} is left out: {ir} has no picture of its name.\n",
        f"{ir / 'lone.png'} is left out: {vi} has no picture of its name.\n",
        f"The pair a is left out: {ir / 'a.png'} is damaged or no picture: restore it, or remove its partner.\n",
        f"The pair c is left out: {ir / 'c.png'} is 40x20 and {vi / 'c.png'} is 40x30: the pictures of a pair lie on"
        " each other, so register them first.\n",
    ):
        assert told.err.count(sentence) == 1
    assert [path.name for path in (folders / "mask").iterdir()] == ["b.png"]


def test_masks_newer_than_both_pictures_are_kept(folders, capsys):
    assert masks(folders) == 0
    (folders / "mask" / "a.png").write_bytes(b"mine")
    for spectrum, name in (("vi", "b"), ("ir", "c")):  # the one or the other picture is newer than the mask
        (folders / "mask" / f"{name}.png").write_bytes(b"old")
        os.utime(next((folders / spectrum).glob(f"{name}.*")), (4e9, 4e9))
    capsys.readouterr()
    assert masks(folders) == 0
    told = capsys.readouterr().out
    assert told == f"2 written, 1 kept as they are newer than their pictures: {folders / 'mask'}\n"
    assert (folders / "mask" / "a.png").read_bytes() == b"mine"
    for name in ("b.jpg", "c.png"):
        written = cv2.imread(str(folders / "mask" / name.replace("jpg", "png")), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(written, expected(folders, name))


def test_nothing_to_do_is_no_failure(folders, capsys):
    assert masks(folders) == masks(folders) == 0
    assert "0 written, 3 kept" in capsys.readouterr().out


def test_progress_is_told_before_the_first_and_after_each(folders):
    calls = []
    write_masks(folders / "vi", folders / "ir", folders / "mask", lambda *call: calls.append(call))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"visible": "lost"}, "There is no folder {0}/lost: give a folder of pictures."),
        ({"infrared": "empty"}, "No picture in {0}/vi has the name of one in {0}/empty"),
        ({"out": "ir"}, "{0}/ir holds the pictures themselves: give another folder for the masks."),
        ({"out": "vi/a.png"}, "File {0}/vi/a.png/"),
        ({"infrared": "broken"}, "No pair of {0}/vi and {0}/broken can be used: The pair a is left out"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(folders, capsys, arguments, sentence):
    (folders / "empty").mkdir()
    (folders / "broken").mkdir()
    (folders / "broken" / "a.png").write_bytes(b"")
    before = (folders / "vi" / "a.png").read_bytes(), (folders / "ir" / "a.png").read_bytes()
    assert masks(folders, **arguments) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"tardal_ros saliency_masks: {sentence.format(folders)}")
    assert before == ((folders / "vi" / "a.png").read_bytes(), (folders / "ir" / "a.png").read_bytes())
