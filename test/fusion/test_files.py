"""Pictures, folders and videos are fused into files."""

import cv2
import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.files import Job, fuse_files


@pytest.fixture
def write_pair(tmp_path, make_pair):
    """Writes a pair; returns where, and what it holds."""

    def write(name="a", seed=0, counts=False, size=(48, 64), endings=(".png", ".png")):
        visible, infrared = make_pair(*size, seed)
        if counts:
            infrared = infrared.astype(np.uint16) * (seed + 20) + 7000
        paths = []
        for folder, ending, image in zip(("vi", "ir"), endings, (visible, infrared), strict=True):
            paths.append(tmp_path / folder / f"{name}{ending}")
            paths[-1].parent.mkdir(exist_ok=True)
            assert cv2.imwrite(str(paths[-1]), image)
        return *paths, visible, infrared

    return write


@pytest.fixture
def write_video(tmp_path):
    """Writes a video whose frames get brighter, without loss."""

    def write(name, count=6, rate=10.0, size=(64, 48), first=20):
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), rate, size)
        for index in range(count):
            writer.write(np.full((size[1], size[0], 3), first + 10 * index, np.uint8))
        writer.release()
        return path

    return write


@pytest.fixture
def average():
    return create_fuser("average")


def frames(path):
    video, images = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        images.append(read[1])
    return images, video.get(cv2.CAP_PROP_FPS)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_two_pictures(write_pair, tmp_path, average):
    first, second, visible, infrared = write_pair()
    out = tmp_path / "new" / "fused.png"
    assert fuse_files(average, Job(first, second, out)).fused == 1
    np.testing.assert_array_equal(read(out), average.fuse(visible, infrared))
    assert names(out.parent) == ["fused.png"]
    with pytest.raises(RigError, match=r"fused\.png is there already"):
        fuse_files(average, Job(first, second, out))
    assert fuse_files(average, Job(first, second, out, overwrite=True)).fused == 1


def test_a_folder_takes_a_picture_in(write_pair, tmp_path, average):
    first, second, *_ = write_pair(endings=(".jpg", ".png"))
    fuse_files(average, Job(first, second, tmp_path))
    assert read(tmp_path / "a.png").shape == (48, 64, 3)


def test_a_mask_says_where_infrared_sees(write_pair, tmp_path, average):
    first, second, visible, infrared = write_pair()
    mask = np.full(infrared.shape, 255, np.uint8)
    mask[:, :30] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    fuse_files(average, Job(first, second, tmp_path / "a.png", tmp_path / "mask.png"))
    np.testing.assert_array_equal(read(tmp_path / "a.png"), average.fuse(visible, infrared, mask))
    np.testing.assert_array_equal(read(tmp_path / "a.png")[:, :30], visible[:, :30])


def test_two_folders_by_name(write_pair, tmp_path, average):
    for seed, name in enumerate(("a", "b", "c10", "c9")):
        write_pair(name, seed, endings=(".png", ".bmp"))
    (tmp_path / "ir" / "b.bmp").write_bytes(b"broken")
    write_pair("small", size=(20, 20))
    cv2.imwrite(str(tmp_path / "vi" / "small.png"), np.zeros((10, 10, 3), np.uint8))
    (tmp_path / "vi" / "lonely.png").write_bytes(b"")
    (tmp_path / "ir" / "alone.tif").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "ir" / "a.jpg"), np.zeros((48, 64), np.uint8))
    (tmp_path / "vi" / "notes.txt").write_text("no picture")
    told = []
    job = Job(tmp_path / "vi", tmp_path / "ir", tmp_path / "out")
    outcome = fuse_files(average, job, lambda *step: told.append(step))
    assert names(tmp_path / "out") == ["a.png", "c10.png", "c9.png"]
    assert (outcome.fused, outcome.kept) == (3, 0)
    assert told == [(done, 5) for done in range(6)]
    assert outcome.problems == (
        f"{tmp_path / 'ir/a.jpg'} is left out: a.bmp has the same name.",
        f"{tmp_path / 'vi/lonely.png'} is left out: {tmp_path / 'ir'} has no picture of its name.",
        f"{tmp_path / 'ir/alone.tif'} is left out: {tmp_path / 'vi'} has no picture of its name.",
        f"The pair b is left out: {tmp_path / 'ir/b.bmp'} is damaged or no picture.",
        "The pair small is left out: Infrared (20, 20) and visible (10, 10) differ in size: register them.",
    )


def test_what_was_fused_before_is_kept(write_pair, tmp_path, average):
    for seed, name in enumerate("abc"):
        write_pair(name, seed)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_bytes(b"mine")
    job = Job(tmp_path / "vi", tmp_path / "ir", tmp_path / "out")
    outcome = fuse_files(average, job)
    assert (outcome.fused, outcome.kept) == (2, 1)
    assert (tmp_path / "out" / "b.png").read_bytes() == b"mine"
    outcome = fuse_files(average, Job(tmp_path / "vi", tmp_path / "ir", tmp_path / "out", overwrite=True))
    assert (outcome.fused, outcome.kept) == (3, 0)
    assert read(tmp_path / "out" / "b.png").shape == (48, 64, 3)


def test_counts_of_one_pair_are_forgotten_before_the_next(write_pair, tmp_path):
    fuser = create_fuser("infrared")
    pairs = [write_pair(name, seed, counts=True)[2:] for name, seed in (("a", 0), ("b", 40))]
    fuse_files(fuser, Job(tmp_path / "vi", tmp_path / "ir", tmp_path / "out"))
    for name, pair in zip("ab", pairs, strict=True):
        np.testing.assert_array_equal(read(tmp_path / "out" / f"{name}.png"), create_fuser("infrared").fuse(*pair))


def test_a_folder_of_masks(write_pair, tmp_path, average):
    visible = write_pair("a")[2]
    write_pair("b", 1)
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.zeros((48, 64), np.uint8))
    outcome = fuse_files(average, Job(tmp_path / "vi", tmp_path / "ir", tmp_path / "out", tmp_path / "masks"))
    np.testing.assert_array_equal(read(tmp_path / "out" / "a.png"), visible)
    assert names(tmp_path / "out") == ["a.png"]
    assert outcome.problems == (f"The pair b is left out: {tmp_path / 'masks'} has no picture of its name.",)


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv"])
def test_two_videos(write_video, tmp_path, average, ending):
    out = tmp_path / f"out{ending}"
    told = []
    job = Job(write_video("v.mkv"), write_video("i.mkv", first=60), out)
    outcome = fuse_files(average, job, lambda *step: told.append(step))
    assert (outcome.fused, outcome.problems) == (6, ())
    assert told == [(done, 6) for done in range(7)]
    images, rate = frames(out)
    assert rate == pytest.approx(10.0)
    assert [round(float(image.mean())) for image in images] == pytest.approx([40 + 10 * i for i in range(6)], abs=5)
    assert images[0].shape == (48, 64, 3)
    assert names(tmp_path) == ["i.mkv", f"out{ending}", "v.mkv"]


def test_videos_of_two_rates_run_as_fast_as_the_slower_one(write_video, tmp_path, average):
    job = Job(write_video("v.mkv", 12, 20.0), write_video("i.mkv", 5, 10.0), tmp_path / "out.mkv")
    outcome = fuse_files(average, job)
    images, rate = frames(tmp_path / "out.mkv")
    assert rate == pytest.approx(10.0) and len(images) == outcome.fused == 5
    assert [int(image[0, 0, 0]) for image in images] == [20 + 15 * i for i in range(5)]
    assert "the shorter one ends both" in outcome.problems[0]


def test_the_mask_of_a_video(write_video, tmp_path, average):
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((48, 64), np.uint8))
    fuse_files(
        average,
        Job(
            write_video("v.mkv"), write_video("i.mkv", 6, 10.0, (64, 48), 90), tmp_path / "o.mkv", tmp_path / "mask.png"
        ),
    )
    assert [int(image[9, 9, 0]) for image in frames(tmp_path / "o.mkv")[0]] == [20 + 10 * i for i in range(6)]


def test_an_odd_video_loses_a_row_and_says_so(write_video, tmp_path, average, make_pair):
    for name in ("v.avi", "i.avi"):  # uncompressed, where sizes may be odd
        writer = cv2.VideoWriter(
            str(tmp_path / name), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (63, 47)
        )
        writer.write(np.full((47, 63, 3), 50, np.uint8))
        writer.release()
    outcome = fuse_files(average, Job(tmp_path / "v.avi", tmp_path / "i.avi", tmp_path / "o.mkv"))
    assert frames(tmp_path / "o.mkv")[0][0].shape == (46, 62, 3)
    assert outcome.problems == (
        f"{tmp_path / 'o.mkv'} lacks the last row or column of its images: videos have an even number of them.",
    )


def test_a_video_that_cannot_be_fused_leaves_nothing(write_video, tmp_path, average):
    cv2.imwrite(str(tmp_path / "mask.png"), np.zeros((4, 4), np.uint8))
    job = Job(write_video("v.mkv"), write_video("i.mkv"), tmp_path / "out" / "o.mkv", tmp_path / "mask.png")
    with pytest.raises(RigError, match="mask"):
        fuse_files(average, job)
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("visible", "infrared", "out", "mask", "words"),
    [
        ("lost.png", "ir/a.png", "o.png", None, "There is no .*lost.png"),
        ("vi/a.png", "ir", "o.png", None, "two files, or two folders"),
        ("vi/a.png", "i.mkv", "o.png", None, "two pictures, or two videos"),
        ("vi/a.png", "ir/a.png", "o.gif", None, "end its name in one of .bmp, .jpeg"),
        ("v.mkv", "i.mkv", "o.png", None, "end its name in one of .avi, .mkv, .mp4"),
        ("vi/a.png", "ir/a.png", "vi/a.png", None, "is what shall be fused"),
        ("vi/a.png", "ir/a.png", "vi", None, "is what shall be fused"),
        ("vi", "ir", "vi", None, "is what shall be fused"),
        ("vi/a.png", "ir/a.png", "o.png", "vi", "is a folder"),
        ("vi/a.png", "ir/a.png", "o.png", "lost", "There is no .*lost"),
        ("vi/a.png", "ir/small.png", "o.png", None, "a.png and .*small.png cannot be fused: .* differ in size"),
        ("vi/a.png", "ir/bad.png", "o.png", None, "bad.png is damaged or no picture"),
        ("v.mkv", "small.mkv", "o.mkv", None, "do not fit: visible is 64x48 and infrared 32x32: .* register them"),
        ("v.mkv", "bad.mkv", "o.mkv", None, "bad.mkv"),
        ("empty", "ir", "o", None, "has no picture of its name"),
        ("empty", "empty", "o", None, "hold no pictures"),
        ("vi/a.png", "ir/a.png", "vi/a.png/o.png", None, "cannot be written"),
        ("v.mkv", "i.mkv", "vi/a.png/o.mkv", None, "cannot be written"),
    ],
)
def test_what_cannot_be_fused_is_named(write_pair, write_video, tmp_path, average, visible, infrared, out, mask, words):
    write_pair()
    cv2.imwrite(str(tmp_path / "ir" / "small.png"), np.zeros((9, 9), np.uint8))
    (tmp_path / "ir" / "bad.png").write_bytes(b"bad")
    (tmp_path / "bad.mkv").write_bytes(b"bad")
    (tmp_path / "empty").mkdir()
    for name, size in (("v.mkv", (64, 48)), ("i.mkv", (64, 48)), ("small.mkv", (32, 32))):
        write_video(name, 2, size=size)
    before = names(tmp_path)
    with pytest.raises(RigError, match=words) as caught:
        fuse_files(average, Job(tmp_path / visible, tmp_path / infrared, tmp_path / out, mask and tmp_path / mask))
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == before
