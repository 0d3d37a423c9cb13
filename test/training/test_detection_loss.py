from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ultralytics", reason="needs ultralytics: `make test` sets it up")
pytest.importorskip("safetensors", reason="needs safetensors: `make test` sets it up")

import torch
from safetensors.torch import save_file

from tardal_ros.errors import RigError
from tardal_ros.fusion.colour import luma as luma_of_bgr
from tardal_ros.fusion.colour import with_luma
from tardal_ros.training.detection import (
    DetectionTask,
    adopt,
    build_model,
    luma,
    predict_in_half,
    read_weights,
    recombine,
)
from tardal_ros.training.detector_release import state_dict

NAMES = ("person", "car")
BOXES = torch.tensor([[1, 1, 0.5, 0.5, 0.5, 0.5], [0, 0, 0.4, 0.6, 0.25, 0.5], [1, 0, 0.25, 0.25, 0.25, 0.25]])


def task_of(model="yolo11n", seed=0, **options):
    torch.manual_seed(seed)
    return DetectionTask(model, NAMES, **options)


def some_images(count=2, channels=3, size=64):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def file_of(task, folder, model="yolo11n"):
    path = folder / "detector.safetensors"
    path.write_bytes(state_dict(task.model, model, 64))
    return path


@pytest.mark.parametrize("model", ["yolov5n", "yolov8n", "yolo11n", "yolo26n"])
def test_the_gradient_reaches_the_image_and_the_weights(model):
    task, images = task_of(model), some_images().requires_grad_()
    loss = task.loss(images, BOXES)
    loss.total.backward()

    assert loss.total.ndim == 0 and loss.total.isfinite() and len(loss.parts) == 3
    assert float(sum(loss.parts.values())) == pytest.approx(float(loss.total.detach()), rel=1e-5)
    assert images.grad.isfinite().all() and (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    grads = [each.grad for each in task.parameters() if each.grad is not None]
    assert len(grads) > 50 and all(each.isfinite().all() for each in grads)


def test_the_gradient_reaches_the_fused_luma():
    fused = torch.full((2, 1, 64, 64), 0.5, requires_grad=True)
    task_of().loss(recombine(fused, some_images()), BOXES).total.backward()
    assert fused.grad.isfinite().all() and fused.grad.abs().max() > 0


@pytest.mark.parametrize("model", ["yolov8n", "yolo26n"])
def test_sixteen_bits_of_the_networks_leave_the_loss_in_full_precision(model):
    task, images = task_of(model), some_images().requires_grad_()
    task.model.eval()
    full = task.loss(images, BOXES).total
    with torch.autocast("cpu", torch.bfloat16):
        total = task.loss(images, BOXES).total
    total.backward()
    assert total.dtype == torch.float32 and not torch.equal(total, full)
    torch.testing.assert_close(total, full, rtol=0.02, atol=0)
    assert images.grad.abs().max() > 0


def test_a_model_predicts_in_sixteen_bits_and_learns_in_full_precision():
    labels = {"batch_idx": BOXES[:, 0], "cls": BOXES[:, 1], "bboxes": BOXES[:, 2:]}
    batch = {"img": some_images(), **labels}
    model = task_of().model.eval()
    with torch.no_grad():
        full, expected = model(batch)[0], model(batch["img"])[0]
    copied = list(model.state_dict())
    predict_in_half(model)
    loss, predicted = model(batch)[0], model(batch["img"])[0]
    loss.sum().backward()

    torch.testing.assert_close(loss, full, rtol=0.02, atol=0)
    assert predicted.dtype == torch.float32 and not torch.equal(predicted, expected)
    first = model.model[0].conv.weight
    assert first.dtype == first.grad.dtype == torch.float32 and first.grad.abs().max() > 0
    assert list(model.state_dict()) == copied


def test_following_the_gradient_lowers_the_loss():
    task, images = task_of(), some_images()
    optimizer = torch.optim.AdamW(task.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        total = task.loss(images, BOXES).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.9 * losses[0], losses


def test_boxes_come_in_any_order():
    task = task_of()
    task.model.eval()
    with torch.no_grad():
        one, other, less = (task.loss(some_images(), boxes).total for boxes in (BOXES, BOXES.flip(0), BOXES[:1]))
    assert torch.allclose(one, other, rtol=1e-5) and not torch.allclose(one, less, rtol=1e-2)


def test_images_without_objects_have_a_loss_too():
    images = some_images().requires_grad_()
    loss = task_of().loss(images, torch.zeros(0, 6))
    loss.total.backward()
    assert loss.total.isfinite() and loss.total > 0 and images.grad.abs().max() > 0


def test_batch_norm_learns_in_training_mode_only():
    task = task_of()
    norm = next(each for each in task.model.modules() if isinstance(each, torch.nn.BatchNorm2d))
    task.model.eval()
    before = norm.running_mean.clone()
    task.loss(some_images(), BOXES)
    assert torch.equal(norm.running_mean, before)
    task.model.train()
    task.loss(some_images(), BOXES)
    assert not torch.equal(norm.running_mean, before)


@pytest.mark.parametrize(("count", "size"), [(2, 72), (1, 32)])
def test_images_that_it_cannot_look_at_are_refused(count, size):
    with pytest.raises(RigError, match=f"{count} images of {size}x{size}"):
        task_of().loss(some_images(count, size=size), BOXES[:0])


def test_it_starts_from_weights_of_its_own_classes_and_architecture(tmp_path):
    path = file_of(task_of(seed=1), tmp_path)
    other = task_of(seed=2, start=path)

    assert read_weights(path).names == NAMES and read_weights(path).channels == 3
    for name, value in task_of(seed=1).state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    with pytest.raises(RigError, match="person, car, but the labels have car, person"):
        DetectionTask("yolo11n", ("car", "person"), path)
    with pytest.raises(RigError, match="are of a yolo11n for 3 channels, not of a yolov8n"):
        DetectionTask("yolov8n", NAMES, path)
    with pytest.raises(RigError, match="not of a yolo11n for 4"):
        DetectionTask("yolo11n", NAMES, path, channels=4)


def test_weights_that_do_not_say_what_they_are_are_refused(tmp_path):
    path = tmp_path / "some.safetensors"
    for told in (None, {"model": "yolo11n"}, {"model": "yolo11n", "names": "{"}):
        save_file({"weight": torch.zeros(1)}, path, told)
        with pytest.raises(RigError, match="do not say of which detection model"):
            read_weights(path)
    with pytest.raises(RigError, match="does not exist"):
        read_weights(tmp_path / "none.safetensors")


def test_an_architecture_that_does_not_exist_is_named():
    with pytest.raises(RigError, match="no detection model 'yolo99n'"):
        build_model("yolo99n", NAMES)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("yolo11n-seg", "has the head Segment"),
        ("yolov10n", "has the head v10Detect"),
        ("yolov8s-world", "cannot be built as a detector"),
        ("", "no detection model ''"),
    ],
)
def test_a_model_of_another_kind_is_refused(model, sentence):
    with pytest.raises(RigError, match=sentence):
        build_model(model, NAMES)


def test_classes_of_one_name_keep_what_was_learnt(tmp_path):
    path = file_of(task_of(), tmp_path)
    torch.manual_seed(5)
    model = build_model("yolo11n", ("Bus", "Car", "People"))
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    adopt(model, read_weights(path))
    learnt, state = read_weights(path).state, model.state_dict()

    head = [name for name in state if state[name].shape != learnt[name].shape]
    assert model.names == {0: "Bus", 1: "Car", 2: "People"} and len(head) == 6
    assert all(torch.equal(state[name], learnt[name]) for name in state if name not in head)
    for name in head:
        assert torch.equal(state[name][1], learnt[name][1]) and torch.equal(state[name][2], learnt[name][0])
        assert torch.equal(state[name][0], fresh[name][0])


def test_four_channels_begin_with_what_three_make_of_the_mean(tmp_path):
    path = file_of(task_of(), tmp_path)
    torch.manual_seed(5)
    stack, colours = build_model("yolo11n", NAMES, 4).eval(), build_model("yolo11n", NAMES).eval()
    for model in (stack, colours):
        adopt(model, read_weights(path))
    visible, infrared = some_images(), some_images(channels=1)
    with torch.no_grad():
        seen = stack(torch.cat([visible, infrared], dim=1))[0]
        torch.testing.assert_close(seen, colours((visible + infrared) / 2)[0], rtol=1e-3, atol=1e-3)


def test_four_channels_are_channels_like_others():
    images = some_images(channels=4).requires_grad_()
    task_of(channels=4).loss(images, BOXES).total.backward()
    assert (images.grad.abs().amax(dim=(0, 2, 3)) > 0).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.booleans())
def test_recombining_is_what_the_nodes_do(seed, grey):
    rng = np.random.default_rng(seed)
    bgr, new = rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 256, (6, 5), np.uint8)
    bgr = np.repeat(bgr[..., :1], 3, axis=2) if grey else bgr
    rgb = torch.from_numpy(bgr[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    recombined = recombine(torch.from_numpy(new)[None, None] / 255, rgb)

    expected = with_luma(bgr, luma_of_bgr(bgr), new)[..., ::-1] / 255
    assert np.allclose(recombined[0].permute(1, 2, 0).numpy(), expected, atol=1.01 / 255)
    assert torch.allclose(luma(rgb)[0, 0] * 255, torch.from_numpy(luma_of_bgr(bgr)).float(), atol=0.51)


@pytest.mark.parametrize(
    ("value", "gradient", "felt"), [(0.5, 1, 1), (0.5, -1, 1), (1.5, 1, 1), (1.5, -1, 0), (-0.5, 1, 0), (-0.5, -1, 1)]
)
def test_a_saturated_pixel_feels_what_leads_back_and_nothing_else(value, gradient, felt):
    fused = torch.full((1, 1, 2, 2), value, requires_grad=True)
    grey = torch.full((1, 3, 2, 2), 0.5)
    image = recombine(fused, grey)
    image.backward(torch.full_like(image, gradient / 3))

    assert image.detach().clamp(0, 1).equal(image.detach())
    assert torch.allclose(fused.grad, torch.full_like(fused, float(gradient * felt)))


def test_the_metadata_is_text(tmp_path):
    from safetensors import safe_open

    with safe_open(file_of(task_of(), tmp_path), "pt") as file:
        told = file.metadata()
    assert json.loads(told["names"]) == list(NAMES) and (told["imgsz"], told["channels"]) == ("64", "3")
