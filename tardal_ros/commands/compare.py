"""Arguments of the `compare` command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("before", type=Path, metavar="A", help="folder of an evaluation, or its report.json")
    parser.add_argument("after", type=Path, metavar="B", help="another one")
    parser.add_argument(
        "--out", type=Path, default=Path("out/comparison.html"), metavar="FILE.html", help="page (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compares two evaluations: prints a table and the verdict, and writes a page.

    Raises:
        RigError: One is no evaluation, or they have nothing in common.
        MissingDependencyError: A library is not installed.
    """
    from tardal_ros.evaluation.comparison import as_table, compare, in_words, load_report
    from tardal_ros.evaluation.comparison_page import write_comparison

    comparison = compare(load_report(arguments.before), load_report(arguments.after))
    write_comparison(comparison, arguments.out, str(arguments.before), str(arguments.after))
    sys.stdout.write(as_table(comparison) + "\n")
    sys.stdout.writelines(f"{sentence}\n" for sentence in [*in_words(comparison), *comparison.notes])
    sys.stdout.write(f"{arguments.out}\n")
    return 0
