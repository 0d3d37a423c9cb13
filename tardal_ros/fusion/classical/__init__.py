"""Fusing without a network."""

from tardal_ros.fusion.classical.guided_filter import GuidedFilterMethod
from tardal_ros.fusion.classical.laplacian import LaplacianMethod
from tardal_ros.fusion.classical.latent_low_rank import LatentLowRankMethod
from tardal_ros.fusion.classical.pixelwise import AverageMethod, InfraredMethod, MaximumMethod, VisibleMethod
from tardal_ros.fusion.classical.saliency_least_squares import SaliencyLeastSquaresMethod

__all__ = [
    "AverageMethod",
    "GuidedFilterMethod",
    "InfraredMethod",
    "LaplacianMethod",
    "LatentLowRankMethod",
    "MaximumMethod",
    "SaliencyLeastSquaresMethod",
    "VisibleMethod",
]
