from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tardal_ros.capture.folder import FolderSource, natural_key
from tardal_ros.errors import RigError
from tardal_ros.types import Array, Frame

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
Writer = Callable[[Path, Array], Path]


def colour(value: int, height: int = 24, width: int = 32) -> Array:
    return np.full((height, width, 3), value, np.uint8)


def grey(value: int, height: int = 24, width: int = 32, dtype: type = np.uint8) -> Array:
    return np.full((height, width), value, dtype)


def everything(source: FolderSource) -> list[tuple[str, Frame]]:
    source.open()
    items = []
    while (item := source.read()) is not None:
        items.append(item)
    return items


@pytest.fixture
def folders(tmp_path: Path, write_image: Writer) -> tuple[Path, Path]:
    for number in (1, 2, 10):
        write_image(tmp_path / "vi" / f"{number}.png", colour(number))
        write_image(tmp_path / "ir" / f"{number}.png", grey(100 + number))
    return tmp_path / "vi", tmp_path / "ir"


def test_pairs_come_in_natural_order_with_equal_stamps(folders: tuple[Path, Path]) -> None:
    items = everything(FolderSource(*folders, frame_rate=4.0))
    assert [stream for stream, _ in items] == ["visible/left", "infrared/left"] * 3
    assert [int(frame.image.flat[0]) for _, frame in items] == [1, 101, 2, 102, 10, 110]
    assert [frame.stamp for _, frame in items] == [0, 0, 250_000_000, 250_000_000, 500_000_000, 500_000_000]
    assert not any(frame.image.flags.writeable for _, frame in items)


def test_registered_infrared_carries_the_frame_and_geometry_of_the_visible(folders: tuple[Path, Path]) -> None:
    source = FolderSource(*folders)
    (_, visible), (_, infrared) = everything(source)[:2]
    assert visible.frame_id == infrared.frame_id == "registered_optical_frame"
    assert visible.camera_info is infrared.camera_info
    assert visible.camera_info is not None
    assert (visible.camera_info.width, visible.camera_info.height) == (32, 24)
    assert not visible.camera_info.k.any()  # REP-104: not calibrated.
    assert [(info.name, info.width, info.height, info.rate) for info in source.streams] == [
        ("visible/left", 32, 24, 10.0),
        ("infrared/left", 32, 24, 10.0),
    ]


def test_unregistered_infrared_has_a_frame_and_size_of_its_own(tmp_path: Path, write_image: Writer) -> None:
    write_image(tmp_path / "vi" / "a.png", colour(1, 48, 64))
    write_image(tmp_path / "ir" / "a.png", grey(5))
    (_, _), (_, infrared) = everything(FolderSource(tmp_path / "vi", tmp_path / "ir", registered=False))
    assert infrared.frame_id == "infrared_left_optical_frame"
    assert infrared.camera_info is not None and infrared.camera_info.width == infrared.size[0] == 32


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".tif", ".tiff"])
def test_every_format_and_unequal_extensions(tmp_path: Path, write_image: Writer, suffix: str) -> None:
    write_image(tmp_path / "vi" / "a.png", colour(60))
    write_image(tmp_path / "ir" / f"a{suffix}", colour(90))
    (_, visible), (_, infrared) = everything(FolderSource(tmp_path / "vi", tmp_path / "ir"))
    assert visible.image.shape == (24, 32, 3)
    assert infrared.image.shape == (24, 32)
    assert abs(int(infrared.image.mean()) - 90) <= 1


def test_depth_is_kept_for_infrared_and_reduced_for_visible(tmp_path: Path, write_image: Writer) -> None:
    write_image(tmp_path / "vi" / "a.png", grey(0x7F12, dtype=np.uint16))
    write_image(tmp_path / "ir" / "a.tif", grey(30000, dtype=np.uint16))
    write_image(tmp_path / "vi" / "b.png", np.dstack([colour(9), grey(255)]))
    write_image(tmp_path / "ir" / "b.png", np.dstack([colour(7), grey(255)]))
    images = [frame.image for _, frame in everything(FolderSource(tmp_path / "vi", tmp_path / "ir"))]
    assert [(image.shape, image.dtype.name, int(image.flat[0])) for image in images] == [
        ((24, 32), "uint8", 0x7F),
        ((24, 32), "uint16", 30000),
        ((24, 32, 3), "uint8", 9),
        ((24, 32), "uint8", 7),
    ]


def test_size_may_change_from_pair_to_pair(folders: tuple[Path, Path], write_image: Writer) -> None:
    for folder, image in zip(folders, (colour(3, 10, 20), grey(3, 10, 20)), strict=True):
        write_image(folder / "3.png", image)
    frames = [frame for _, frame in everything(FolderSource(*folders))]
    assert [frame.size for frame in frames[::2]] == [(32, 24), (32, 24), (20, 10), (32, 24)]
    assert all(frame.camera_info and frame.camera_info.width == frame.size[0] for frame in frames)


def test_unmatched_files_are_named_but_not_all_of_many(folders: tuple[Path, Path], write_image: Writer) -> None:
    write_image(folders[0] / "extra.png", colour(1))
    for number in range(20, 29):
        write_image(folders[1] / f"{number}.png", grey(1))
    (folders[0] / "notes.txt").write_text("no picture")
    (folders[0] / ".1.png").write_bytes(b"resource fork")
    source = FolderSource(*folders)
    assert len(everything(source)) == 6
    assert len(source.problems) == 2
    assert f"1 pictures in {folders[0]}" in source.problems[0] and "extra" in source.problems[0]
    assert "9 pictures" in source.problems[1] and "20, 21, 22, 23, 24 and 4 more" in source.problems[1]


def damage(path: Path, how: str, write_image: Writer) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 3])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not a picture at all")
    elif how == "float":
        path.unlink()
        write_image(path.with_suffix(".tiff"), np.zeros((24, 32), np.float32))
    elif how == "size":
        write_image(path, grey(1, 12, 16))


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("truncated", "damaged"),
        ("empty", "empty"),
        ("text", "no picture"),
        ("float", "float32 pixels"),
        ("size", "32x24 and infrared 16x12"),
    ],
)
def test_unusable_pair_is_left_out_and_said(
    folders: tuple[Path, Path], write_image: Writer, how: str, word: str
) -> None:
    damage(folders[1] / "2.png", how, write_image)
    source = FolderSource(*folders, frame_rate=10.0)
    items = everything(source)
    assert [int(frame.image.flat[0]) for _, frame in items] == [1, 101, 10, 110]
    assert [frame.stamp for _, frame in items[::2]] == [0, 200_000_000]  # The gap stays a gap.
    assert len(source.problems) == 1
    assert word in source.problems[0] and source.problems[0].startswith("pair 2 is left out: ")
    everything(source)
    assert len(source.problems) == 1  # Played again, it is not told again.


def test_reopening_begins_anew(folders: tuple[Path, Path]) -> None:
    source = FolderSource(*folders)
    source.open()
    source.read()
    source.close()
    assert source.read() is None
    assert len(everything(source)) == 6


def test_no_common_name_shows_examples_of_both(tmp_path: Path, write_image: Writer) -> None:
    write_image(tmp_path / "vi" / "a_rgb.png", colour(1))
    write_image(tmp_path / "ir" / "a_thermal.png", grey(1))
    with pytest.raises(RigError) as caught:
        FolderSource(tmp_path / "vi", tmp_path / "ir").open()
    for words in (str(tmp_path / "vi"), str(tmp_path / "ir"), "a_rgb", "a_thermal"):
        assert words in str(caught.value)


def test_missing_and_empty_folders_are_named(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    with pytest.raises(RigError, match=r"nowhere.*No such file"):
        FolderSource(tmp_path / "nowhere", folders[1]).open()
    (tmp_path / "void").mkdir()
    with pytest.raises(RigError, match=r"void.*no pictures"):
        FolderSource(folders[0], tmp_path / "void").open()
    with pytest.raises(RigError, match="cannot list"):
        FolderSource(folders[0] / "1.png", folders[1]).open()


def test_nothing_but_damaged_pairs_is_an_error(folders: tuple[Path, Path]) -> None:
    for path in folders[0].iterdir():
        path.write_bytes(b"x")
    with pytest.raises(RigError, match=r"none of the 3 pairs.*10\.png"):
        FolderSource(*folders).open()


def test_same_name_twice_takes_one_and_says_so(folders: tuple[Path, Path], write_image: Writer) -> None:
    write_image(folders[0] / "2.bmp", colour(77))
    source = FolderSource(*folders)
    assert len(everything(source)) == 6
    assert "2.png is ignored" in source.problems[0]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_absurd_rate_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(RigError, match="frame_rate"):
        FolderSource(tmp_path, tmp_path, frame_rate=rate)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    names = [f"run2_{number}_v" for number in numbers]
    assert sorted(names, key=natural_key) == [f"run2_{number}_v" for number in sorted(numbers)]


@given(st.text("aB01_²٣", max_size=8), st.text("aB01_²٣", max_size=8))
@settings(deadline=None, max_examples=50)
def test_natural_key_compares_any_names(one: str, other: str) -> None:
    assert isinstance(natural_key(one) < natural_key(other), bool)


@pytest.mark.parametrize(("name", "pairs"), [("msrs", 34), ("roadscene", 176), ("tno", 21)])
def test_real_folders_open(name: str, pairs: int) -> None:
    if not SHARED.is_dir():
        pytest.skip("the data folder ../shared is not here")
    source = FolderSource(SHARED / name / "vi", SHARED / name / "ir")
    items = everything(source)
    assert len(items) == 2 * pairs
    assert source.problems == ()
    assert all(frame.image.ndim == 2 for stream, frame in items if stream == "infrared/left")
