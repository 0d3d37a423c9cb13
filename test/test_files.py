"""Files are written as a whole."""

import pytest

from tardal_ros.errors import RigError
from tardal_ros.files import replace_bytes, replace_text


def test_a_file_is_replaced_as_a_whole(tmp_path):
    replace_bytes(tmp_path / "a" / "b", b"one")
    replace_bytes(tmp_path / "a" / "b", b"two")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"] and (tmp_path / "a/b").read_bytes() == b"two"
    with pytest.raises(RigError, match="cannot be written"):
        replace_bytes(tmp_path / "a" / "b" / "c", b"three")


def test_text_is_utf8(tmp_path):
    replace_text(tmp_path / "a", "µ\n")
    assert (tmp_path / "a").read_bytes() == "µ\n".encode()
