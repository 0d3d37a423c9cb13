"""What ultralytics does besides detecting, watched by audit hooks in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, logging, os, sys

import cv2, numpy as np, torch
from tardal_ros.detection import create_detector

seen = []

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system"):
        seen.append([event, str(args)])
    if event == "open" and isinstance(args[0], str) and isinstance(args[2], int):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(["write", os.path.abspath(args[0])])
    if event == "os.mkdir":
        seen.append(["write", os.path.abspath(args[0])])

def state():
    root = logging.getLogger()
    own = {name: value for name, value in os.environ.items() if not name.startswith("YOLO_")}
    return [
        own, cv2.getNumThreads(), torch.get_num_threads(), repr(torch.save), repr(torch.load), repr(cv2.imread),
        np.get_printoptions()["linewidth"], root.level, len(root.handlers),
        logging.getLogger("ultralytics").handlers, logging.getLogger("ultralytics").propagate,
    ]

cv2.setNumThreads(2)
before = state()
sys.addaudithook(watch)
found = create_detector(sys.argv[1], trust_weights=True).detect(np.zeros((90, 120), np.uint8))
print(json.dumps({"seen": seen, "changed": [pair for pair in zip(before, state()) if pair[0] != pair[1]]}))
"""


def test_a_checkpoint_loads_offline_and_changes_nothing(yolo11, tmp_path) -> None:
    home, temporary, work = (tmp_path / name for name in ("home", "temporary", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "XDG_"))}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(yolo11.pt)],
        env=environment,
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 1, "ultralytics writes to stdout"
    report = json.loads(ran.stdout)
    assert report["changed"] == []
    assert [event for event in report["seen"] if event[0] != "write"] == []
    allowed = (str(temporary), "/dev/")
    assert [path for kind, path in report["seen"] if kind == "write" and not path.startswith(allowed)] == []
    assert not list(home.iterdir()) and not list(work.iterdir())
    assert not list(temporary.iterdir()), "temporary files are left behind"
