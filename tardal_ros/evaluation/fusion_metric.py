"""How good a fused image is, measured without a truth: against itself and against the two images it was made of.

All metrics take (H, W) uint8 images of one size. `seen` is (H, W), non-zero where infrared really sees, or None where
it sees everywhere: pixels that it does not see count for nothing, nor do windows that reach over one. A metric is NaN
where nothing is left to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tardal_ros.errors import RigError
from tardal_ros.evaluation import definitions
from tardal_ros.evaluation.bootstrap import Mean, means
from tardal_ros.evaluation.metrics.edges import average_gradient, edge_transfer, spatial_frequency
from tardal_ros.evaluation.metrics.fidelity import fidelities
from tardal_ros.evaluation.metrics.levels import (
    correlations,
    entropy,
    mutual_information,
    peak_signal_to_noise,
    standard_deviation,
)
from tardal_ros.evaluation.metrics.structure import similarities
from tardal_ros.types import Array

DEFINITIONS = definitions.DEFINITIONS
"""What each metric of `quality` is, a sentence each."""

Measure = Callable[[Array, Array, Array, "Array | None"], "dict[str, float]"]
"""Takes the fused, visible and infrared image, and where infrared sees."""


def information(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> dict[str, float]:
    """The metrics of a running stream, quick enough for every frame: EN, SD, and MI to each source and their sum.

    Args:
        fused: The fused luma.
        visible: The visible luma.
        infrared: Infrared on the same pixels.
        seen: Where infrared sees.

    Raises:
        RigError: The images cannot be compared.
    """
    fused, visible, infrared = _checked(fused, visible, infrared, seen)
    return {
        "EN": entropy(fused, seen),
        "SD": standard_deviation(fused, seen),
        **_both("MI", *(mutual_information(fused, source, seen) for source in (visible, infrared)), summed=True),
    }


def quality(fused: Array, visible: Array, infrared: Array, seen: Array | None = None) -> dict[str, float]:
    """All metrics, see `DEFINITIONS`.

    Args:
        fused: The fused luma.
        visible: The visible luma.
        infrared: Infrared on the same pixels.
        seen: Where infrared sees.

    Raises:
        RigError: The images cannot be compared.
    """
    values = information(fused, visible, infrared, seen)
    fused, visible, infrared = _checked(fused, visible, infrared, seen)
    sources = visible, infrared
    alike, edges = similarities(fused, sources, seen), edge_transfer(fused, sources, seen)
    correlated = correlations(fused, visible, infrared, seen)
    return {
        **values,
        **_both("SSIM", *(each.single for each in alike)),
        **_both("MS_SSIM", *(each.multi for each in alike)),
        **_both("VIF", *fidelities(fused, sources, seen), summed=True),
        **_both("CC", correlated.visible, correlated.infrared),
        **_both("PSNR", *(peak_signal_to_noise(fused, source, seen) for source in sources)),
        "SCD": correlated.differences,
        "Qabf": edges.preserved,
        "Nabf": edges.artefacts,
        "AG": average_gradient(fused, seen),
        "SF": spatial_frequency(fused, seen),
    }


class FusionScores:
    """Means over the images of a stream or of a data set.

    Args:
        measure: What to measure: `quality`, or `information` where there is no time for all of it.
    """

    def __init__(self, measure: Measure = quality) -> None:
        self._measure = measure
        self._rows: list[Mapping[str, float]] = []
        self._scenes: list[str] = []

    def update(
        self, fused: Array, visible: Array, infrared: Array, seen: Array | None = None, scene: str | None = None
    ) -> dict[str, float]:
        """Takes one image into account; where a metric is NaN, that metric does without the image.

        Args:
            fused: The fused luma.
            visible: The visible luma.
            infrared: Infrared on the same pixels.
            seen: Where infrared sees.
            scene: Images of one scene resemble each other; None for a scene of its own.

        Returns:
            The metrics of this image.

        Raises:
            RigError: The images cannot be compared.
        """
        values = self._measure(fused, visible, infrared, seen)
        self._scenes.append(f"image {len(self._rows)}" if scene is None else f"scene {scene}")
        self._rows.append(values)
        return values

    def compute(self) -> dict[str, Mean]:
        """The means since the start or the last reset by the metrics' names; nothing before the first image."""
        return means(self._rows, self._scenes)

    def reset(self) -> None:
        """Forgets the images so far."""
        self._rows.clear()
        self._scenes.clear()


def _both(name: str, visible: float, infrared: float, *, summed: bool = False) -> dict[str, float]:
    """A metric to each source, and their sum or mean."""
    total = visible + infrared
    return {f"{name}_vi": visible, f"{name}_ir": infrared, name: total if summed else total / 2.0}


def _checked(fused: Array, visible: Array, infrared: Array, seen: Array | None) -> tuple[Array, Array, Array]:
    """The images in one piece of memory each."""
    for name, image in {"fused": fused, "visible": visible, "infrared": infrared}.items():
        if image.dtype != np.uint8 or image.ndim != 2 or not image.size:
            raise RigError(f"The {name} image must be 8-bit grey to be measured, not {image.dtype} of {image.shape}.")
    for name, other in {"visible image": visible, "infrared image": infrared, "mask": seen}.items():
        if other is not None and other.shape != fused.shape:
            raise RigError(f"The {name} {other.shape} and the fused image {fused.shape} differ in size: register them.")
    return np.ascontiguousarray(fused), np.ascontiguousarray(visible), np.ascontiguousarray(infrared)
