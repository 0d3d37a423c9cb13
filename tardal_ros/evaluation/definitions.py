"""What each fusion metric is, a sentence each: for reports, so that figures are compared with the same metric only."""

from __future__ import annotations

from collections.abc import Mapping

_EACH = {
    "MI": "Mutual information in bits (log2) of the joint histogram of 256x256 levels, without stretching",
    "SSIM": "SSIM (Wang et al. 2004), mean over pixels, Gaussian window of 11x11, sigma 1.5, mirrored borders, -1 to 1",
    "MS_SSIM": "MS-SSIM (Wang et al. 2003), five scales, windows inside the image only, a scale below 0 counts as 0,"
    " 0 to 1, undefined where a side is below 176 pixels",
    "VIF": "VIF in the pixel domain (Sheikh and Bovik 2006), four scales, 1 for the source itself",
    "CC": "Pearson's correlation of the grey levels, -1 to 1",
    "PSNR": "10 log10(255^2 / mean squared difference) in dB, undefined where there is no"
    " difference, so that such images count for no mean, nor do the references have one",
}
_SUMMED = ("MI", "VIF")
_SOURCES = {"vi": "to the visible image", "ir": "to infrared"}
_WHOLE = {
    "EN": "Entropy of the fused image in bits (log2), 256 levels, 0 to 8",
    "SD": "Standard deviation of the fused image in grey levels, divided by N",
    "SCD": "Sum of the correlations of differences (Aslantas and Bendes 2015), CC(fused - IR, visible)"
    " + CC(fused - visible, IR), -2 to 2",
    "Qabf": "Edges preserved (Xydeas and Petrovic 2000), Sobel, weighted by strength (L = 1), 0 to 0.975",
    "Nabf": "Edges that are artefacts (Kumar 2013): what Qabf loses where the fused edge is stronger than both,"
    " with the constants and weights of Qabf, not Kumar's, 0 to 1",
    "AG": "Average gradient of the fused image: mean of sqrt((dx^2 + dy^2) / 2), in grey levels",
    "SF": "Spatial frequency of the fused image: sqrt(mean dx^2 + mean dy^2), in grey levels",
}
_COMMON = "8-bit grey (luma, before chroma is put back), only pixels and whole windows that infrared sees."

DEFINITIONS: Mapping[str, str] = {
    **{f"{name}_{key}": f"{text}, {to}; {_COMMON}" for name, text in _EACH.items() for key, to in _SOURCES.items()},
    **{
        name: f"{text}, {'sum' if name in _SUMMED else 'mean'} of both sources; {_COMMON}"
        for name, text in _EACH.items()
    },
    **{name: f"{text}; {_COMMON}" for name, text in _WHOLE.items()},
}
"""By the metric's name in `fusion_metric.quality`."""
