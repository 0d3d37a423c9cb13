"""Which weights a fuser takes when none are named."""

from pathlib import Path

import numpy as np
import pytest

from tardal_ros.fusion import FUSERS, create_fuser
from tardal_ros.fusion.shipped import NETWORKS, shipped_weights

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Has only these files ship."""

    def make(*names):
        installed = {f"weights/{name}": tmp_path / name for name in names}
        monkeypatch.setattr("tardal_ros.fusion.shipped.find_shared", installed.get)

    return make


def test_the_best_that_is_installed_and_runs_on_the_device(install, tmp_path):
    install("tardal_dt.safetensors")
    assert shipped_weights("tardal") == tmp_path / "tardal_dt.safetensors"
    install("tardal_dt.safetensors", "tardal_ct.onnx")
    assert shipped_weights("tardal") == shipped_weights("tardal", "cpu") == tmp_path / "tardal_ct.onnx"
    assert shipped_weights("tardal", "cuda:1") == tmp_path / "tardal_dt.safetensors"
    assert shipped_weights("dgfusion") is None


def test_only_networks_take_weights():
    assert set(NETWORKS) <= set(FUSERS)
    assert [name for name in FUSERS if shipped_weights(name) and name not in NETWORKS] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_what_ships_loads(name):
    if not any((WEIGHTS / file).is_file() for file in NETWORKS[name]):
        pytest.skip(f"no weights of {name} in weights/ yet")
    pytest.importorskip("torch", reason="needs torch")
    assert shipped_weights(name).parent == WEIGHTS
    pair = np.random.default_rng(0).integers(0, 256, (2, 40, 50), np.uint8)
    named = create_fuser(name, shipped_weights(name, "cpu"), "cpu").fuse(*pair)
    np.testing.assert_array_equal(create_fuser(name, device="cpu").fuse(*pair), named)
