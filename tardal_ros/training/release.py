"""What a trained fusion network ships as: its weights, those of its detector, and a model card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from tardal_ros.datasets.item import Item
from tardal_ros.evaluation.fusion import as_table, create_fusers, score_fusers
from tardal_ros.evaluation.summary import installed_versions
from tardal_ros.files import replace_bytes, replace_text, sha256_of
from tardal_ros.fusion.export import export_onnx
from tardal_ros.fusion.weights import FLAG, safetensors_bytes
from tardal_ros.simulation import VERSION
from tardal_ros.training.config import Pairs, TrainConfig
from tardal_ros.training.sections import as_text

_BASELINES = ("average", "laplacian")


def release(config: TrainConfig, networks: nn.ModuleDict, items: Iterable[Item], folder: Path) -> list[Path]:
    """Writes what was trained, scores the weights as they are on disk, and writes their model card.

    Args:
        config: How it was trained.
        networks: `generator`, and `detector` if one was trained.
        items: Pairs that were not learned from, for the card's figures.
        folder: Where to write `NAME.safetensors` and `.md`, of TarDAL also `.onnx`, and the detector as
            `NAME_detector.onnx` and `.safetensors`; the name is that of the network and, but for DGFusion in mode `dt`,
            the mode.

    Returns:
        The files written.

    Raises:
        RigError: The folder cannot be written.
        MissingDependencyError: A library is not installed.
    """
    network = config.generator.network
    name = network if (network, config.mode) == ("dgfusion", "dt") else f"{network}_{config.mode}"
    weights, card = folder / f"{name}.safetensors", folder / f"{name}.md"
    replace_bytes(weights, generator_bytes(networks["generator"]))
    files = [weights]
    if network == "tardal":
        files.append(folder / f"{name}.onnx")
        replace_bytes(files[-1], export_onnx(weights))
    if "detector" in networks:
        files += _release_detector(config, networks["detector"], folder / f"{name}_detector")
    fusers = create_fusers([*_BASELINES, f"{network}:{weights}"])
    replace_text(card, model_card(config, files, as_table(score_fusers(items, fusers))))
    return [*files, card]


def generator_bytes(generator: nn.Module) -> bytes:
    """A generator's weights as safetensors, which says that batch norm runs on its running statistics.

    Raises:
        MissingDependencyError: safetensors is not installed.
    """
    return safetensors_bytes(generator.state_dict(), {FLAG: "true"})


def model_card(config: TrainConfig, files: list[Path], table: str) -> str:
    """The model card, in Markdown.

    Args:
        config: How the weights were trained.
        files: What ships.
        table: Fusion quality on pairs that were not learned from, in Markdown.
    """
    made_with = ", ".join(f"{name} {version}" for name, version in installed_versions().items())
    lines = [
        f"# {_TITLE[config.generator.network]}, {config.mode.upper()}",
        "",
        f"Weights of {_WHOSE[config.generator.network]}, {_AIM[config.mode]}. Input: infrared and visible luma in"
        f" [0, 1]; output: the fused luma, to be clipped to [0, 1]. {_RUNS[config.generator.network]}",
        "",
        f"- **Data**: {_told(config.data.train)}. Crops of {config.data.crop[0]}x{config.data.crop[1]} pixels.",
        f"- **Training**: {config.steps} steps of {config.data.batch} crops, seed {config.seed}, precision"
        f" {config.precision}, from {config.generator.start or 'random weights'}; the weights are"
        f" {'the moving average' if config.optimizer.average else 'those of the last step'}.",
        f"- **Licence**: {_LICENCE if config.mode == 'dt' else _LICENCE_WITH_DETECTOR}",
        f"- **Made with** {made_with}.",
        "",
        "| file | sha256 |",
        "| --- | --- |",
        *(f"| {path.name} | `{sha256_of(path)}` |" for path in files),
        "",
        "## On validation pairs, which it did not learn from",
        "",
        table.rstrip(),
        "",
        "## Configuration",
        "",
        "```yaml",
        as_text(config).rstrip(),
        "```",
    ]
    return "\n".join([*lines, ""])


def _told(pairs: Pairs) -> str:
    """What was learned from, in words."""
    told = [f"{Path(each.root).name} (real pairs)" for each in pairs.folders]
    told += [
        f"rendered scenes of the split `train`{_FROM[each.view]} ({each.seeds} seeds from {each.first} in each of"
        f" {', '.join(each.conditions)}; {each.images} moments each, {each.every:g} s apart; longer side"
        f" {each.longest} pixels; renderer version {VERSION})"
        for each in pairs.rendered
    ]
    return "; ".join(told)


def _release_detector(config: TrainConfig, detector: nn.Module, path: Path) -> list[Path]:
    assert config.detector is not None
    from tardal_ros.training.detection import read_weights
    from tardal_ros.training.detector_release import export_onnx as export_detector
    from tardal_ros.training.detector_release import state_dict

    onnx, state = path.with_suffix(".onnx"), path.with_suffix(".safetensors")
    # It looks at whole images as the one that it began as did; crops are only parts of such.
    start = config.detector.start
    size = read_weights(Path(start)).image_size if start else max(config.data.crop)
    replace_bytes(onnx, export_detector(detector, size))
    replace_bytes(state, state_dict(detector, config.detector.model, size))
    return [onnx, state]


_FROM = {"vehicle": "", "uav": " from a drone"}
_TITLE = {"tardal": "TarDAL", "dgfusion": "DGFusion"}
_WHOSE = {"tardal": "TarDAL's generator", "dgfusion": "DGFusion's network"}
_RUNS = {
    "tardal": "Batch norm runs on its running statistics; the `.onnx` file is the same, for onnxruntime.",
    "dgfusion": "The names of the weights are this package's.",
}
_AIM = {
    "dt": "trained to fuse (direct training)",
    "tt": "trained to help a detector, and nothing else (task-oriented training)",
    "ct": "trained to fuse and to help a detector (cooperative training)",
}
_LICENCE = "code Apache-2.0; the weights also fall under the licences of the data above."
_LICENCE_WITH_DETECTOR = "AGPL-3.0, which ultralytics claims for models that its code trains."
