"""Files are found, and written as a whole."""

import pytest

from tardal_ros.errors import RigError
from tardal_ros.files import find_shared, replace_bytes, replace_text


def test_a_file_is_replaced_as_a_whole(tmp_path):
    replace_bytes(tmp_path / "a" / "b", b"one")
    replace_bytes(tmp_path / "a" / "b", b"two")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"] and (tmp_path / "a/b").read_bytes() == b"two"
    with pytest.raises(RigError, match="cannot be written"):
        replace_bytes(tmp_path / "a" / "b" / "c", b"three")


def test_text_is_utf8(tmp_path):
    replace_text(tmp_path / "a", "µ\n")
    assert (tmp_path / "a").read_bytes() == "µ\n".encode()


def test_what_ships_is_found_in_the_checkout_and_where_ros_or_pip_installed_it(tmp_path, monkeypatch):
    here = find_shared("package.xml")
    assert here is not None and (here.parent / "tardal_ros").is_dir()
    assert find_shared("weights/nothing.onnx") is None
    paths = []
    for prefix in ("colcon", "pip"):
        paths.append(tmp_path / prefix / "share" / "tardal_ros" / "weights" / f"{prefix}.onnx")
        paths[-1].parent.mkdir(parents=True)
        paths[-1].touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'colcon'}")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "pip"))
    assert [find_shared(f"weights/{path.name}") for path in paths] == paths
