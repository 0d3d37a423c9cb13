from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest

from tardal_ros.detection import create_detector
from tardal_ros.detection.trust import read_trusted, shipped_list, trusted_digests
from tardal_ros.errors import RigError


class Malicious:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def malicious(tmp_path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "ran")))
    return path


def write_list(folder: Path, text: str) -> Path:
    path = folder / "trusted.yaml"
    path.write_text(text)
    return path


def test_an_untrusted_pickle_is_not_loaded(malicious, tmp_path) -> None:
    digest = hashlib.sha256(malicious.read_bytes()).hexdigest()
    with pytest.raises(RigError, match=rf"model.pt can run code .* {digest} .* trust_weights") as refusal:
        create_detector(malicious)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()
    pickle.loads(malicious.read_bytes())
    assert (tmp_path / "ran").exists()  # so it would have run


def test_only_the_listed_bytes_are_trusted(malicious, tmp_path) -> None:
    digest = hashlib.sha256(malicious.read_bytes()).hexdigest()
    listed = write_list(tmp_path, f"- {{sha256: '{digest.upper()}', name: model.pt, source: this test}}\n")
    assert read_trusted(malicious, listed) == malicious.read_bytes()
    malicious.write_bytes(malicious.read_bytes() + b" ")
    with pytest.raises(RigError, match="not trusted"):
        read_trusted(malicious, listed)


def test_the_shipped_list_trusts_nothing() -> None:
    listed = shipped_list()
    assert listed is not None
    assert trusted_digests(listed) == set()


@pytest.mark.parametrize("text", ["", "[]", "# nothing\n"])
def test_an_empty_list_trusts_nothing(text, tmp_path) -> None:
    assert trusted_digests(write_list(tmp_path, text)) == set()


@pytest.mark.parametrize(
    "text",
    ["- name: model.pt\n", "- sha256: 12ab\n", "- 5\n", "sha256: abc\n", "- sha256: null\n", f"- sha256: {'1' * 64}\n"],
)
def test_a_list_without_digests_is_refused(text, tmp_path) -> None:
    with pytest.raises(RigError, match=r"Entry 1 of .*trusted.yaml has no sha256"):
        trusted_digests(write_list(tmp_path, text))


@pytest.mark.parametrize("text", ["- {sha256: [", "!!python/object/apply:os.getcwd []", "\0"])
def test_a_list_that_is_no_plain_yaml_is_refused(text, tmp_path) -> None:
    with pytest.raises(RigError, match=r"trusted.yaml cannot be read"):
        trusted_digests(write_list(tmp_path, text))


def test_a_missing_list_is_named(malicious, tmp_path) -> None:
    with pytest.raises(RigError, match=r"none.yaml cannot be read"):
        create_detector(malicious, trusted=tmp_path / "none.yaml")
