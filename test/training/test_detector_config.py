from __future__ import annotations

import pytest

from tardal_ros.errors import RigError
from tardal_ros.training.detector_config import load_config


def test_the_shipped_configuration_is_sound(shipped):
    assert shipped.model == "yolo11n" and shipped.fuser == "laplacian"
    assert not set(shipped.train.plan().scenes()) & set(shipped.validation.plan().scenes())
    assert set(shipped.test.conditions) == {"day", "overcast", "night", "challenge"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epoch": 3}, "no key epoch"),
        ({"train.seed": 3}, r"no key train\.seed"),
        ({"epochs": None}, "key epochs is missing"),
        ({"epochs": "many"}, "epochs is 'many'"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"epochs": True}, "epochs is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"image_size": 500}, "image_size is 500"),
        ({"mosaic_epochs": 999}, "mosaic_epochs is 999"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"train": 7}, "train is 7"),
        ({"train.seeds": 0}, r"train\.seeds is 0"),
        ({"train.every": 0}, r"train\.every is 0"),
        ({"train.every": float("inf")}, r"train\.every is inf: input should be a finite number"),
        ({"test.conditions": ["noon"]}, "noon"),
        ({"test.conditions": []}, r"test\.conditions is \[\]: tuple should have at least 1 item"),
        ({"inputs": "thermal"}, "inputs is 'thermal': input should be 'mixed', 'fused'"),
        ({"hsv": 1}, "hsv is 1: input should be a valid boolean"),
        ({"fuser_weights": 3}, "fuser_weights is 3"),
        ({"validation.first": 0}, "is in both train and validation"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, told, changes, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(told(changes))
    with pytest.raises(RigError, match=sentence) as raised:
        load_config(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\0"])
def test_what_is_no_configuration_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(RigError, match=r"config\.yaml"):
        load_config(path)
    with pytest.raises(RigError, match=r"missing\.yaml cannot be read"):
        load_config(tmp_path / "missing.yaml")


def test_a_whole_number_may_stand_for_a_decimal_one(tmp_path, told):
    path = tmp_path / "config.yaml"
    path.write_text(told({"train.every": 5}))
    assert load_config(path).train.every == 5


def test_what_is_left_out_has_its_default(shipped, tmp_path, told):
    assert (shipped.inputs, shipped.fuser_weights, shipped.start, shipped.hsv) == ("mixed", "", "", True)
    assert shipped.channels == 3 and shipped.weights_of_fuser is None
    path = tmp_path / "config.yaml"
    path.write_text(told({"inputs": "stack", "hsv": False, "fuser_weights": "some.safetensors"}))
    config = load_config(path)
    assert config.channels == 4 and not config.hsv and str(config.weights_of_fuser) == "some.safetensors"
