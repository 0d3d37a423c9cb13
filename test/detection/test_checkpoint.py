from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from tardal_ros.detection import create_detector
from tardal_ros.errors import MissingDependencyError, RigError

NAMES = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")


def test_a_listed_checkpoint_detects(yolo11, scene, tmp_path) -> None:
    listed = tmp_path / "trusted.yaml"
    listed.write_text(f"- sha256: '{hashlib.sha256(yolo11.pt.read_bytes()).hexdigest()}'\n")
    detector = create_detector(yolo11.pt, trusted=listed, device="cpu")
    assert detector.device == "cpu"
    found = detector.detect(scene)
    assert detector.names == found.names == NAMES
    assert len(found) > 5
    assert len(set(found.class_ids)) > 1


def test_boxes_are_those_of_ultralytics(yolo11, scene) -> None:
    """With the image at the network's size, nothing of ours but colour order, decoding and clipping is left."""
    import torch
    from ultralytics.nn.autobackend import AutoBackend
    from ultralytics.utils.nms import non_max_suppression

    found = create_detector(yolo11.pt, trust_weights=True, iou=1.0, max_detections=1000).detect(scene)
    backend = AutoBackend(str(yolo11.pt), device=torch.device("cpu"), verbose=False).eval()
    batch = torch.from_numpy(scene[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255)
    with torch.inference_mode():
        (expected,) = non_max_suppression(backend(batch), 0.25, 1.0, max_det=1000)
    rows = expected.numpy()
    rows[:, :4] = rows[:, :4].clip(0, 160)
    rows = rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])]
    assert len(found) == len(rows) > 20
    np.testing.assert_allclose(np.sort(found.scores), np.sort(rows[:, 4]), atol=1e-4)
    for box, class_id in zip(found.xyxy, found.class_ids, strict=True):
        assert np.abs(rows[rows[:, 5] == class_id, :4] - box).max(axis=1).min() < 0.1


def test_the_size_looked_at_can_be_chosen(yolo11, scene) -> None:
    small = create_detector(yolo11.pt, trust_weights=True, image_size=96).detect(scene)
    assert len(small) and not np.array_equal(
        small.scores, create_detector(yolo11.pt, trust_weights=True).detect(scene).scores
    )


def test_grey_read_only_strided_and_tiny_images_are_taken(yolo11, scene) -> None:
    detector = create_detector(yolo11.pt, trust_weights=True)
    grey = np.ascontiguousarray(scene[..., 1])
    np.testing.assert_array_equal(detector.detect(grey).xyxy, detector.detect(np.stack([grey] * 3, axis=-1)).xyxy)
    np.testing.assert_array_equal(detector.detect(scene[:, ::-1]).xyxy, detector.detect(scene[:, ::-1].copy()).xyxy)
    for shape in [(1, 1), (1, 900), (900, 1, 3)]:
        found = detector.detect(np.full(shape, 90, np.uint8))
        assert np.all(found.xyxy <= [shape[1], shape[0]] * 2)


def test_other_tasks_are_refused(segmenter) -> None:
    with pytest.raises(RigError, match=r"are for the task `segment`"):
        create_detector(segmenter, trust_weights=True)


@pytest.mark.parametrize("content", [b"", b"no pickle", b"half"])
def test_a_broken_checkpoint_is_named(content, yolo11, tmp_path) -> None:
    path = tmp_path / "broken.pt"
    data = yolo11.pt.read_bytes()
    path.write_bytes(data[: len(data) // 2] if content == b"half" else content)
    with pytest.raises(RigError, match=r"broken.pt are no ultralytics checkpoint") as refusal:
        create_detector(path, trust_weights=True)
    sentence = str(refusal.value)
    assert "\n" not in sentence and "yolo predict" not in sentence
    assert sentence.isascii()


def test_a_checkpoint_of_something_else_is_named(ultralytics_offline, tmp_path) -> None:
    import torch

    path = tmp_path / "other.pt"
    torch.save({"model": torch.nn.Linear(2, 2).state_dict()}, path)
    with pytest.raises(RigError, match=r"other.pt are no ultralytics checkpoint"):
        create_detector(path, trust_weights=True)


@pytest.mark.parametrize("device", ["cuda:77", "toaster", ""])
def test_a_device_that_is_not_there_is_named(device, yolo11) -> None:
    with pytest.raises(RigError, match=f"device '{device}' cannot be used"):
        create_detector(yolo11.pt, trust_weights=True, device=device)


def test_ultralytics_missing_is_one_sentence(tmp_path, monkeypatch) -> None:
    pytest.importorskip("torch")
    for name in [name for name in sys.modules if name.split(".")[0] == "ultralytics"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ultralytics.nn.autobackend", None)
    monkeypatch.setitem(sys.modules, "ultralytics.nn", None)
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match=r"run `pip install '\.\[detect\]'` in the checkout"):
        create_detector(tmp_path / "model.pt", trust_weights=True)
