"""Runs benchmarks, prints a table of each and writes `out/bench.json`: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

NAMES = (
    "codec",
    "bags",
    "pairing",
    "registration",
    "fusion",
    "dgfusion",
    "detection",
    "rig",
    "simulation",
    "metrics",
    "evaluation",
)
RESULT = Path("out") / "bench.json"
Row = dict[str, object]


def main() -> int:
    """Runs what the command line names, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to run: {', '.join(NAMES)} (default: all)")
    names = parser.parse_args().names or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"there is no benchmark {unknown[0]!r}: choose from {', '.join(NAMES)}")
    results: dict[str, list[Row]] = {}
    for name in names:
        results[name] = importlib.import_module(f"benchmarks.{name}").rows()
        print_table(name, results[name])
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"machine": machine(), "rows": results}, indent=1) + "\n", encoding="utf-8")
    missed = sum(met(row) is False for rows in results.values() for row in rows)
    print(f"\nwritten to {RESULT}; targets missed: {missed}")
    return 0


def print_table(name: str, rows: list[Row]) -> None:
    """Prints the rows of one benchmark."""
    width = max(len(str(row["name"])) for row in rows)
    print(f"\n{name}")
    for row in rows:
        verdict = {True: "pass", False: "MISS", None: ""}[met(row)]
        line = f"  {row['name']:<{width}} {row['value']:>10} {row['unit']:<14} {target(row):<10} {verdict}"
        print(line.rstrip(), flush=True)


def target(row: Row) -> str:
    """The bound of a row, such as `<= 15`; empty where it has none."""
    return " ".join(f"{sign} {row[key]}" for key, sign in (("at_most", "<="), ("at_least", ">=")) if key in row)


def met(row: Row) -> bool | None:
    """Whether a row keeps its bound; None where it has none."""
    value = float(str(row["value"]))
    if "at_most" in row:
        return value <= float(str(row["at_most"]))
    return value >= float(str(row["at_least"])) if "at_least" in row else None


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
