from pathlib import Path

import pytest

from tardal_ros.errors import RigError
from tardal_ros.evaluation.efficiency import efficiency

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "tardal_dt.safetensors"


def test_a_classical_fuser_has_no_parameters_and_no_network_to_count(tmp_path):
    told = efficiency("laplacian", sizes=((64, 48), (320, 240)), runs=1)

    assert told["parameters"] == 0 and told["threads"] >= 1
    assert list(told["sizes"]) == ["64x48", "320x240"]
    for each in told["sizes"].values():
        assert each["gmacs"] is None and each["ms"] > 0.0 and (each["peak_mb"] is None or 0.0 <= each["peak_mb"] < 200)


def test_a_network_is_counted_while_it_runs():
    pytest.importorskip("torch")
    if not WEIGHTS.is_file():
        pytest.skip("needs the weights that ship")
    told = efficiency("tardal", WEIGHTS, ((64, 48),), runs=1)

    # 295 776 weights of convolutions, each used once a pixel, and their 353 biases.
    assert told["parameters"] == 295_776 + 353
    assert told["sizes"]["64x48"]["gmacs"] == pytest.approx(295_776 * 64 * 48 / 1e9, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "weights", "complaint"),
    [("magic", None, "no fuser 'magic'"), ("tardal", "lost.onnx", r"lost\.onnx does not exist")],
)
def test_a_fuser_that_cannot_be_used_is_named(name, weights, complaint):
    with pytest.raises(RigError, match=complaint):
        efficiency(name, weights, sizes=((64, 48),))
