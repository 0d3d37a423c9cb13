"""Small data sets to evaluate on."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def make_pairs():
    """Writes a data set of small pairs, with labels where classes are given; returns its folder."""

    def make(root, count=3, classes=(), size=(96, 72), first=0):
        for part in ("vi", "ir", *(["labels"] if classes else [])):
            (root / part).mkdir(parents=True, exist_ok=True)
        if classes:
            (root / "classes.txt").write_text("\n".join(classes) + "\n")
        for number in range(first, first + count):
            rng = np.random.default_rng(number)
            for part, channels in (("vi", 3), ("ir", 1)):
                coarse = rng.integers(0, 256, (9, 12, channels), np.uint8)
                image = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
                cv2.imwrite(str(root / part / f"{number:03d}.png"), image)
            if classes:
                (root / "labels" / f"{number:03d}.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.25 0.25 0.2 0.2\n")
        return root

    return make


METRICS = ("EN", "MI_vi", "Nabf", "Qabf")
RIVALS = ("visible", "average", "laplacian")


def _figure(value, spread=0.02, **more):
    return {"value": value, "low": value - spread, "high": value + spread, **more}


def _detection(value):
    return {
        "map50": _figure(value, objects=20),
        "map50_95": _figure(value / 2, objects=20),
        "by_class": {"person": _figure(value, objects=20)},
        "by_condition": {"night": _figure(value, objects=12)},
        "by_size": {"small": _figure(value, objects=5)},
        "curves": {"person": {"recall": [0.0, 0.5, 1.0], "precision": [1.0, 0.9, 0.0]}},
        "miss_rate": {"fppi": [0.01, 0.1, 1.0], "miss": [0.9, 0.6, 0.3], "log_average": 0.55},
        "track_switches": None,
    }


@pytest.fixture
def make_report():
    """Makes what `report.json` holds, of a data set of which `shift` moves the quality of one fuser."""

    def make(frames=12, shift=(), name="roads", fusers=RIVALS):
        rng = np.random.default_rng(5)
        common, quality = rng.normal(0, 1, (len(METRICS), frames)), {}
        for number, fuser in enumerate(fusers):
            moved = dict(shift).get(fuser, 0.0)
            rows = 5 + common + 0.5 * number + rng.normal(0, 0.01, common.shape) + moved
            quality[fuser] = {
                metric: _figure(float(row.mean()), 0.5, values=row.tolist())
                for metric, row in zip(METRICS, rows, strict=True)
            }
        costs = {"parameters": 296129, "threads": 2, "sizes": {"64x48": {"gmacs": 0.9, "ms": 3.0, "peak_mb": 7.5}}}
        return {
            "version": 1,
            "made": {
                "command": "evaluate x",
                "settings": {"scale": 1.0},
                "environment": {"python": "3"},
                "hashes": {name: "ab"},
            },
            "definitions": {metric: f"What {metric} is." for metric in METRICS},
            "fusers": {
                fuser: {"reference": fuser == "visible", "weights": None, "efficiency": costs if number else None}
                for number, fuser in enumerate(fusers)
            },
            "datasets": {
                name: {
                    "recordings": [name],
                    "frames": frames,
                    "scenes": [str(number) for number in range(frames)],
                    "quality": quality,
                    "detection": {fuser: _detection(0.5 + 0.2 * number) for number, fuser in enumerate(fusers)},
                    "timing_ms": {fuser: {"fuse": {"p50": 4.0, "p95": 6.0}} for fuser in fusers},
                    "pairing": {"pairs": frames, "drops": {"no_partner": 3}},
                    "registration_px": None,
                }
            },
            "timelines": {
                name: {
                    "seconds": [0.0, 0.5, 1.0],
                    "skew_ms": [1.0, 2.0, 1.0],
                    "fuse_ms": {f: [4.0, None, 5.0] for f in fusers},
                }
            },
            "shots": [],
            "problems": ["One frame had no partner."],
        }

    return make
