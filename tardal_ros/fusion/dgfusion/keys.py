"""The names of DGFusion's weights: ours, and those of the published state dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

_UNITS = {"fusion.frequency_attention": "interaction.subF_att", "fusion.spatial_attention": "interaction.fuse_att"}
_OF_UNITS = {
    "query": "wq",
    "key": "wk",
    "value": "wv",
    "correlation_norm": "norm1.body",
    "value_norm": "norm2.body",
    "output_norm": "norm3.body",
}
PUBLISHED = {
    "visible_encoder": "freprocess.pre1",
    "infrared_encoder": "freprocess.pre2",
    "enhancer.amplitude_mixing": "freprocess.amp_fuse",
    "enhancer.amplitude_merging": "freprocess.conv1",
    "enhancer.phase_mixing": "freprocess.pha_fuse",
    "enhancer.phase_merging": "freprocess.conv2",
    "extractor.visible_gain": "freprocess.a",
    "extractor.infrared_gain": "freprocess.b",
    "extractor.amplitude_refinement.0": "freprocess.amp_sub1",
    "extractor.amplitude_refinement.1": "freprocess.amp_sub2",
    "extractor.phase_refinement.0": "freprocess.pha_sub1",
    "extractor.phase_refinement.1": "freprocess.pha_sub2",
    **{f"{unit}.{part}": f"{_UNITS[unit]}.{_OF_UNITS[part]}" for unit in _UNITS for part in _OF_UNITS},
    "fusion.gate": "interaction.fuse",
    "head": "final_conv",
}
"""Our prefixes and the published ones."""

_OURS = {published: ours for ours, published in PUBLISHED.items()}

# What the published network has and never uses: convolutions with their outputs and inputs in channels, and norms.
_UNUSED_CONVOLUTIONS = {
    "freprocess.amp_res.0": (4, 8),
    "freprocess.pha_res.0": (4, 8),
    **{f"freprocess.{name}.{i}": (4, 4) for name in ("conv1s", "conv2s") for i in (0, 2)},
    "freprocess.post": (1, 1),
    **{f"attention_module.{name}.{i}": (8, 8) for name in ("wq", "wk", "wv") for i in (0, 2)},
}
_UNUSED_NORMS = (
    *(f"attention_module.norm{i}.body" for i in (1, 2, 3, 4)),
    "interaction.subF_att.norm4.body",
    "interaction.fuse_att.norm4.body",
)
_UNUSED = (*_UNUSED_CONVOLUTIONS, *_UNUSED_NORMS)


def our_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under our names, from ours or the published ones; what the published network never uses is left out.

    Names that are neither stay as they are.
    """
    return {_renamed(name, _OURS): value for name, value in state.items() if _prefix(name, _UNUSED) is None}


def published_name(name: str) -> str:
    """The published name of a weight of ours."""
    return _renamed(name, PUBLISHED)


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has published names."""
    return any(_prefix(name, _OURS) is not None for name in state)


def unused_state(channels: int) -> dict[str, Tensor]:
    """What the published network has and never uses, of zeros, norms with a scale of one."""
    state = {}
    for name, (out, inner) in _UNUSED_CONVOLUTIONS.items():
        state[f"{name}.weight"] = torch.zeros(out * channels, inner * channels, 3, 3)
        state[f"{name}.bias"] = torch.zeros(out * channels)
    for name in _UNUSED_NORMS:
        state[f"{name}.weight"] = torch.ones(4 * channels)
        state[f"{name}.bias"] = torch.zeros(4 * channels)
    return state


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    prefix = _prefix(name, prefixes)
    return name if prefix is None else prefixes[prefix] + name[len(prefix) :]


def _prefix(name: str, prefixes: Iterable[str]) -> str | None:
    return next((prefix for prefix in prefixes if name == prefix or name.startswith(f"{prefix}.")), None)
