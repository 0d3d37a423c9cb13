"""The `fuse` command."""

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main
from tardal_ros.fusion import create_fuser


@pytest.fixture
def pairs(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        for spectrum, shape in (("vi", (30, 40, 3)), ("ir", (30, 40))):
            path = tmp_path / spectrum / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), random.integers(0, 256, shape, np.uint8))
    return tmp_path


def fuse(folder, name, out, *options):
    return main(["fuse", str(folder / "vi" / name), str(folder / "ir" / name), str(folder / out), *options])


def test_two_pictures_by_the_fuser_and_at_the_scale_asked_for(pairs, capsys):
    assert fuse(pairs, "a.png", "out.png", "--fuser", "average", "--scale", "0.5") == 0
    images = (cv2.imread(str(pairs / spectrum / "a.png"), cv2.IMREAD_UNCHANGED) for spectrum in ("vi", "ir"))
    expected = create_fuser("average", scale=0.5).fuse(*images)
    np.testing.assert_array_equal(cv2.imread(str(pairs / "out.png")), expected)
    assert capsys.readouterr().out == f"1 fused: {pairs / 'out.png'}\n"


def test_folders_go_on_where_they_were_left_off(pairs, capsys):
    assert fuse(pairs, "", "out") == 0
    (pairs / "out" / "b.png").unlink()
    (pairs / "ir" / "c.png").write_bytes(b"broken")
    assert fuse(pairs, "", "out") == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == f"1 fused, 2 kept as they were there already: {pairs / 'out'}"
    assert fuse(pairs, "", "out", "--overwrite") == 0
    told = capsys.readouterr()
    assert told.out == f"2 fused: {pairs / 'out'}\n"
    assert f"The pair c is left out: {pairs / 'ir/c.png'} is damaged or no picture.\n" in told.err


def test_a_network_with_weights_of_ones_own(pairs, tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    from tardal_ros.fusion.tardal import Generator

    torch.save(Generator(4).state_dict(), tmp_path / "w.pth")
    assert fuse(pairs, "a.png", "out.png", "--fuser", "tardal", "--weights", str(tmp_path / "w.pth")) == 0
    assert cv2.imread(str(pairs / "out.png")).shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--fuser", "median"), "There is no fuser 'median': choose one of visible, infrared"),
        (("--scale", "2"), "The scale 2.0 of a fuser must be 0 to 1"),
        (("--weights", "w.pth"), "The fuser 'laplacian' takes no weights"),
        (("--fuser", "tardal", "--weights", "lost.pth"), "lost.pth does not exist"),
        (("--mask", "lost.png"), "There is no lost.png"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(pairs, capsys, options, sentence):
    assert fuse(pairs, "a.png", "out.png", *options) == 1
    told = capsys.readouterr().err
    assert told.startswith("tardal_ros fuse: ") and sentence in told and told.count("\n") == 1
    assert not (pairs / "out.png").exists()
