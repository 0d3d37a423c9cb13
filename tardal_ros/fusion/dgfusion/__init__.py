"""DGFusion: fuses in the frequency domain, guided by what the two images disagree on. Needs torch."""

from tardal_ros.fusion.dgfusion.method import DgfusionMethod
from tardal_ros.fusion.dgfusion.network import (
    DiscrepancyGuidedFusion,
    build_network,
    load_network,
    published_state,
)

__all__ = ["DgfusionMethod", "DiscrepancyGuidedFusion", "build_network", "load_network", "published_state"]
