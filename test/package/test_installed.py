"""The package as colcon installs it."""

import os
import re
import subprocess
import sys

import pytest

NAMES = "import tardal_ros.msg, tardal_ros.types; print(tardal_ros.types.__file__); print(tardal_ros.msg.SyncStatus())"


def run_python(code, folder):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_interfaces_import_from_the_root_of_the_checkout(repository, prefix):
    assert run_python(NAMES, repository).startswith(str(repository / "tardal_ros/types.py"))


def test_interfaces_import_from_the_installed_package(tmp_path, prefix):
    module = run_python(NAMES, tmp_path).splitlines()[0]
    assert prefix.resolve() in (tmp_path / module).resolve().parents


def test_our_init_is_the_installed_one(repository, prefix):
    (installed,) = prefix.glob("l*/**/*-packages/tardal_ros/__init__.py")
    assert installed.read_text() == (repository / "tardal_ros/__init__.py").read_text()


def test_every_module_is_installed(repository, prefix):
    (installed,) = (path.parent for path in prefix.glob("l*/**/*-packages/tardal_ros/__init__.py"))
    modules = {path.relative_to(repository / "tardal_ros") for path in (repository / "tardal_ros").rglob("*.py")}
    assert [str(module) for module in sorted(modules) if not (installed / module).is_file()] == []


@pytest.mark.parametrize("folder", ["launch", "config", "weights"])
def test_every_file_of_a_shared_folder_is_installed(repository, prefix, folder):
    files = [path for path in (repository / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files
    share = prefix / "share/tardal_ros"
    assert [path.name for path in files if not (share / path.relative_to(repository)).is_file()] == []


def test_programs_run_by_the_interpreter_that_has_the_dependencies(prefix):
    programs = {path.name: path for path in (prefix / "lib/tardal_ros").iterdir()}
    assert {"rig", "capture", "registration", "fusion", "detection", "recorder", "demo"} <= set(programs)
    for program in programs.values():
        shebang, *rest = program.read_text().splitlines()
        assert shebang == f"#!{sys.executable}", program.name
        assert re.search(r"^from tardal_ros[\w.]* import main$", "\n".join(rest), re.MULTILINE)
        assert os.access(program, os.X_OK)


def test_the_demo_program_starts(prefix):
    command = [prefix / "lib/tardal_ros/demo", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--visible" in done.stdout


def test_no_stand_in_lies_over_a_ros_installation(set_up, prefix):
    prefixes = set_up.ros_prefixes(os.environ)
    for name in set_up.STAND_INS:
        if set_up.holds(prefixes, name):
            assert not (prefix / "share" / name).exists(), name
