from __future__ import annotations

import cv2
import numpy as np
import pytest

from tardal_ros.datasets.dataset import open_dataset, seen_of
from tardal_ros.errors import RigError

LABEL = "0 0.5 0.5 0.25 0.5\n"
NAMES = [f"{number}.png" for number in range(8)]


@pytest.fixture
def root(write):
    told = {f"labels/{number}.txt": LABEL for number in range(8)} | {"classes.txt": "person\ncar\n"}
    return write(NAMES, "ir", "vi", texts=told)


def breaks(root, kind):
    """Breaks the third pair; returns what must be named."""
    if kind == "no infrared":
        (root / "ir" / "2.png").unlink()
        return "ir/2"
    if kind == "no visible":
        (root / "vi" / "2.png").unlink()
        return "vi/2"
    if kind == "no label":
        (root / "labels" / "2.txt").unlink()
        return "labels/2.txt is missing"
    if kind == "unreadable":
        (root / "ir" / "2.png").write_bytes(b"not a picture")
        return "ir/2.png is damaged"
    if kind == "empty":
        (root / "vi" / "2.png").write_bytes(b"")
        return "vi/2.png is empty"
    if kind == "sizes":
        cv2.imwrite(str(root / "ir" / "2.png"), np.zeros((20, 32), np.uint8))
        return "ir/2.png is 32x20 and .*vi/2.png is 32x24"
    (root / "labels" / "2.txt").write_text("2 0.5 0.5 0.25 0.5\n")
    return "labels/2.txt has the class 2, which is not named"


KINDS = ["no infrared", "no visible", "no label", "unreadable", "empty", "sizes", "class"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_pair_is_refused_before_anything_is_used(root, kind):
    named = breaks(root, kind)
    with pytest.raises(RigError, match=f"1 pairs of .* cannot be used: .*{named}"):
        open_dataset(root).check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_pair_is_skipped_and_named_by_choice(root, kind):
    named = breaks(root, kind).split("/")[-1].split()[0]
    dataset = open_dataset(root, on_broken="skip")
    dataset.check()

    assert len(dataset) == len(dataset.samples) == 7
    assert [each.name for each in dataset.skipped] == ["2"] and named in dataset.skipped[0].reason
    assert "2" not in [sample.name for sample in dataset.samples]


def test_only_the_first_few_broken_pairs_are_named(root):
    for name in NAMES[:7]:
        (root / "ir" / name).write_bytes(b"")
    with pytest.raises(RigError, match=r"7 pairs .*4\.png is empty.*; and 2 more") as refused:
        open_dataset(root).check()
    assert "6.png" not in str(refused.value)


def test_nothing_left_is_refused(root):
    for name in NAMES:
        (root / "ir" / name).write_bytes(b"")
    with pytest.raises(RigError, match=r"no pictures to use .*all were skipped, the first because .*is empty"):
        open_dataset(root, on_broken="skip").check()


def test_an_empty_part_is_refused(root, write):
    write([], texts={"meta/val.txt": "\n"})
    with pytest.raises(RigError, match="There are no pictures to use"):
        open_dataset(root, part="val")
    with pytest.raises(RigError, match=r"no part 'test', for there is no .*meta/test\.txt"):
        open_dataset(root, part="test")


def test_a_file_list_chooses_and_orders(root, write):
    write([], texts={"some.txt": "vi/5.png\n1\n\n3.png\n"})
    dataset = open_dataset(root, file_list=root / "some.txt")

    assert [sample.name for sample in dataset.samples] == ["5", "1", "3"]


def test_a_broken_pair_that_is_not_listed_does_not_matter(root, write):
    breaks(root, "no infrared")
    write([], texts={"some.txt": "1.png\n"})

    assert len(open_dataset(root, file_list=root / "some.txt")) == 1


def test_a_listed_picture_that_is_not_there_is_named(root, write):
    write([], texts={"some.txt": "1.png\n99.png\n"})
    with pytest.raises(RigError, match="99 is listed, but there is no such picture"):
        open_dataset(root, file_list=root / "some.txt")
    assert open_dataset(root, file_list=root / "some.txt", on_broken="skip").skipped[0].name == "99"


def test_what_cannot_be_chosen_is_refused(root):
    with pytest.raises(RigError, match="on_broken is 'ignore': choose one of refuse, skip"):
        open_dataset(root, on_broken="ignore")


def test_an_item_has_what_the_files_have(root):
    visible = np.arange(24 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(24, 32, 3)
    cv2.imwrite(str(root / "vi" / "0.png"), visible)
    cv2.imwrite(str(root / "ir" / "0.png"), (np.arange(24 * 32).reshape(24, 32) * 80).astype(np.uint16))
    item = open_dataset(root).load(0)

    assert np.array_equal(item.visible, visible) and not item.visible.flags.writeable
    assert item.infrared.dtype == np.uint8 and item.infrared.shape == (24, 32)
    assert item.infrared.min() == 0 and item.infrared.max() == 255  # 16 bits are toned as the rig does it
    assert item.seen is None and item.target is None and item.condition == "real" and item.scene == "0"


def test_black_that_reaches_the_border_is_not_seen():
    infrared = np.full((60, 80), 90, np.uint8)
    infrared[:, :9] = 0  # the border of a warp
    infrared[20:30, 40:60] = 0  # something cold
    infrared[40, 9:70] = 0  # a black thread to the border
    infrared[50:, 79] = 0  # a border one pixel wide
    seen = seen_of(infrared)

    assert set(np.unique(seen)) == {0, 255}
    assert not seen[:, :11].any()  # with the rim, where the warp mixed black in
    assert seen[20:30, 40:60].all() and seen[40, 20:60].all() and not seen[52:, 79].any()
    assert seen_of(np.full((60, 80), 9, np.uint8)).all()


def test_the_border_of_the_real_pairs_is_found(shared_msrs):
    dataset = open_dataset(shared_msrs, infer_seen=True)
    share = {sample.name: (dataset.load(index).seen == 255).mean() for index, sample in enumerate(dataset.samples)}

    assert len(share) == 34 and 0.9 < np.mean(list(share.values())) < 0.97
    # These four were not aligned anew, and have no border.
    assert all(share[name] > 0.99 for name in ("00556D", "00633D", "00881N", "01023N"))
    assert max(value for name, value in share.items() if name < "0004") < 0.985


@pytest.mark.parametrize("missing", ["classes.txt", "labels/2.txt"])
def test_who_takes_no_labels_needs_none(root, missing):
    (root / missing).unlink()
    dataset = open_dataset(root, labels=False)
    dataset.check()

    assert len(dataset) == 8 and dataset.names == () and dataset.load(2).objects is None
    with pytest.raises(RigError, match=missing):
        open_dataset(root)
