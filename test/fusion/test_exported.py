"""The exported generator against the one it was made of, and files that are none."""

import subprocess
import sys

import numpy as np
import pytest

from tardal_ros.errors import RigError
from tardal_ros.fusion import create_fuser
from tardal_ros.fusion.exported import ExportedMethod

ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
onnx = pytest.importorskip("onnx", reason="needs onnx")
torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.fusion import export, tardal  # noqa: E402


def _saved(path, content):
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def narrow(formula_state, save_weights):
    """A torch file of a narrow generator, and what it exports to."""
    weights = save_weights(formula_state())
    return weights, _saved(weights.with_suffix(".onnx"), export.export_onnx(weights))


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1), (1, 40), (33, 90)])
def test_it_equals_torch(narrow, size):
    weights, exported = narrow
    random = np.random.default_rng(0)
    infrared, visible = (random.random((1, 1, *size), np.float32) for _ in range(2))
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    (fused,) = session.run(None, {"infrared": infrared, "visible": visible})
    with torch.inference_mode():
        expected = tardal.load_generator(weights)(torch.from_numpy(infrared), torch.from_numpy(visible))
    np.testing.assert_allclose(fused, expected.numpy(), rtol=0.0, atol=1e-4)


def test_golden(golden_file, save_weights):
    golden = golden_file("tardal_generator.npz")
    state = {name[3:]: torch.from_numpy(value) for name, value in golden.items() if name.startswith("sd/")}
    weights = save_weights({**state, "use_eval": True})
    exported = _saved(weights.with_suffix(".onnx"), export.export_onnx(weights))
    session = ort.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    (fused,) = session.run(None, {"infrared": golden["odd_ir"], "visible": golden["odd_vi"]})
    np.testing.assert_allclose(fused, golden["odd_out_eval"], rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_fuser_makes_the_same_image_of_both(narrow, make_pair, scale):
    images = [create_fuser("tardal", weights, "cpu", scale=scale).fuse(*make_pair(47, 63)) for weights in narrow]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1
    assert not np.array_equal(images[1], make_pair(47, 63)[0])


def test_it_runs_without_torch(narrow):
    program = f"""
import sys
import numpy as np
sys.modules["torch"] = None
from tardal_ros.fusion import create_fuser
image = np.full((9, 11), 90, np.uint8)
assert create_fuser("tardal", {str(narrow[1])!r}).fuse(image, image).shape == (9, 11)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def _model(inputs=("infrared", "visible"), output="fused", kind="FLOAT", shape=(1, 1, "h", "w"), operator="Add"):
    tensor = onnx.helper.make_tensor_value_info
    number = getattr(onnx.TensorProto, kind)
    node = onnx.helper.make_node(operator, list(inputs), [output], **({"axis": 2} if operator == "Concat" else {}))
    free = (1, 1, "out", "w") if operator == "Concat" else shape
    graph = onnx.helper.make_graph(
        [node], "g", [tensor(name, number, shape) for name in inputs], [tensor(output, number, free)]
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": ("images", "visible")}, "fused of images, visible"),
        ({"inputs": ("infrared", "visible"), "output": "output0"}, "makes output0"),
        ({"kind": "DOUBLE"}, r"'infrared' is tensor\(double\)"),
        ({"shape": (1, "h", "w")}, "instead of tensor"),
        ({"shape": (1, 1, 480, 640)}, "free height and width"),
        ({"shape": (1, 3, "h", "w")}, "does not run on one pair"),
        ({"operator": "Concat"}, "no image of the size"),
    ],
)
def test_models_of_something_else(tmp_path, options, words):
    path = _saved(tmp_path / "other.onnx", _model(**options))
    with pytest.raises(RigError, match=words) as error:
        ExportedMethod(path)
    assert str(path) in str(error.value)


def test_files_of_something_else(tmp_path, narrow):
    for content in (b"", b"not a model", narrow[1].read_bytes()[:500]):
        with pytest.raises(RigError, match=r"broken\.onnx"):
            create_fuser("tardal", _saved(tmp_path / "broken.onnx", content))
    with pytest.raises(RigError, match="does not exist"):
        create_fuser("tardal", tmp_path / "missing.onnx")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "abacus"])
def test_it_runs_on_the_cpu_only(narrow, device):
    with pytest.raises(RigError, match="does not run"):
        create_fuser("tardal", narrow[1], device)


def test_weights_that_normalise_by_image_are_not_exported(formula_state, save_weights):
    with pytest.raises(RigError, match="by its own statistics"):
        export.export_onnx(save_weights({**formula_state(), "use_eval": False}))
