"""The files that make up a bag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath

import yaml

from tardal_ros.errors import RigError

SUFFIXES = (".mcap", ".db3")
"""How the names of a bag's files end."""

ZSTD = ".zstd"
"""What follows where a file is compressed as a whole."""


@dataclass(frozen=True)
class BagFiles:
    """What a bag consists of.

    Attributes:
        paths: Its files, in the order in which they were written.
        distro: The ROS release that wrote them, such as `jazzy`; empty where `metadata.yaml` does not say.
        problems: Sentences about what is missing.
    """

    paths: tuple[Path, ...]
    distro: str = ""
    problems: tuple[str, ...] = ()


def find_files(path: Path) -> BagFiles:
    """Finds the files of a bag.

    Args:
        path: The bag's folder, or one of its files, which then stands for itself.

    Raises:
        RigError: There is no bag.
    """
    if path.is_file():
        if not is_bag_file(path):
            raise RigError(f"{path} is no bag: give a bag's folder, or one of its .mcap or .db3 files.")
        return BagFiles((path,))
    if not path.is_dir():
        raise RigError(f"There is no bag {path}: check the path.")
    named, distro, problems = _metadata(path / "metadata.yaml")
    paths = [path / name for name in named if (path / name).is_file()]
    if lost := [name for name in named if not (path / name).is_file()]:
        problems = [f"Bag {path} lacks {len(lost)} of its {len(named)} files, such as {lost[0]}: restore it."]
    if not named:
        paths = sorted((file for file in path.iterdir() if is_bag_file(file)), key=_natural)
    if not paths:
        raise RigError(f"{path} holds no bag: there is no .mcap or .db3 file of one in it.")
    return BagFiles(tuple(paths), distro, tuple(problems))


def is_bag_file(path: Path) -> bool:
    """Whether a file is called as those of a bag are."""
    return path.name.removesuffix(ZSTD).endswith(SUFFIXES)


def _metadata(path: Path) -> tuple[list[str], str, list[str]]:
    """Names of the files, the release, and what is wrong; no names where the file is lost or broken."""
    try:
        told = yaml.safe_load(path.read_text("utf-8"))["rosbag2_bagfile_information"]
        # Old releases write the path from the folder above.
        return [PurePath(name).name for name in told["relative_file_paths"]], str(told.get("ros_distro") or ""), []
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        why = "broken" if path.exists() else "missing, as after a recording that was killed"
        tip = "the bag's files are read in the order of their names; `ros2 bag reindex` makes it anew."
        return [], "", [f"{path} is {why}: {tip}"]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts by the numbers in a name, so that part 10 comes after part 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
