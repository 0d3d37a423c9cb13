"""Bars, where somebody watches and in a file."""

import sys

import pytest

pytest.importorskip("tqdm", reason="needs tqdm: `make test` sets it up")

from tardal_ros.commands.progress import Bar, counted, in_steps
from tardal_ros.errors import MissingDependencyError, RigError
from tardal_ros.training.detector_trainer import Progress


class Watched:
    """What a bar writes, where somebody watches."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """To be called in the test: pytest puts its own file there before it begins."""

    def begin():
        written = Watched()
        monkeypatch.setattr("sys.stderr", written)
        return written

    return begin


def test_a_bar_tells_figures_and_goes_on_where_the_work_was_interrupted(watch):
    watched = watch()
    with Bar("training", "step") as bar:
        for step in (5, 6):
            bar(step, 10, {"epoch": 2, "source": step / 4})
        assert bar._bar.n == 6 and bar._bar.initial == 5
    assert "training:" in watched.text and "6/10" in watched.text and "epoch=2, source=1.500" in watched.text
    assert watched.text.endswith("\n"), "what is said of an error begins on a line of its own"


def test_work_that_is_done_ends_its_line(watch):
    watched = watch()
    bar = Bar("scenes")
    for done in range(3):
        bar(done, 2)
    assert "2/2" in watched.text and watched.text.endswith("\n") and watched.text.count("\n") == 1
    bar.close()
    bar(2, 2)
    assert watched.text.count("\n") == 1


def test_a_file_gets_a_line_now_and_then(capsys):
    with Bar(unit="step") as bar:
        for step in range(1, 501):
            bar(step, 500, {"source": 1.0})
    told = capsys.readouterr().err
    assert "500/500" in told and "source=1.000" in told and told.count("\r") < 10


def test_a_bar_of_another_process_is_not_shown(capsys):
    with Bar(shown=False) as bar:
        bar(1, 2, {"source": 1.0})
    assert not capsys.readouterr().err


def test_the_training_of_a_detector_tells_its_epoch_and_score(capsys):
    with Bar("training", "step") as bar:
        note = in_steps(bar)
        note(Progress(1, 2, 1, 3, {"box": 0.5}, None))
        note(Progress(2, 2, 3, 3, {"box": 0.25}, 0.375))
    told = capsys.readouterr().err
    assert "1/6" in told and "6/6" in told and "epoch=2, box=0.250, map50=0.375" in told


def test_items_are_passed_on_and_a_failure_ends_the_line(watch):
    watched = watch()

    def items():
        yield "a"
        raise RigError("no more")

    passed = []
    with pytest.raises(RigError, match="no more"):
        for item in counted(items(), 2, "pair"):
            passed.append(item)
    assert passed == ["a"] and "1/2" in watched.text and watched.text.endswith("\n")


def test_without_tqdm_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(MissingDependencyError, match=r"needs tqdm: run `pip install"):
        Bar()(1, 2)
