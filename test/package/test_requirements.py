"""What setup.py, the locks and the sentences about missing libraries ask for."""

import ast
import re
import runpy

import pytest


@pytest.fixture
def arguments(repository, monkeypatch):
    """What setup.py gives to setuptools."""
    given = {}
    setuptools = pytest.importorskip("setuptools", reason="needs setuptools")
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(repository)
    runpy.run_path("setup.py")
    return given


def test_opencv_stays_below_5(repository, arguments):
    # OpenCV 5 has no HOGDescriptor: the detector `hog` needs 4.
    locks = sorted((repository / "requirements").glob("lock-*.txt"))
    assert locks
    for lock in locks:
        pins = [line for line in lock.read_text().splitlines() if line.startswith("opencv")]
        assert [re.match(r"opencv-python==4\.", pin) is not None for pin in pins] == [True], (lock.name, pins)
    inputs = (repository / "requirements/python.in").read_text().splitlines()
    for asked in (arguments["install_requires"], inputs):
        (opencv,) = (line.split("#")[0].strip() for line in asked if line.startswith("opencv"))
        assert opencv.startswith("opencv-python>=4")
        assert opencv.endswith(",<5")


def test_extras_are_among_what_the_locks_come_from(repository, arguments):
    inputs = (repository / "requirements/python.in").read_text()
    names = {re.match(r"[\w-]+", line).group() for line in inputs.splitlines() if line and line[0] not in "# "}
    asked = {re.match(r"[\w-]+", line).group() for extra in arguments["extras_require"].values() for line in extra}
    assert asked <= names


def test_ultralytics_is_as_new_as_the_one_that_the_trainer_is_tested_with(repository, arguments):
    # Its trainer gave other losses and had no load_checkpoint before.
    inputs = (repository / "requirements/python.in").read_text()
    (tested,) = re.findall(r"^ultralytics==([\d.]+)", inputs, re.MULTILINE)
    assert f"ultralytics>={tested}" in arguments["extras_require"]["detect"]


@pytest.mark.parametrize(
    ("module", "extra", "libraries"),
    [
        ("commands/progress.py", "train", {"tqdm"}),
        ("detection/exported.py", "detect", {"onnxruntime"}),
        ("detection/offline.py", "detect", {"ultralytics"}),  # which brings torch
        ("detection/tracking.py", "track", {"trackers"}),
        ("evaluation/tracking.py", "track", {"trackers"}),
        ("fusion/weights.py", "train", {"torch", "safetensors"}),
        ("evaluation/pages.py", "report", {"jinja2"}),
        ("evaluation/report.py", "report", {"matplotlib"}),
        ("evaluation/cluster.py", "cluster", {"distributed"}),
    ],
)
def test_a_sentence_about_a_missing_library_names_an_extra_that_brings_it(
    repository, arguments, module, extra, libraries
):
    source = (repository / "tardal_ros" / module).read_text()
    assert f"`pip install '.[{extra}]'`" in source
    assert libraries <= {re.match(r"[\w-]+", line).group() for line in arguments["extras_require"][extra]}


def test_only_nodes_and_the_ros_room_import_our_messages(repository):
    # import-linter cannot say so: the messages are built, and are no modules of the checkout.
    package = repository / "tardal_ros"
    for path in package.rglob("*.py"):
        imported = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        if "tardal_ros.msg" in imported:
            assert path.name == "node.py" or path.parent == package / "ros", path
