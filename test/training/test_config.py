from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("pydantic", reason="needs pydantic: `make test` sets it up")

from tardal_ros.errors import RigError
from tardal_ros.training.config import Rendered, TrainConfig, load_config
from tardal_ros.training.sections import as_text

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = [f"{kind}_{mode}" for kind in ("cpu_small", "tardal") for mode in ("dt", "tt", "ct")] + [
    "short_dt",
    "short_ct",
    "cpu_small_dt_rendered",
    "dgfusion",
    "cpu_small_dgfusion",
    "cpu_small_dgfusion_real",
]


def refusal(path):
    """The one sentence that refuses a file, which it names."""
    with pytest.raises(RigError) as error:
        load_config(path)
    told = str(error.value)
    assert str(path) in told and "\n" not in told
    return told


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_configurations_are_read(name):
    config = load_config(REPOSITORY / f"config/train/{name}.yaml")

    assert config.mode == next((mode for mode in ("tt", "ct") if f"_{mode}" in name), "dt")


def test_a_configuration_can_be_changed_from_outside(fusion_yaml):
    path = fusion_yaml({})
    changed = load_config(path, ["loss.target_discriminator=false", "steps=7", "data.crop=[16, 24]"])
    assert (changed.loss.target_discriminator, changed.steps, changed.data.crop) == (False, 7, (16, 24))
    assert changed.data.train == load_config(path).data.train


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("steps", "The change 'steps' cannot be made"),
        ("steps.of=1", "cannot be made"),
        ("loss=[", "cannot be made"),
        ("loss.adverserial=1", "no key loss.adverserial"),
        ("steps=many", "steps is 'many'"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(fusion_yaml, change, sentence):
    with pytest.raises(RigError, match=sentence):
        load_config(fusion_yaml({}), [change])


def test_what_is_left_out_has_a_default(fusion_config):
    config = fusion_config({"generator": None, "optimizer": None, "seed": None})

    assert config.seed == 0 and config.generator.dim == 32 and config.loss == TrainConfig.model_fields["loss"].default


@pytest.mark.parametrize("mode", ["dt", "tt", "ct"])
def test_as_text_tells_everything_and_can_be_read_back(fusion_config, tmp_path, mode):
    config = fusion_config({"loss.pixel": 7.25, "data.target": "stored"}, mode)
    (tmp_path / "again.yaml").write_text(as_text(config))

    assert load_config(tmp_path / "again.yaml") == config
    assert yaml.safe_load(as_text(config))["optimizer"]["clip"] == 10.0  # a default


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_ones_can_be_told_as_text_too(name, tmp_path):
    config = load_config(REPOSITORY / f"config/train/{name}.yaml")
    (tmp_path / "again.yaml").write_text(as_text(config))

    assert load_config(tmp_path / "again.yaml") == config


@pytest.mark.parametrize(
    "key", ["step", "data.crops", "generator.width", "loss.adverserial", "optimizer.lr", "data.train.folder"]
)
def test_an_unknown_key_is_named(fusion_yaml, key):
    assert f"there is no key {key}: remove it" in refusal(fusion_yaml({key: 1}))


@pytest.mark.parametrize("key", ["mode", "steps", "data", "data.train", "data.validation", "data.crop", "data.batch"])
def test_a_missing_key_is_named(fusion_yaml, key):
    assert f"the key {key} is missing: add it" in refusal(fusion_yaml({key: None}))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("steps", "10", "steps is '10': input should be a valid integer"),
        ("steps", 1.5, "steps is 1.5: input should be a valid integer"),
        ("steps", True, "steps is True: input should be a valid integer"),
        ("mode", 3, "mode is 3: input should be 'dt', 'tt' or 'ct'"),
        ("generator", "tardal.pth", "generator is 'tardal.pth': "),
        ("generator.start", 3, "generator.start is 3: input should be a valid string"),
        ("loss.pixel", "20", "loss.pixel is '20': input should be a valid number"),
        ("loss.target_discriminator", 1, "loss.target_discriminator is 1: input should be a valid boolean"),
        ("data.crop", 64, "data.crop is 64: "),
        ("data.crop", [64], "the key data.crop.1 is missing"),
        ("data.crop", [64, 64, 64], "data.crop is [64, 64, 64]: "),
        ("data.train.folders", "pairs", "data.train.folders is 'pairs': "),
    ],
)
def test_a_value_of_another_type_is_named(fusion_yaml, key, value, told):
    assert told in refusal(fusion_yaml({key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", 0),
        ("seed", -1),
        ("seed", 2**31),
        ("generator.dim", 0),
        ("generator.norm_steps", -1),
        ("data.batch", 0),
        ("data.target", "drawn"),
        ("data.towards_objects", 1.01),
        ("data.broken", "mend"),
        ("loss.source", "l2"),
        ("loss.pixel", -1),
        ("loss.pixel", float("inf")),
        ("loss.adversarial", float("nan")),
        ("loss.tilt", 2.0),
        ("loss.adversarial_after", -1),
        ("optimizer.generator", 0.0),
        ("optimizer.generator", 1.0),
        ("optimizer.final", 0.0),
        ("optimizer.clip", 0.0),
        ("optimizer.average", 1.0),
        ("data.flip", 1.01),
        ("data.flip_vertical", -0.1),
        ("data.transpose", 1.01),
        ("data.colour", -0.1),
        ("data.tone", 2),
        ("data.workers", -1),
        ("checkpoint_every", 0),
        ("sample_every", 0),
    ],
)
def test_a_value_out_of_range_is_named(fusion_yaml, key, value):
    assert f": {key} is {value!r}: input should be " in refusal(fusion_yaml({key: value}))


@pytest.mark.parametrize(
    ("mode", "crop", "multiple"), [("dt", [36, 32], 8), ("tt", [64, 40], 32), ("ct", [40, 64], 32)]
)
def test_a_crop_that_the_networks_cannot_see_is_refused(fusion_yaml, mode, crop, multiple):
    told = refusal(fusion_yaml({"data.crop": crop}, mode))

    assert f"data.crop is {crop}: in mode {mode} both must divide by {multiple}" in told


def test_direct_training_cuts_by_eight(fusion_config):
    assert fusion_config({"data.crop": [40, 24]}).data.crop == (40, 24)


@pytest.mark.parametrize("mode", ["tt", "ct"])
def test_a_detector_that_is_missing_is_asked_for(fusion_yaml, mode):
    assert f"mode {mode} needs a section detector" in refusal(fusion_yaml({"detector": None}, mode))


def test_a_detector_that_would_not_be_used_is_refused(fusion_yaml):
    assert "detector is not used in mode dt: leave it out" in refusal(fusion_yaml({"detector": {}}))


@pytest.mark.parametrize(
    ("network", "key", "value"),
    [("dgfusion", "dim", 8), ("dgfusion", "depth", 1), ("dgfusion", "norm_steps", 5), ("tardal", "channels", 4)],
)
def test_a_key_of_another_network_is_refused(fusion_yaml, network, key, value):
    told = refusal(fusion_yaml({"generator": {"network": network, key: value}}))

    assert f"generator.{key} is not a key of the network {network}: remove it" in told


def test_what_dgfusion_learns_from_belongs_together(fusion_yaml):
    dgfusion = {"loss.source": "dgfusion", "data.target": "visible_saliency"}

    assert "belong together" in refusal(fusion_yaml({"loss.source": "dgfusion"}))
    assert "belong together" in refusal(fusion_yaml({"data.target": "visible_saliency"}))
    assert "loss.adversarial needs masks of targets" in refusal(fusion_yaml(dgfusion))
    dgfusion["loss.adversarial"] = 0.0
    assert "loss.contrast needs masks of targets" in refusal(fusion_yaml(dgfusion | {"loss.contrast": 1.0}))
    assert load_config(fusion_yaml(dgfusion)).loss.source == "dgfusion"


def test_crops_that_are_transposed_must_be_square(fusion_yaml):
    assert "crops must be square" in refusal(fusion_yaml({"data.crop": [16, 24], "data.transpose": 0.5}))


def test_batch_norm_that_never_learns_needs_statistics(fusion_yaml):
    told = refusal(fusion_yaml({"generator.norm_steps": 0}))

    assert "generator.norm_steps is 0: give generator.start" in told
    told = refusal(fusion_yaml({"detector.norm_steps": 0}, "ct"))
    assert "detector.norm_steps is 0: give detector.start" in told


@pytest.mark.parametrize(("written", "number"), [("1e-3", "0.001"), ("5e-05", "0.00005"), ("'20'", "20")])
def test_a_number_that_yaml_reads_as_text_is_told_how_to_write(fusion_yaml, written, number):
    path = fusion_yaml({"optimizer.weight_decay": 77})
    path.write_text(path.read_text().replace("77", written))

    assert refusal(path).endswith(f"valid number, and YAML reads this as text; write {number}.")
    path.write_text(path.read_text().replace(written, number))
    assert load_config(path).optimizer.weight_decay == float(number)


@pytest.mark.parametrize("text", ["much", "nan", "inf", ""])
def test_text_that_is_no_number_is_not_told_how_to_write(fusion_yaml, text):
    assert refusal(fusion_yaml({"optimizer.weight_decay": text})).endswith("valid number.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"part": "train"}, {"part": "train"}),
        ({"part": "train"}, {}),
        ({"file_list": "a.txt"}, {}),
        ({"part": "val", "file_list": "a.yaml"}, {"part": "val", "file_list": "a.yaml"}),
        ({}, {"root": "data/../data/pairs"}),
    ],
)
def test_pairs_cannot_be_learned_from_and_judged_by(fusion_yaml, one, other):
    train, validation = ({"folders": [{"root": "data/pairs", **each}]} for each in (one, other))
    told = refusal(fusion_yaml({"data.train": train, "data.validation": validation}))

    assert "data: train and validation both have pairs of data/pairs: give another part or file_list" in told


@pytest.mark.parametrize(
    ("one", "other"),
    [({"part": "train"}, {"part": "val"}), ({"file_list": "a.txt"}, {"file_list": "b.txt"}), ({}, {"root": "data/b"})],
)
def test_other_pairs_of_a_data_set_can_be_judged_by(fusion_config, one, other):
    train, validation = ({"folders": [{"root": "data/pairs", **each}]} for each in (one, other))
    fusion_config({"data.train": train, "data.validation": validation})


def test_rendered_scenes_cannot_be_learned_from_and_judged_by(fusion_yaml):
    def write(**other):
        train = {"rendered": [{"seeds": 3, "first": 4, "conditions": ["day", "night"]}]}
        return fusion_yaml({"data.train": train, "data.validation": {"rendered": [{"seeds": 2, **other}]}})

    told = "data: train and validation both have the rendered scenes of seed"
    assert f"{told} 6: give other seeds" in refusal(write(first=6, conditions=["night"]))
    assert f"{told} 4: " in refusal(write(first=3))
    for apart in ({"first": 7}, {"first": 2}, {"first": 5, "conditions": ["overcast"]}):
        load_config(write(**apart))


def test_pairs_that_name_nothing_are_refused(fusion_yaml):
    assert "data.validation: it names no pairs" in refusal(fusion_yaml({"data.validation": {}}))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"seeds": 1, "conditions": ["rain"]}, "data.train.rendered.0.conditions.0 is 'rain'"),
        ({"seeds": 1, "conditions": []}, "data.train.rendered.0.conditions is []"),
        ({"seeds": 1, "every": 0.0}, "data.train.rendered.0.every is 0.0"),
        ({"seeds": 1, "split": "test"}, "there is no key data.train.rendered.0.split"),
        ({}, "the key data.train.rendered.0.seeds is missing"),
    ],
)
def test_rendered_scenes_are_checked_too(fusion_yaml, section, told):
    assert told in refusal(fusion_yaml({"data.train": {"rendered": [section]}}))


def test_rendered_scenes_have_all_conditions(fusion_config):
    config = fusion_config({"data.train": {"rendered": [{"seeds": 2}]}})

    assert config.data.train.rendered == (Rendered(seeds=2),) and "night" in config.data.train.rendered[0].conditions


@pytest.mark.parametrize("text", ["- mode\n- dt\n", "dt\n", "", "7\n"])
def test_a_file_that_holds_no_keys_is_refused(tmp_path, text):
    (tmp_path / "list.yaml").write_text(text)

    assert "input should be an object" in refusal(tmp_path / "list.yaml").lower()


@pytest.mark.parametrize("text", [b"mode: [dt\n", b"mode: \xff\xfe\n", b"!!python/object/apply:os.getcwd []\n"])
def test_a_file_that_is_no_yaml_is_refused(tmp_path, text):
    (tmp_path / "broken.yaml").write_bytes(text)

    assert "cannot be read: " in refusal(tmp_path / "broken.yaml")


@pytest.mark.parametrize("text", ["mode: 2020-01-01\n", "mode: &a [*a]\n", "mode: !!set {dt}\n"])
def test_yaml_that_json_has_no_word_for_is_refused(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)

    refusal(tmp_path / "odd.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.yaml")
    assert "directory" in refusal(tmp_path)
