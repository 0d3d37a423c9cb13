import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tardal_ros.commands import main
from tardal_ros.evaluation.folder import claimed

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = ["--fusers", "average", "laplacian", "--detector", "none", "--no-efficiency", "--processes", "1"]


def write_pairs(root, first):
    for part in ("vi", "ir", "labels"):
        (root / part).mkdir(parents=True)
    (root / "classes.txt").write_text("car\n")
    for number in range(first, first + 2):
        noise = np.random.default_rng(number).integers(0, 256, (9, 12, 3), np.uint8)
        image = cv2.resize(noise, (96, 72), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / "vi" / f"{number}.png"), image)
        cv2.imwrite(str(root / "ir" / f"{number}.png"), image[::-1, :, 0])
        (root / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    return root


def opened_for_reader(pipe, wait_until):
    """Opens a pipe for writing as soon as somebody reads there."""
    held = []

    def reader_is_there():
        try:
            held.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(reader_is_there, 60.0, "somebody to read the label")
    return held[0]


def report_of(folder):
    """What `report.json` holds, but what no two runs have in common."""
    report = json.loads((folder / "report.json").read_text())
    assert (folder / "report.html").is_file()
    for dataset in report["datasets"].values():
        del dataset["timing_ms"]
    del report["made"], report["timelines"]
    return report


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, wait_until):
    sources = [write_pairs(tmp_path / name, first) for name, first in (("a", 0), ("b", 5))]
    out = tmp_path / "out"
    arguments = ["evaluate", *map(str, sources), *QUICK, "--report", str(out)]
    label = sources[1] / "labels" / "6.txt"
    kept = shutil.copy2(label, tmp_path / "label.txt")
    label.unlink()
    os.mkfifo(label)  # who reads there, waits
    run = subprocess.Popen([sys.executable, "-m", "tardal_ros", *arguments], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    held = opened_for_reader(label, wait_until)
    run.send_signal(signal.SIGKILL)
    run.wait()

    def nobody_reads():
        try:
            os.write(held, b"\n")
        except BrokenPipeError:
            return True
        return False

    wait_until(nobody_reads, what="the worker to end with the run")
    os.close(held)
    label.unlink()
    shutil.copy2(kept, label)
    finished = out / "recordings" / "a.jsonl"
    written = finished.stat().st_mtime_ns
    assert not (out / "recordings" / "b.jsonl").exists()
    assert main(arguments) == 0
    assert finished.stat().st_mtime_ns == written
    assert main([*arguments[:-1], str(tmp_path / "whole")]) == 0
    assert report_of(out) == report_of(tmp_path / "whole")
    assert sorted(path.name for path in (out / "recordings").iterdir()) == ["a.jsonl", "b.jsonl"]


def test_a_folder_in_use_is_refused(tmp_path, capsys):
    source = write_pairs(tmp_path / "a", 0)
    with claimed(tmp_path / "out"):
        assert main(["evaluate", str(source), *QUICK, "--report", str(tmp_path / "out")]) == 1
    assert "is in use by another evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fusers", "magic"], "There is no fuser 'magic'"),
        (["--fusers", "average:lost.safetensors"], "takes no weights"),
        (["--detector", "lost.onnx"], "lost.onnx do not exist"),
        (["--fused", "theirs"], "--fused theirs is not understood"),
        (["--limit", "0"], "--limit is 0"),
        (["--processes", "0"], "--processes is 0"),
        (["--scale", "2"], "The scale 2.0"),
    ],
)
def test_bad_arguments_are_told_before_anything_is_done(tmp_path, capsys, arguments, sentence):
    source = write_pairs(tmp_path / "a", 0)
    out = tmp_path / "out"
    assert main(["evaluate", str(source), *QUICK, "--report", str(out), *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (["lost"], "There is no lost"),
        (["rendered:day"], "rendered:day is no rendered scene"),
        (["uav:1:day:long"], "uav:1:day:long is no rendered scene: write uav:SEED:CONDITION"),
        (["rendered:1:day", "rendered:1:day"], "Two recordings are called 'rendered_test_day_1'"),
    ],
)
def test_bad_sources_are_told(tmp_path, capsys, sources, sentence):
    assert main(["evaluate", *sources, *QUICK, "--report", str(tmp_path / "out")]) == 1
    assert sentence in capsys.readouterr().err


def test_make_evaluate_names_every_fuser():
    from tardal_ros.fusion.fuser import FUSERS

    named = (REPOSITORY / "tools" / "evaluate").read_text().partition("--fusers")[2].split()
    named = {word.partition(":")[0] for word in named}
    assert set(FUSERS) <= named
