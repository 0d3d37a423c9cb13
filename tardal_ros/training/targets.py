"""The mask of a sample that its loss asks for: from a file, from the scene's truth, or by saliency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tardal_ros.datasets.saliency_mask import saliency_mask
from tardal_ros.errors import RigError
from tardal_ros.training.config import TargetKind
from tardal_ros.training.saliency import thermal_targets


def target_mask(
    kind: TargetKind,
    visible: NDArray[np.uint8],
    infrared: NDArray[np.uint8],
    stored: NDArray[np.uint8] | None = None,
    seen: NDArray[np.uint8] | None = None,
    name: str = "the sample",
) -> NDArray[np.float32]:
    """Where the targets are that the fused image must show as infrared does.

    Args:
        kind: `stored` for the mask that came with the sample (a soft mask file, or the true mask of a rendered scene),
            `saliency` for what stands out in the infrared image; `visible_saliency` is no mask of targets, but of where
            the visible image stands out more (DGFusion's loss).
        visible: (H, W, 3) BGR or (H, W) grey, the whole picture.
        infrared: (H, W), the whole picture.
        stored: (H, W), 255 where there is a target; None where the sample has no mask.
        seen: (H, W), 0 where infrared does not see; None if it sees everywhere.
        name: What the sample is called, for the error.

    Returns:
        (H, W) in [0, 1], 0 where infrared does not see.

    Raises:
        RigError: The sample has no mask and `stored` is asked for, or the mask is of another size.
    """
    if kind == "saliency":
        return thermal_targets(infrared, seen)
    if kind == "visible_saliency":
        stored = saliency_mask(visible, infrared)
    if stored is None:
        raise RigError(f"{name} has no target mask: put one into the folder mask/, or set data.target to saliency.")
    if stored.shape != infrared.shape:
        have, want = ("x".join(map(str, each.shape)) for each in (stored, infrared))
        raise RigError(f"The target mask of {name} is {have} and its infrared image {want}: make the mask anew.")
    mask: NDArray[np.float32] = stored.astype(np.float32) / np.float32(255)
    if seen is not None:
        mask *= seen > 0
    return mask
