"""Arguments of the `score-detector` command."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tardal_ros.commands.progress import Bar
from tardal_ros.commands.train_detector import TEST_SCENES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("weights", help="detector to score: hog, or a model file .onnx or .pt")
    parser.add_argument(
        "--data", type=Path, help="labelled data set in any layout of `train` (default: rendered test scenes)"
    )
    parser.add_argument("--fuser", default="laplacian", help="what fuses the pairs (default: %(default)s)")
    parser.add_argument("--fuser-weights", type=Path, help="weights file of the fuser")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the resolution to fuse at")
    parser.add_argument("--image-size", type=int, help="longer side at which the detector looks (default: its own)")
    parser.add_argument(
        "--trust-weights", action="store_true", help="load a .pt that is not in the list of trusted ones"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")


def run(arguments: argparse.Namespace) -> int:
    """Scores a detector on fused, visible and infrared images.

    Raises:
        RigError: The weights or the data cannot be used, or a library is missing.
    """
    from tardal_ros.datasets.rendered import Plan
    from tardal_ros.detection.detector import create_detector
    from tardal_ros.evaluation.detection import CONFIDENCE, as_table, open_labelled, score_dataset, test_scenes
    from tardal_ros.files import replace_text
    from tardal_ros.fusion import create_fuser
    from tardal_ros.fusion.stage import FusionStage

    detector = create_detector(
        arguments.weights,
        confidence=CONFIDENCE,
        image_size=arguments.image_size,
        trust_weights=arguments.trust_weights,
    )
    stage = FusionStage(create_fuser(arguments.fuser, arguments.fuser_weights, scale=arguments.scale))
    dataset = open_labelled(arguments.data) if arguments.data else test_scenes(Plan(), TEST_SCENES)
    with Bar("tested", "pair") as bar:
        scores = score_dataset(detector, dataset, stage, on_pair=bar)
    for shown, each in scores.items():
        sys.stdout.write(f"\n{shown}: {each.images} images of {each.scenes} scenes\n\n{as_table(each)}")
    if arguments.out is not None:
        figures = {shown: asdict(each) for shown, each in scores.items()}
        replace_text(arguments.out, json.dumps(figures, indent=1) + "\n")
    return 0
