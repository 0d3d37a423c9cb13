"""How far registration is off, where the depth of the scene is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tardal_ros.calibration.cameras import distort_points, undistort_points
from tardal_ros.calibration.rig import REFERENCE, Rig

DEFINITION = (
    "Distance from where registration takes the infrared of a visible pixel to where the infrared camera truly images"
    " what is there, by its depth and the rig file's poses; in pixels of the visible image, median and 95th percentile"
    " of a frame's pixels that infrared sees, then the median over frames; the error is parallax where objects are"
    " nearer or farther than the rig file's registration distance"
)

STEP = 8
"""Every so many rows and columns are looked at."""

_INFRARED = "infrared/left"


def registration_error(rig: Rig, depth: NDArray[np.float32], step: int = STEP) -> NDArray[np.float64]:
    """How far registration is off at a grid of visible pixels: what is off the rig's plane shows parallax.

    The rig file is taken to be right, so that errors of the calibration itself do not show; what hides a point from the
    infrared camera alone is not known, and the point counts.

    Args:
        rig: The cameras by whose poses and plane infrared was registered onto the raw visible pixels.
        depth: (H, W) float32, metres along the optical axis at the pixels of visible/left (REP-118); not finite, or not
            positive, where nothing is known.
        step: Pixels from one point of the grid to the next.

    Returns:
        (N,) float64 distances of the pixels of known depth that registered infrared sees. They are measured in the
        infrared image, and scaled by the ratio of the focal lengths to pixels of the visible image. None at all where
        the rig describes the infrared camera by a homography, or not: where it stands is not known then.
    """
    camera, reference = rig.cameras.get(_INFRARED), rig.cameras[REFERENCE].info
    if camera is None or camera.homography is not None:
        return np.zeros(0)
    rows, columns = np.mgrid[0 : depth.shape[0] : step, 0 : depth.shape[1] : step]
    z = depth[rows, columns].astype(np.float64)
    known = np.isfinite(z) & (z > 0.0)
    pixels, z = np.stack([columns, rows], axis=-1)[known].astype(np.float64), z[known]
    rays = undistort_points(reference, pixels)
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * z[:, None]
    # X_camera = R^T (X - t), as rows.
    there = (points - camera.pose.translation) @ camera.pose.rotation
    in_front = np.where(there[:, 2:] > 0.0, there[:, 2:], np.nan)
    true = distort_points(camera.info, there[:, :2] / in_front)
    taken = rig.map_pixels(pixels, REFERENCE, _INFRARED)
    seen = np.all((taken >= 0) & (taken <= np.array([camera.info.width, camera.info.height]) - 1), axis=1)
    off = (true - taken)[seen] * (np.diag(reference.k)[:2] / np.diag(camera.info.k)[:2])
    errors: NDArray[np.float64] = np.hypot(off[:, 0], off[:, 1])
    return errors[np.isfinite(errors)]
