"""Sets up what the package runs in: a virtual environment and the ROS packages built with colcon.

Without a ROS 2 in the environment, ROS 2 Jazzy comes from the package index as well, and the packages under `compat/`
stand in for what the index lacks. With one sourced, that one is used, and only Python packages it lacks are installed.
Everything goes to `build/<ROS release>-<Python>/`; a second run changes nothing and takes a second.

    tools/set_up.py             set up
    tools/set_up.py --folder    print the folder that belongs to this ROS and this Python

Runs with the standard library only.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PYTHON_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
PIP_RELEASE = "pip-jazzy"
RELEASES = ("humble", "jazzy", "kilted", "lyrical")
STAND_INS = ("vision_msgs", "message_filters")
FOLDERS = ("msg", "launch", "config", "weights", "tardal_ros", "compat")
SOURCES = ("package.xml", "CMakeLists.txt", "tools/program.py.in", *FOLDERS)

# Where ROS brings NumPy 1, what NumPy 1 cannot carry at the locked version is left to pip's choice.
NEEDS_NUMPY_2 = ("contourpy", "matplotlib", "ml-dtypes", "opencv-python")


class SetupError(Exception):
    """Something the user has to mend; the text says what and how."""


@dataclass(frozen=True)
class Plan:
    """What is set up where.

    Attributes:
        release: The sourced ROS release, such as "humble", or PIP_RELEASE.
        folder: Holds the virtual environment, and colcon's build, install and log folders.
    """

    release: str
    folder: Path

    @property
    def from_index(self) -> bool:
        """Whether ROS comes from the package index."""
        return self.release == PIP_RELEASE

    @property
    def python(self) -> Path:
        """The virtual environment's interpreter."""
        return self.folder / "venv/bin/python"


def ros_prefixes(environ: Mapping[str, str], own: Path = BUILD) -> list[Path]:
    """Returns the sourced prefixes, less those of our own set-up."""
    prefixes = [Path(entry) for entry in environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
    return [prefix for prefix in prefixes if own not in prefix.parents]


def holds(prefixes: Iterable[Path], package: str) -> bool:
    """Tells whether one of the prefixes holds a ROS package."""
    return any((prefix / "share" / package / "package.xml").is_file() for prefix in prefixes)


def make_plan(environ: Mapping[str, str], minor: str = PYTHON_MINOR, build: Path = BUILD) -> Plan:
    """Chooses between a sourced ROS 2 and the package index; a stale or foreign variable alone makes no ROS 2."""
    distro = environ.get("ROS_DISTRO", "")
    sourced = bool(distro) and holds(ros_prefixes(environ, build), "rclpy")
    release = distro if sourced else PIP_RELEASE
    return Plan(release, build / f"{release}-py{minor.replace('.', '')}")


def stand_ins(plan: Plan, environ: Mapping[str, str]) -> list[str]:
    """Returns the packages of `compat/` to build: none over a ROS installation."""
    prefixes = ros_prefixes(environ)
    return [name for name in STAND_INS if plan.from_index and not holds(prefixes, name)]


def missing_ros_packages(manifest: Path, prefixes: list[Path]) -> list[str]:
    """Returns the ROS packages that package.xml names and the sourced prefixes do not hold."""
    tags = ("depend", "build_depend", "buildtool_depend", "exec_depend", "test_depend")
    names = {element.text or "" for element in ElementTree.parse(manifest).getroot() if element.tag in tags}
    return sorted(name for name in names if not name.startswith("python3-") and not holds(prefixes, name))


def locked_versions(lock: Path) -> dict[str, str]:
    """Returns name -> version of a lock file."""
    return dict(line.split("==") for line in lock.read_text().splitlines() if not line.startswith("#"))


def constraints_beside_ros(pins: Mapping[str, str], found: Iterable[str], numpy_version: str) -> list[str]:
    """Returns what pip may choose where ROS brings Python packages of its own.

    What is there stays unless something of ours needs it newer; NumPy keeps its major version in any case, because
    the compiled packages of ROS need that.
    """
    major = int(numpy_version.split(".")[0])
    free = {"numpy", *found, *(NEEDS_NUMPY_2 if major < 2 else ())}
    fixed = [f"{name}=={version}" for name, version in pins.items() if name not in free]
    return [f"numpy>={major},<{major + 1}", *fixed]


def say(text: str) -> None:
    """Tells the user."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(*command: str | Path, folder: Path = ROOT, environ: Mapping[str, str] | None = None) -> None:
    """Runs a command.

    Raises:
        SetupError: The command failed.
    """
    words = [str(word) for word in command]
    if subprocess.run(words, cwd=folder, env=environ, check=False).returncode:
        raise SetupError(f"The set-up stopped: `{' '.join(words)}` failed (see above). Mend that and run it again.")


def digest(paths: Iterable[Path], *facts: str) -> str:
    """Returns a hash of files, of folders' contents, and of facts beside them."""
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    total = hashlib.sha256("\n".join(facts).encode())
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts:
            total.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return total.hexdigest()


def requirement_files(plan: Plan) -> list[Path]:
    """Returns the files that say what to install."""
    lock = ROOT / "requirements" / f"lock-{PYTHON_MINOR}.txt"
    if not lock.is_file():
        known = ", ".join(sorted(file.stem.removeprefix("lock-") for file in lock.parent.glob("lock-*.txt")))
        raise SetupError(
            f"Python {PYTHON_MINOR} has no {lock.relative_to(ROOT)}: choose one of {known} with PYTHON=python3.X."
        )
    return [lock] if plan.from_index else [lock, ROOT / "requirements/python.in"]


def install_python(plan: Plan) -> None:
    """Makes the virtual environment and installs the requirements, unless that is done."""
    files = requirement_files(plan)
    stamp = plan.folder / "venv/installed"
    wanted = digest(files, os.path.realpath(sys.executable), str(plan.folder))
    done = stamp.read_text() if stamp.is_file() else ""
    if done == wanted:
        return
    say(f"Installing Python packages into {plan.folder.relative_to(ROOT)}/venv.")
    say("\n".join(line[2:] for line in files[0].read_text().splitlines() if line.startswith("# ")))
    if not done:
        # Nobody can trust what an interrupted pip left; its cache holds what was downloaded.
        shutil.rmtree(plan.folder / "venv", ignore_errors=True)
        beside = [] if plan.from_index else ["--system-site-packages"]
        run(sys.executable, "-m", "venv", *beside, plan.folder / "venv")
    stamp.unlink(missing_ok=True)
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--progress-bar", "off"]
    if plan.from_index:
        run(plan.python, *pip, "--requirement", files[0])
        mend_cmake_paths(plan)
    else:
        constraints = plan.folder / "constraints.txt"
        constraints.write_text("\n".join(ros_constraints(files[0])) + "\n")
        run(plan.python, *pip, "--requirement", files[1], "--constraint", constraints)
    stamp.write_text(wanted)


def ros_constraints(lock: Path) -> list[str]:
    """Returns the constraints beside the packages that this interpreter finds."""
    found = {re.sub(r"[-_.]+", "-", each.name).lower() for each in metadata.distributions() if each.name}
    pins = locked_versions(lock)
    return constraints_beside_ros(pins, found, metadata.version("numpy") if "numpy" in found else pins["numpy"])


def mend_cmake_paths(plan: Plan) -> None:
    """Replaces the paths of the machine that built the ROS wheels in their CMake files."""
    numpy = "import numpy; print(numpy.get_include())"
    numpy_include = subprocess.check_output([plan.python, "-c", numpy], text=True).strip()
    for file in (plan.folder / "venv/share").glob("*/cmake/*.cmake"):
        text = file.read_text()
        mended = re.sub(r"/opt/python/[^\s;\"]*/numpy/_?core/include", numpy_include, text)
        mended = re.sub(r"/opt/python/[^\s;\"]*/include/python3\.\d+", sysconfig.get_paths()["include"], mended)
        if mended != text:
            file.write_text(mended)


def build_environment(plan: Plan, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment that colcon builds in."""
    clean = {key: value for key, value in environ.items() if not (plan.from_index and is_ros_variable(key))}
    clean["PATH"] = f"{plan.folder / 'venv/bin'}{os.pathsep}{environ['PATH']}"
    clean["VIRTUAL_ENV"] = str(plan.folder / "venv")
    if plan.from_index:
        clean["AMENT_PREFIX_PATH"] = clean["CMAKE_PREFIX_PATH"] = str(plan.folder / "venv")
    return clean


def is_ros_variable(name: str) -> bool:
    """Tells whether a variable would let another ROS or Python environment leak in."""
    return name.startswith(("AMENT_", "COLCON_", "CMAKE_PREFIX", "ROS_", "_ROS_", "PYTHONPATH", "PYTHONHOME"))


def build_packages(plan: Plan, environ: Mapping[str, str]) -> None:
    """Builds the interfaces and the package with colcon, unless that is done."""
    stamp = plan.folder / "install/built"
    compat = stand_ins(plan, environ)
    wanted = digest([ROOT / name for name in SOURCES], str(plan.folder), *compat)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("Building the ROS packages with colcon.")
    stamp.unlink(missing_ok=True)
    lay_out_workspace(plan, compat)
    remove_installed(plan)
    colcon = ("-m", "colcon", "build", "--merge-install", "--event-handlers", "console_cohesion-")
    cmake = ("--cmake-args", f"-DPython3_EXECUTABLE={plan.python}")
    run(plan.python, *colcon, *cmake, folder=plan.folder, environ=build_environment(plan, environ))
    stamp.write_text(wanted)


def lay_out_workspace(plan: Plan, compat: Iterable[str]) -> None:
    """Makes the folder a colcon workspace, with links to the packages under `src/`.

    CMake refuses to export a package whose sources hold one of its include folders, and ours hold the virtual
    environment; seen through the links they do not.
    """
    source = plan.folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for name, path in {"tardal_ros": ROOT, **{name: ROOT / "compat" / name for name in compat}}.items():
        (source / name).symlink_to(os.path.relpath(path, source))
    (plan.folder / "venv/COLCON_IGNORE").touch()


def remove_installed(plan: Plan) -> None:
    """Removes our own installed files; CMake would leave those there that the sources no longer have."""
    install = plan.folder / "install"
    for folder in (install / "lib/tardal_ros", install / "share/tardal_ros", *install.glob("**/*-packages/tardal_ros")):
        shutil.rmtree(folder, ignore_errors=True)


def check(plan: Plan, environ: Mapping[str, str]) -> None:
    """Checks what would only fail later, and less clearly.

    Raises:
        SetupError: Something has to be mended first.
    """
    if " " in str(ROOT):
        raise SetupError(f"The path {ROOT} holds a space, which ROS's build tools cannot handle: move the checkout.")
    if plan.from_index:
        return
    if util.find_spec("rclpy") is None:
        raise SetupError(
            f"ROS 2 {plan.release} is sourced, but {sys.executable} does not find its rclpy: "
            "choose the Python that this release was made for, with PYTHON=/usr/bin/python3."
        )
    missing = missing_ros_packages(ROOT / "package.xml", ros_prefixes(environ))
    if missing:
        names = " ".join(f"ros-{plan.release}-{name.replace('_', '-')}" for name in missing)
        raise SetupError(f"This ROS 2 installation lacks packages. Please run: sudo apt install {names}")
    if plan.release not in RELEASES:
        say(f"ROS 2 {plan.release} is not one this package is made for ({', '.join(RELEASES)}); going on.")


def leave_virtual_environment() -> None:
    """Goes on with the interpreter that an active virtual environment, maybe our own, was made with."""
    if sys.prefix != sys.base_prefix:
        base = str(Path(sys.base_prefix, "bin", f"python{PYTHON_MINOR}"))
        os.execv(base, [base, *sys.argv])


def main(arguments: list[str]) -> int:
    """Sets up, or prints the folder."""
    plan = make_plan(os.environ)
    if arguments == ["--folder"]:
        say(str(plan.folder))
        return 0
    try:
        check(plan, os.environ)
        install_python(plan)
        build_packages(plan, os.environ)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    leave_virtual_environment()
    sys.exit(main(sys.argv[1:]))
