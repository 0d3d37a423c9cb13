"""Weight files: every published layout, and files that are none."""

import os
import pickle
import zipfile

import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import create_fuser, load_state_dict

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.fusion.weights import read_checkpoint  # noqa: E402

LAYOUTS = {
    "bare": lambda state: state,
    "bare with flag": lambda state: {**state, "use_eval": False},
    "v1": lambda state: {"fuse": {**state, "use_eval": False}, "disc": {"t": {}, "d": {}}, "detect": {}},
    "v0": lambda state: {"g": state, "d": {"t": {}}},
    "parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "params": lambda state: {"params": state},
    "params_ema": lambda state: {"params": {}, "params_ema": {f"module.{name}": v for name, v in state.items()}},
}


def _same(actual, expected):
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert torch.equal(actual[name], value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
def test_torch_layouts(formula_state, save_weights, layout, suffix):
    path = save_weights(LAYOUTS[layout](formula_state()), f"weights{suffix}")
    _same(load_state_dict(path), formula_state())
    _same(load_state_dict(str(path)), formula_state())
    expected = False if "flag" in layout or layout == "v1" else None
    assert read_checkpoint(path).use_eval is expected


def test_torch_files_from_before_zip(formula_state, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(formula_state(), path, _use_new_zipfile_serialization=False)
    _same(load_state_dict(path), formula_state())


@pytest.mark.parametrize(
    ("metadata", "flag"), [(None, None), ({"use_eval": "false"}, False), ({"use_eval": "true"}, True)]
)
def test_safetensors(formula_state, tmp_path, metadata, flag):
    numpy_format = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    path = tmp_path / "tardal.safetensors"
    numpy_format.save_file(formula_state(), path, metadata)
    checkpoint = read_checkpoint(path)
    _same(dict(sorted(checkpoint.state.items())), dict(sorted(formula_state().items())))
    assert checkpoint.use_eval is flag


def _refused(path, *words):
    with pytest.raises(RigError) as caught:
        load_state_dict(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors"])
def test_missing_files(tmp_path, name):
    _refused(tmp_path / name, "does not exist")
    (tmp_path / name).mkdir()
    _refused(tmp_path / name, "does not exist")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"not weights at all\n" * 50, bytes(range(256)) * 9])
def test_files_of_something_else(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    _refused(path, "get it again" if suffix == ".safetensors" else "Get it again")


@pytest.mark.parametrize("part", [0.2, 0.9, 0.999])
def test_truncated_files(formula_state, save_weights, tmp_path, part):
    whole = save_weights(formula_state()).read_bytes()
    path = tmp_path / "half.pth"
    path.write_bytes(whole[: int(len(whole) * part)])
    _refused(path, "damaged")
    numpy_format = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    whole = numpy_format.save(formula_state())
    path = tmp_path / "half.safetensors"
    path.write_bytes(whole[: int(len(whole) * part)])
    _refused(path, "not a whole safetensors file")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        {"weights": [1, 2]},
        {"epoch": 3},
        {"fuse": {}},
        {"encoder.0.weight": "text"},
    ],
    ids=repr,
)
def test_torch_files_without_weights(save_weights, content):
    _refused(save_weights(content), "another file" if content in ({}, [1, 2], {"fuse": {}}) else "not a tensor")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(formula_state, save_weights, number):
    state = {name: value.clone() for name, value in formula_state().items()}
    state["fuse.2.1.running_var"][3] = number
    _refused(save_weights(state), "fuse.2.1.running_var", "not finite")


class _Attack:
    def __init__(self, target):
        self._target = str(target)

    def __reduce__(self):
        return os.mkdir, (self._target,)


@pytest.mark.parametrize("form", ["pickle", "legacy", "zip", "hidden"])
def test_a_pickle_that_would_run_code_does_not(formula_state, tmp_path, form):
    target, path = tmp_path / "was_run", tmp_path / "weights.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps(_Attack(target), protocol=2))
    elif form == "hidden":
        torch.save({**formula_state(), "use_eval": _Attack(target)}, path)
    else:
        torch.save(_Attack(target), path, _use_new_zipfile_serialization=form == "zip")
        assert zipfile.is_zipfile(path) == (form == "zip")
    _refused(path, "could run code")
    with pytest.raises(RigError, match="could run code"):
        create_fuser("tardal", path, "cpu")
    assert not target.exists()
    # The file is a working attack: an ordinary load runs it.
    if form != "pickle":
        torch.load(path, weights_only=False)
        assert target.exists()
