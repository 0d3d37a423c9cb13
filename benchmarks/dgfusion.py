"""What DGFusion's network saves against its straightforward form: seconds and peak memory of one pass, equal outputs.

The straightforward form transforms all columns, takes cosines and sines wherever a spectrum is put together, transforms
the discrepancy back in each attention, and everything as complex numbers of which the imaginary part is then dropped.
What is as built runs with channels last in memory, as the fuser runs it, and once without. Seconds are of one thread,
and of the CPU.

Weights are random. A network of the published 16 channels needs 1.0 T multiplications at 640x512; the default is
smaller: `python -m benchmarks.dgfusion 640 512 16` runs another size (width, height, channels).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tardal_ros.fusion.dgfusion import DiscrepancyGuidedFusion
from tardal_ros.fusion.dgfusion.layers import SMALL, DiscrepancyAttention

SIZE = (640, 512)
CHANNELS = 4
THREADS = 1

Form = Callable[[Tensor, Tensor], Tensor]


class Run(NamedTuple):
    """What one pass gave and took: output, seconds, bytes at the peak."""

    output: np.ndarray
    seconds: float
    peak: float


def rows(width: int = SIZE[0], height: int = SIZE[1], channels: int = CHANNELS) -> list[dict[str, object]]:
    """Returns one row a measurement: `name`, `value` and `unit`."""
    title = f"{width}x{height}, {channels} channels"
    runs = {}
    for name in FORMS:
        # A process each: what one has used, the other would otherwise find at hand.
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            runs[name] = process.submit(_run, name, width, height, channels).result()
    plain, _, built = runs.values()
    result = []
    for name, run in runs.items():
        result += [
            _row(f"{title}, {name}", run.seconds, "s"),
            _row(f"{title}, {name}, peak memory", run.peak / 1e6, "MB"),
        ]
    difference = np.abs(plain.output - built.output)
    return [
        *result,
        _row(f"{title}, time saved", 100.0 * (1.0 - built.seconds / plain.seconds), "%"),
        _row(f"{title}, peak memory saved", 100.0 * (1.0 - built.peak / plain.peak), "%"),
        _row(f"{title}, bytes a pixel and channel as built", built.peak / (width * height * channels), "B"),
        _row(f"{title}, mean difference of the outputs", float(difference.mean()), "", at_most=2e-4),
        _row(f"{title}, largest difference of the outputs", float(difference.max()), "", at_most=2e-3),
    ]


def straightforward(
    network: DiscrepancyGuidedFusion,
    infrared: Tensor,
    visible: Tensor,
    angle: Callable[[Tensor], Tensor] = torch.angle,
) -> Tensor:
    """Runs the network's layers in the order in which its description tells of them.

    Args:
        network: The network.
        infrared: (N, 1, H, W) in [0, 1].
        visible: (N, 1, H, W) in [0, 1].
        angle: Gives the phase of whole spectra.
    """
    enhancer, extractor, fusion = network.enhancer, network.extractor, network.fusion
    of_visible = torch.fft.fft2(network.visible_encoder(visible))
    of_infrared = torch.fft.fft2(network.infrared_encoder(infrared))
    amplitudes = torch.cat([of_visible.abs(), of_infrared.abs()], dim=1)
    phases = torch.cat([angle(of_visible), angle(of_infrared)], dim=1)
    amplitude = enhancer.amplitude_merging(enhancer.amplitude_mixing(amplitudes) + amplitudes)
    phase = enhancer.phase_merging(enhancer.phase_mixing(phases) + phases)
    difference = extractor.visible_gain * of_visible - extractor.infrared_gain * of_infrared
    own_amplitude = extractor.amplitude_refinement(difference.abs()) + difference.abs()
    own_phase = extractor.phase_refinement(angle(difference)) + angle(difference)
    discrepancy = _parts(own_amplitude, own_phase)
    mixed_amplitude = _parts(amplitude, own_phase)
    mixed_phase = _parts(own_amplitude, phase)
    first = _attend(fusion.frequency_attention, discrepancy, mixed_phase, mixed_amplitude)
    second = _attend(fusion.spatial_attention, discrepancy, mixed_amplitude, mixed_phase)
    gate, other = fusion.gate(torch.cat([first, second], dim=1)).sigmoid().chunk(2, dim=1)
    fused = torch.nan_to_num(gate * first + other * second, SMALL, SMALL, SMALL)
    output: Tensor = network.head(fused)
    return output


def _plain(network: DiscrepancyGuidedFusion) -> Form:
    """The straightforward form, with activations that write to memory of their own."""
    for module in network.modules():
        if isinstance(module, (nn.ReLU, nn.LeakyReLU)):
            module.inplace = False
    return partial(straightforward, network)


def _parts(amplitude: Tensor, phase: Tensor) -> Tensor:
    return torch.cat([amplitude * phase.cos(), amplitude * phase.sin()], dim=1)


def _attend(attention: DiscrepancyAttention, discrepancy: Tensor, key: Tensor, value: Tensor) -> Tensor:
    values = attention.value(value)
    energy = attention.query(discrepancy) * attention.key(key)
    weighed = attention.correlation_norm(_image(energy)) * attention.value_norm(_image(values))
    attended: Tensor = attention.output_norm(weighed + _image(discrepancy))
    return attended


def _image(spectra: Tensor) -> Tensor:
    real, imaginary = spectra.chunk(2, dim=1)
    image: Tensor = torch.fft.ifft2(torch.complex(real, imaginary)).real
    return image


def _run(name: str, width: int, height: int, channels: int) -> Run:
    """One pass on random weights and images; the peak is what it takes above what the process holds before."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    form = FORMS[name](DiscrepancyGuidedFusion(channels).eval())
    images = [torch.rand(1, 1, height, width) for _ in range(2)]
    with torch.inference_mode():
        form(*(image[..., :64, :64] for image in images))  # libraries get ready
        before, start = _resident("VmRSS"), time.process_time()
        output = form(*images).numpy()
    return Run(output, time.process_time() - start, _resident("VmHWM") - before)


def _resident(field: str) -> float:
    """A figure of this process's memory, in bytes; Linux tells."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith(field))


def _row(name: str, value: float, unit: str, **bounds: float) -> dict[str, object]:
    return {"name": f"dgfusion: {name}", "value": round(value, 6), "unit": unit, **bounds}


FORMS: dict[str, Callable[[DiscrepancyGuidedFusion], Form]] = {
    "straightforward": _plain,
    "as built, channels first": lambda network: network,
    "as built": lambda network: network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
}


if __name__ == "__main__":
    for row in rows(*map(int, sys.argv[1:])):
        print(f"{row['name']:<70} {row['value']:>12} {row['unit']}", flush=True)
