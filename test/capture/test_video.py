from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tardal_ros.capture.video import VideoSource
from tardal_ros.errors import RigError
from tardal_ros.types import Frame

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
Writer = Callable[..., Path]


def everything(source: VideoSource) -> list[tuple[str, Frame]]:
    source.open()
    items = []
    while (item := source.read()) is not None:
        items.append(item)
    return items


def numbers(items: list[tuple[str, Frame]], stream: str) -> list[int]:
    """The frame numbers that `write_video` painted."""
    return [round(float(frame.image[:, :24].mean()) / 10) for name, frame in items if name == stream]


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_registered_videos_are_paired_frame_by_frame(tmp_path: Path, write_video: Writer, suffix: str) -> None:
    source = VideoSource(write_video(tmp_path / f"v{suffix}", 8), write_video(tmp_path / f"i{suffix}", 8))
    items = everything(source)
    assert [stream for stream, _ in items] == ["visible/left", "infrared/left"] * 8
    assert numbers(items, "visible/left") == numbers(items, "infrared/left") == list(range(8))
    assert [frame.stamp for _, frame in items[::2]] == pytest.approx([i * 1e8 for i in range(8)], abs=1e6)
    assert all(one.stamp == two.stamp for (_, one), (_, two) in zip(items[::2], items[1::2], strict=True))
    assert {frame.frame_id for _, frame in items} == {"registered_optical_frame"}
    assert items[0][1].image.shape == (48, 64, 3) and items[1][1].image.shape == (48, 64)
    assert not any(frame.image.flags.writeable for _, frame in items)
    assert source.problems == ()
    assert [info.rate for info in source.streams] == pytest.approx([10.0, 10.0])


def test_equally_long_registered_videos_of_different_rates_keep_together(tmp_path: Path, write_video: Writer) -> None:
    source = VideoSource(write_video(tmp_path / "v.avi", 6, 10.0), write_video(tmp_path / "i.avi", 6, 9.0))
    items = everything(source)
    assert [frame.stamp for _, frame in items[::2]] == [frame.stamp for _, frame in items[1::2]]


def test_unregistered_videos_follow_their_own_stamps(tmp_path: Path, write_video: Writer) -> None:
    paths = write_video(tmp_path / "v.avi", 5, 10.0), write_video(tmp_path / "i.avi", 10, 20.0, (32, 32))
    source = VideoSource(*paths, registered=False)
    items = everything(source)
    stamps = [frame.stamp for _, frame in items]
    assert stamps == sorted(stamps)
    infrared = [frame.stamp for stream, frame in items if stream == "infrared/left"]
    assert infrared == pytest.approx([i * 5e7 for i in range(len(infrared))], abs=1e6)
    assert numbers(items, "visible/left") == list(range(5))
    assert 8 <= len(infrared) <= 10
    assert {frame.frame_id for stream, frame in items if stream == "infrared/left"} == {"infrared_left_optical_frame"}


def test_shorter_video_ends_both_and_it_is_said(tmp_path: Path, write_video: Writer) -> None:
    source = VideoSource(write_video(tmp_path / "v.avi", 9), write_video(tmp_path / "i.avi", 4))
    items = everything(source)
    assert numbers(items, "infrared/left") == list(range(4))
    assert numbers(items, "visible/left")[:4] == list(range(4)) and len(items) <= 9
    assert len(source.problems) == 1
    assert "0.90 s" in source.problems[0] and "0.40 s" in source.problems[0] and "shorter" in source.problems[0]
    assert everything(source)[0][1].stamp == 0  # It can be played again.
    assert len(source.problems) == 1


def test_video_that_breaks_off_keeps_what_was_read(tmp_path: Path, write_video: Writer) -> None:
    visible, infrared = write_video(tmp_path / "v.avi", 20), write_video(tmp_path / "i.avi", 20)
    data = infrared.read_bytes()
    infrared.write_bytes(data[: (data.index(b"movi") + len(data)) // 2])
    source = VideoSource(visible, infrared)
    items = everything(source)
    read = numbers(items, "infrared/left")
    assert 2 < len(read) < 20 and read == list(range(len(read)))
    assert numbers(items, "visible/left")[: len(read)] == read
    (problem,) = [text for text in source.problems if "breaks off" in text]
    assert str(infrared) in problem and f"after {len(read)} of" in problem


def test_unreadable_videos_are_named(tmp_path: Path, write_video: Writer) -> None:
    good = write_video(tmp_path / "good.avi", 3)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"this is no video" * 100)
    with pytest.raises(RigError, match=r"no video file .*missing\.mp4"):
        VideoSource(good, tmp_path / "missing.mp4").open()
    with pytest.raises(RigError, match=r"cannot open .*bad\.mp4"):
        VideoSource(bad, good).open()
    with pytest.raises(RigError, match="no video file"):
        VideoSource(tmp_path, good).open()


def test_registered_videos_of_different_sizes_are_refused(tmp_path: Path, write_video: Writer) -> None:
    source = VideoSource(write_video(tmp_path / "v.avi", 3), write_video(tmp_path / "i.avi", 3, size=(32, 32)))
    with pytest.raises(RigError, match=r"64x48 and infrared 32x32.*registered"):
        source.open()
    assert source.read() is None


@pytest.mark.parametrize(("name", "pairs"), [("0111_1716", 151), ("0117_1620", 590), ("1230_1202", 205)])
def test_real_videos_open(name: str, pairs: int) -> None:
    if not SHARED.is_dir():
        pytest.skip("the data folder ../shared is not here")
    source = VideoSource(*(SHARED / "m2vd" / spectrum / f"{name}.mp4" for spectrum in ("vi", "ir")))
    source.open()
    count = 0
    while source.read() is not None:
        count += 1
    assert count == 2 * pairs
    assert source.problems == ()
