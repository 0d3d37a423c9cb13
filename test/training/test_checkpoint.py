from __future__ import annotations

import os
import pickle

import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from torch import nn

from tardal_ros.errors import RigError
from tardal_ros.training import checkpoint


def test_what_is_saved_is_read_back(tmp_path):
    state = {"step": 3, "networks": {"weight": torch.rand(3)}}
    checkpoint.save(tmp_path / "checkpoint.pt", state)
    read = checkpoint.load(tmp_path / "checkpoint.pt")

    assert read["step"] == 3 and torch.equal(read["networks"]["weight"], state["networks"]["weight"])
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_there_may_be_none_yet(tmp_path):
    assert checkpoint.load(tmp_path / "checkpoint.pt") is None


def test_the_old_one_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 3})

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(RigError, match="No space left on device"):
        checkpoint.save(path, {"step": 4})
    assert checkpoint.load(path) == {"step": 3}


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "list"])
def test_a_damaged_one_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"weight": torch.rand(64)})
    if damage == "list":
        torch.save([torch.rand(3)], path)
    else:
        path.write_bytes({"cut": path.read_bytes()[:-200], "text": b"no weights", "empty": b""}[damage])
    with pytest.raises(RigError, match=r"checkpoint\.pt cannot be read \(\w+\): remove it to begin anew"):
        checkpoint.load(path)


class Trap:
    def __reduce__(self):
        return os.mkdir, (os.environ["TRAP"],)


def test_nothing_in_it_is_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    torch.save({"step": Trap()}, tmp_path / "checkpoint.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"step": Trap()}, protocol=2))
    for name in ("checkpoint.pt", "plain.pt"):
        with pytest.raises(RigError, match="cannot be read"):
            checkpoint.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_a_part_of_another_architecture_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.restore(nn.Linear(2, 3), nn.Linear(2, 3).state_dict(), "networks", path)
    for state in (nn.Linear(2, 4).state_dict(), {}):
        with pytest.raises(RigError, match=r"The networks in .*checkpoint\.pt is of another architecture") as error:
            checkpoint.restore(nn.Linear(2, 3), state, "networks", path)
        assert "\n" not in str(error.value)


def test_an_optimizer_of_other_parameters_is_named(tmp_path):
    one, other = (torch.optim.AdamW(nn.Linear(2, 3).parameters()) for _ in range(2))
    state = other.state_dict()
    state["param_groups"][0]["params"].pop()
    for wrong in (state, {}):
        with pytest.raises(RigError, match="The optimizer in"):
            checkpoint.restore(one, wrong, "optimizer", tmp_path)
