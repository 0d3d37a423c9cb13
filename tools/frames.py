"""Makes a data set of video pairs, to train on: `tools/run python tools/frames.py path/to/m2vd out/m2vd`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2

from tardal_ros.evaluation.recording import videos
from tardal_ros.files import replace_bytes


def main() -> None:
    """Writes a pair every few seconds to vi/ and ir/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, help="folder with vi/NAME.mp4 and ir/NAME.mp4")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between pairs (default: %(default)s)")
    arguments = parser.parse_args()
    count = 0
    for recording in videos(arguments.videos):
        due = 0.0
        for moment in recording.moments():
            seconds = moment.stamp * 1e-9
            if seconds < due:
                continue
            due = seconds + arguments.every
            for part, view in (("vi", moment.pair.visible), ("ir", moment.pair.infrared)):
                picture = cv2.imencode(".png", view.left.image)[1].tobytes()
                replace_bytes(arguments.out / part / f"{recording.name}_{moment.stamp // 1_000_000:07d}.png", picture)
            count += 1
    sys.stdout.write(f"{count} pairs in {arguments.out}\n")


if __name__ == "__main__":
    main()
