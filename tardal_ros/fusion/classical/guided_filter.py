"""Fusing by guided filtering."""

from __future__ import annotations

import cv2
import numpy as np

from tardal_ros.fusion.classical.filters import box_mean, guided_filter
from tardal_ros.types import Array

# The parameters of the paper: radius of the mean that makes the base; size and deviation of the Gaussian over saliency;
# radius and epsilon of the guided filters of base and detail, for grey levels in [0, 1].
BASE_RADIUS = 15
SALIENCY_SIZE, SALIENCY_SIGMA = 11, 5.0
BASE_FILTER, DETAIL_FILTER = (45, 0.3), (7, 1e-6)


class GuidedFilterMethod:
    """GFF (Li, Kang and Hu, IEEE TIP 2013): where each image is the more salient one, with borders along its edges.

    Each image is a base, its mean in 31x31 windows, and the detail on top. The image of the larger blurred Laplacian is
    the more salient one at a pixel; guided by each image, the map of that becomes its smooth weights for the base, and
    sharp ones for the detail.

    Different from the paper: guided weights are kept within [0, 1], where they could overshoot at strong edges, before
    they are normalised; beyond the border, an image is its reflection.
    """

    device = "cpu"
    live_scale = 1.0

    def fuse_luma(self, visible: Array, infrared: Array) -> Array:
        """Fuses two (H, W) uint8 images of one size."""
        stronger = np.sign(cv2.subtract(_saliency(visible), _saliency(infrared)))
        share = (stronger + np.float32(1.0)) * np.float32(0.5)  # a half where they are equal
        one, other = (np.multiply(image, np.float32(1 / 255), dtype=np.float32) for image in (visible, infrared))
        base, other_base = box_mean(one, BASE_RADIUS), box_mean(other, BASE_RADIUS)
        fused = _mix(base, other_base, _weight(one, other, share, *BASE_FILTER))
        fused += _mix(one - base, other - other_base, _weight(one, other, share, *DETAIL_FILTER))
        return cv2.convertScaleAbs(np.maximum(fused, 0.0, out=fused), alpha=255.0)


def _saliency(image: Array) -> Array:
    """How strong the Laplacian is around each pixel, float32."""
    strength = np.abs(cv2.Laplacian(image, cv2.CV_32F, borderType=cv2.BORDER_REFLECT))
    return cv2.GaussianBlur(strength, (SALIENCY_SIZE, SALIENCY_SIZE), SALIENCY_SIGMA, borderType=cv2.BORDER_REFLECT)


def _weight(one: Array, other: Array, share: Array, radius: int, flat: float) -> Array:
    """How much of the first image there is to be, of what is its share before: in [0, 1], float32."""
    own = np.clip(guided_filter(one, share, radius, flat), 0.0, 1.0)
    others = np.clip(guided_filter(other, np.float32(1.0) - share, radius, flat), 0.0, 1.0)
    # Where both are nearly nothing, they count the same.
    tiny = np.float32(1e-6)
    weight: Array = (own + tiny) / (own + others + 2 * tiny)
    return weight


def _mix(one: Array, other: Array, weight: Array) -> Array:
    mixed: Array = other + weight * (one - other)
    return mixed
