import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.folder import claimed


def test_a_folder_is_used_by_one_at_a_time(tmp_path):
    folder = tmp_path / "new" / "out"
    with claimed(folder):
        with pytest.raises(RigError, match="is in use by another evaluation"), claimed(folder):
            pass
        with claimed(tmp_path / "other"):
            pass
    with claimed(folder):
        pass


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RigError, match="cannot be written"), claimed(tmp_path / "file" / "out"):
        pass
