from __future__ import annotations

import pytest

from tardal_ros.errors import RigError

pytest.importorskip("pydantic", reason="needs pydantic")

from tardal_ros.training.sections import Scenes, Section, as_text, claim, load, parse


class Told(Section):
    scenes: Scenes
    rate: float = 0.5


TOLD = Told(scenes=Scenes(seeds=3))


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / "told.yaml").write_text(as_text(TOLD))
    assert load(Told, tmp_path / "told.yaml") == TOLD
    assert load(Told, tmp_path / "told.yaml", ["scenes.first=7", "rate=1"]) == Told(
        scenes=Scenes(seeds=3, first=7), rate=1.0
    )


def test_scenes_are_those_that_the_renderer_makes():
    plan = Scenes(seeds=2, first=5, conditions=("day", "night"), images=2, every=3.0).plan()
    assert plan.scenes() == [(5, "day"), (5, "night"), (6, "day"), (6, "night")] and plan.times() == [0.0, 3.0]


def test_a_changed_copy_is_checked():
    assert TOLD.but(rate=0.25) == Told(scenes=TOLD.scenes, rate=0.25)
    with pytest.raises(ValueError, match="rate"):
        TOLD.but(rate="fast")


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        ({}, "the key scenes is missing: add it"),
        ({"scenes": {"seeds": 0}}, r"scenes\.seeds is 0: input should be greater"),
        ({"scenes": {"seeds": True}}, r"scenes\.seeds is True"),
        ({"scenes": {"seeds": 1, "conditions": ["noon"]}}, r"scenes\.conditions\.0 is 'noon'"),
        ({"scenes": {"seeds": 1}, "rates": 1}, "there is no key rates"),
        ({"scenes": {"seeds": 1}, "rate": "1e-3"}, "YAML reads this as text; write 0.001"),
        ({"scenes": {"seeds": 1}, "rate": float("inf")}, "rate is inf"),
        ([], "input should be an object"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(read, sentence):
    with pytest.raises(RigError, match=f"(?i){sentence}"):
        parse(Told, read)


def test_a_folder_belongs_to_what_it_was_made_with(tmp_path):
    path = tmp_path / "new" / "run" / "told.yaml"
    claim(path, TOLD)
    written = path.read_bytes()
    claim(path, TOLD)

    other = Told(scenes=Scenes(seeds=4))
    with pytest.raises(RigError, match=r"run was made with another configuration, .*its scenes\.seeds is 3, not 4"):
        claim(path, other)
    assert path.read_bytes() == written


def test_keys_that_an_earlier_version_did_not_know_have_their_defaults(tmp_path):
    (tmp_path / "told.yaml").write_text("scenes: {seeds: 3}\n")
    claim(tmp_path / "told.yaml", TOLD)
    with pytest.raises(RigError, match=r"its rate is 0\.5, not 0\.25"):
        claim(tmp_path / "told.yaml", TOLD.but(rate=0.25))


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"a: ["])
def test_a_folder_that_does_not_tell_what_it_was_made_with_is_refused(tmp_path, content):
    (tmp_path / "told.yaml").write_bytes(content)
    with pytest.raises(RigError, match="choose another folder"):
        claim(tmp_path / "told.yaml", TOLD)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RigError, match=r"told\.yaml cannot be written"):
        claim(tmp_path / "file" / "told.yaml", TOLD)
