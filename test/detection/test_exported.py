from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.detection import create_detector
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.types import Detections

REPOSITORY = Path(__file__).resolve().parents[2]
MSRS = REPOSITORY.parent / "shared" / "data" / "msrs"


def altered(source: Path, folder: Path, metadata: dict[str, str | None]) -> Path:
    """Copies an exported model with other metadata; None deletes."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(source)
    entries = {entry.key: entry.value for entry in model.metadata_props} | metadata
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
    path = folder / "altered.onnx"
    onnx.save(model, path)
    return path


def assert_same(found: Detections, expected: Detections) -> None:
    """Each box has its partner; boxes of nearly equal scores may change places."""
    assert len(found) == len(expected) > 5
    for box, score, class_id in zip(found.xyxy, found.scores, found.class_ids, strict=True):
        near = np.abs(expected.xyxy - box).max(axis=1) < 0.5
        assert np.any(near & (np.abs(expected.scores - score) < 1e-3) & (expected.class_ids == class_id))


def pictures() -> list[np.ndarray]:
    """Rendered visible images from the documentation, and real ones in both spectra where they are at hand."""
    rendered = [cv2.imread(str(path))[:, :600] for path in sorted((REPOSITORY / "docs/simulation").glob("[dn]*.jpg"))]
    assert len(rendered) == 2
    real = [sorted((MSRS / spectrum).iterdir())[0] for spectrum in ("vi", "ir") if MSRS.is_dir()]
    return rendered + [cv2.imread(str(path)) for path in real]


@pytest.mark.parametrize("network", ["yolov5u", "yolov8", "yolo11", "yolo26"])
def test_both_backends_agree_on_rendered_and_real_images(network, request) -> None:
    weights = request.getfixturevalue(network)
    onnx = request.getfixturevalue("yolo11_free") if network == "yolo11" else weights.onnx
    options = {"iou": 1.0, "max_detections": 1000}
    checkpoint, exported = create_detector(weights.pt, trust_weights=True, **options), create_detector(onnx, **options)
    for image in pictures():
        assert_same(exported.detect(image), checkpoint.detect(image))


def test_both_backends_agree_at_a_fixed_size(yolo11, scene) -> None:
    options = {"iou": 1.0, "max_detections": 1000}
    expected = create_detector(yolo11.pt, trust_weights=True, **options).detect(scene)
    assert_same(create_detector(yolo11.onnx, **options).detect(scene), expected)


def test_both_backends_agree_on_four_channels(stacked, scene) -> None:
    stack = np.dstack([scene, scene[::-1, :, 0]])
    options = {"iou": 1.0, "max_detections": 1000}
    checkpoint = create_detector(stacked.pt, trust_weights=True, **options)
    exported = create_detector(stacked.onnx, **options)
    assert checkpoint.channels == exported.channels == 4
    found = exported.detect(stack)
    assert_same(found, checkpoint.detect(stack))
    # Each channel counts, in its place.
    for other in (np.dstack([scene, scene[..., 0]]), stack[..., [2, 1, 0, 3]]):
        assert not np.array_equal(exported.detect(other).scores, found.scores)
    with pytest.raises(RigError, match=r"\(H, W, 4\) images, not uint8 of shape \(160, 160, 3\)"):
        exported.detect(scene)


def test_any_image_fits_a_fixed_input(yolo11) -> None:
    detector = create_detector(yolo11.onnx, confidence=0.0)
    for shape in [(1, 1), (3, 500, 3), (500, 3), (97, 211, 3)]:
        found = detector.detect(np.full(shape, 90, np.uint8))
        assert len(found) and np.all(found.xyxy <= [shape[1], shape[0]] * 2)


def test_it_needs_neither_torch_nor_ultralytics(yolo11, monkeypatch, scene) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    detector = create_detector(yolo11.onnx, device="cpu")
    assert detector.device == "cpu"
    assert len(detector.detect(scene))


def test_free_dimensions_take_any_size(yolo11_free, yolo11, scene) -> None:
    options = {"iou": 1.0, "max_detections": 1000, "image_size": 96}
    exported = create_detector(yolo11_free, **options)
    checkpoint = create_detector(yolo11.pt, trust_weights=True, **options)
    for image in (scene, scene[:70]):
        assert_same(exported.detect(image), checkpoint.detect(image))


def test_another_size_than_exported_is_refused(yolo11) -> None:
    with pytest.raises(RigError, match="exported for 160x160 pixels, not 320"):
        create_detector(yolo11.onnx, image_size=320)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"task": None}, "task `unknown`"),
        ({"task": "segment"}, "task `segment`"),
        ({"names": None}, "lacks the metadata names"),
        ({"names": "{0: open('x')}"}, "lacks the metadata names"),
        ({"names": "{0: "}, "lacks the metadata names"),
        ({"names": "{1: 'a'}"}, "does not name its classes"),
        ({"names": "{0: 'a'}"}, "not that of an ultralytics detection model with 1 classes"),
        ({"stride": "wide"}, "lacks the metadata"),
        ({"stride": None}, "lacks the metadata"),
        ({"stride": "0"}, "claims a stride of 0 at 160x160 pixels"),
        ({"stride": "64"}, "claims a stride of 64 at 160x160 pixels"),
        ({"names": "{0: 'a', 1: 'b', 2: 'c', 3: 'd', 4: 'e', 5: 'f', 6: 'g'}"}, "detection model with 7 classes"),
        ({"names": "{0: 'a\\0', 1: 'b', 2: 'c', 3: 'd', 4: 'e', 5: 'f'}"}, "names a class 'a.x00', which is no text"),
        ({"names": "['\\ud800', 'b', 'c', 'd', 'e', 'f']"}, "which is no text"),
        ({"names": "[1e999999, nan"}, "lacks the metadata names"),
    ],
)
def test_metadata_that_is_missing_or_wrong_is_named(metadata, message, yolo11, tmp_path) -> None:
    with pytest.raises(RigError, match=message):
        create_detector(altered(yolo11.onnx, tmp_path, metadata))


def test_names_with_odd_characters_are_kept(yolo11, tmp_path) -> None:
    names = ("a b", "", '"quoted"', "Fu\u00dfg\u00e4nger", "new\nline", "\U0001f697")
    path = altered(yolo11.onnx, tmp_path, {"names": repr(dict(enumerate(names)))})
    assert create_detector(path).names == names


@pytest.mark.parametrize("shape", [(2, 3, 160, 160), (1, 1, 160, 160), (1, 5, 160, 160), (1, 3, 160)])
def test_other_inputs_than_one_image_are_refused(shape, tmp_path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["images"], ["output"])],
        "other",
        [tensor("images", onnx.TensorProto.FLOAT, shape)],
        [tensor("output", onnx.TensorProto.FLOAT, shape)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.helper.set_model_props(model, {"task": "detect", "names": "{0: 'a'}", "stride": "32"})
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(RigError, match="not one image"):
        create_detector(tmp_path / "other.onnx")


@pytest.mark.parametrize("content", [b"", b"no protobuf", b"half"])
def test_a_broken_file_is_named(content, yolo11, tmp_path) -> None:
    path = tmp_path / "broken.onnx"
    data = yolo11.onnx.read_bytes()
    path.write_bytes(data[: len(data) // 2] if content == b"half" else content)
    with pytest.raises(RigError, match=r"broken.onnx is no ONNX model") as refusal:
        create_detector(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("device", ["toaster", "cuda:x", ""])
def test_an_unknown_device_is_refused(device, yolo11) -> None:
    with pytest.raises(RigError, match=f"device '{device}' is not known"):
        create_detector(yolo11.onnx, device=device)


def test_cuda_is_refused_where_onnxruntime_has_none(yolo11) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(RigError, match="onnxruntime-gpu"):
        create_detector(yolo11.onnx, device="cuda:0")


def test_onnxruntime_missing_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match=r"run `pip install '\.\[detect\]'` in the checkout"):
        create_detector(tmp_path / "model.onnx")
