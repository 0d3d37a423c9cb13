"""tools/check_needs: one apt line for whatever a machine lacks."""

import subprocess
import sys

import pytest

TOOLS = ("make", "git", "g++", "cmake")


@pytest.fixture
def machine(tmp_path):
    """A machine that has everything; tests take things away. Its Python fails at what stands in the file `lacks`."""
    for tool in TOOLS:
        (tmp_path / tool).write_text("#!/bin/sh\n")
    (tmp_path / "lacks").write_text("nothing\n")
    python = '#!/bin/sh\nread word < {folder}/lacks\ncase "$*" in *"$word"*) exit 1 ;; -V) echo Python 3.9.2 ;; esac\n'
    (tmp_path / "python3").write_text(python.format(folder=tmp_path))
    for file in (*TOOLS, "python3"):
        (tmp_path / file).chmod(0o755)
    return tmp_path


@pytest.fixture
def check_needs(machine, repository):
    def check(*arguments, **environ):
        command = ["/bin/sh", str(repository / "tools/check_needs"), *arguments]
        environ = {"PATH": str(machine), **environ}
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)

    return check


def test_silent_where_nothing_is_missing(check_needs):
    done = check_needs()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_one_apt_line_names_all_that_is_missing(machine, check_needs):
    (machine / "cmake").unlink()
    (machine / "g++").unlink()
    (machine / "lacks").write_text("ensurepip\n")
    done = check_needs()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("Please run: sudo apt install g++ cmake python3-venv\n")


@pytest.mark.parametrize(
    ("word", "package"),
    [
        ("Python.h", "python3-dev"),
        ("ensurepip", "python3-venv"),
        ("libGL.so.1", "libgl1"),
        ("libgthread-2.0.so.0", "libglib2.0-0"),
    ],
)
def test_what_only_python_can_tell(machine, check_needs, word, package):
    (machine / "lacks").write_text(f"{word}\n")
    assert check_needs().stderr.endswith(f"sudo apt install {package}\n")


def test_a_machine_without_python(machine, check_needs):
    (machine / "python3").unlink()
    done = check_needs()
    assert done.returncode == 1
    assert done.stderr.endswith("sudo apt install python3 python3-venv python3-dev libgl1 libglib2.0-0\n")


def test_an_old_python_is_refused_by_name(machine, check_needs):
    (machine / "lacks").write_text("(3, 10)\n")
    done = check_needs()
    assert done.returncode == 1
    assert "Python 3.10 or newer is needed, but python3 is Python 3.9.2" in done.stderr


def test_a_python_with_a_version_in_its_name_has_packages_of_its_own(machine, check_needs):
    (machine / "python3").rename(machine / "python3.12")
    (machine / "lacks").write_text("Python.h\n")
    assert check_needs(PYTHON="python3.12").stderr.endswith("sudo apt install python3.12-dev\n")


def test_bare_list_for_scripts(machine, check_needs):
    (machine / "make").unlink()
    done = check_needs("--packages")
    assert (done.returncode, done.stdout) == (0, "make\n")


def test_this_machine_has_what_it_needs(repository):
    command = ["/bin/sh", str(repository / "tools/check_needs")]
    assert subprocess.run(command, env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}, check=False).returncode == 0
