"""The fusion stage: registered pairs in, fused images out."""

from __future__ import annotations

from dataclasses import replace

from tardal_ros.fusion.fuser import Fuser
from tardal_ros.types import Fused, Pair, freeze


class FusionStage:
    """Fuses the left views of registered pairs.

    Args:
        fuser: What fuses them.
    """

    name = "fusion"

    def __init__(self, fuser: Fuser) -> None:
        self._fuser = fuser

    def process(self, item: Pair) -> Fused:
        """Fuses one pair; the result has the visible image's stamp, frame and geometry.

        Raises:
            RigError: The images of the pair cannot be fused.
        """
        visible, infrared = item.visible.left, item.infrared.left
        image = self._fuser.fuse(visible.image, infrared.image, item.mask)
        return Fused(replace(visible, image=freeze(image)), item)

    def reset(self) -> None:
        """Forgets earlier pairs."""
        self._fuser.reset()
