"""Arguments of the `score-fusion` command, and pairs with a bar of progress."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tardal_ros.commands.progress import counted
from tardal_ros.fusion.fuser import FUSERS

if TYPE_CHECKING:
    from tardal_ros.datasets.dataset import FolderDataset
    from tardal_ros.datasets.item import Dataset, Item


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_pairs_and_fusers(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="JSON file to write the figures to")


def add_pairs_and_fusers(parser: argparse.ArgumentParser) -> None:
    """Declares what is fused by what."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER", help="data set, or folder with vi/ and ir/"
    )
    parser.add_argument(
        "--fusers",
        nargs="+",
        default=["average", "laplacian"],
        metavar="NAME[:FILE]",
        help=f"of {', '.join(FUSERS)}; networks may have a weights FILE (default: average laplacian)",
    )
    parser.add_argument(
        "--infer-seen", action="store_true", help="black that reaches the border of infrared is where it sees nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Scores fusers, and the two sources for reference; prints a Markdown table.

    Raises:
        RigError: The data or a fuser cannot be used, or the file cannot be written.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.evaluation.fusion import as_json, as_table, create_fusers, score_fusers
    from tardal_ros.files import replace_text

    fusers = create_fusers(arguments.fusers)
    dataset = opened(arguments)
    dataset.check()
    comparison = score_fusers(loaded(dataset, range(len(dataset))), fusers)
    sys.stdout.write(as_table(comparison))
    if arguments.out is not None:
        replace_text(arguments.out, as_json(comparison))
    return 0


def opened(arguments: argparse.Namespace) -> FolderDataset:
    """Lists the pairs that `add_pairs_and_fusers` asked for; fusing takes no labels.

    Raises:
        RigError: The folder cannot be used.
    """
    from tardal_ros.datasets.dataset import open_dataset

    return open_dataset(arguments.data, infer_seen=arguments.infer_seen, labels=False)


def loaded(dataset: Dataset, indices: Sequence[int]) -> Iterator[Item]:
    """Some pairs of a data set, with a bar of progress.

    Raises:
        RigError: A pair cannot be read.
        MissingDependencyError: tqdm is not installed.
    """
    return counted((dataset.load(index) for index in indices), len(indices), "pair")
