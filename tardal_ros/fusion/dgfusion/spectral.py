"""Spectra of images: amplitude, phase, and back, with what a real image makes redundant computed once.

The spectrum X of a real image is Hermitian: X(-k) is the conjugate of X(k), indices modulo the size. So a transform
of half of the columns holds all of it, and the other half of its amplitude and phase is a mirror image. Conversely the
real part of any spectrum's inverse transform is the inverse transform of its Hermitian part, (X(k) + X*(-k)) / 2.

Transforms are two-dimensional, over the last two axes; the forward one is not scaled, the inverse one by 1 / (H W).
"""

from __future__ import annotations

# Torch is known to be there: whoever imports this has read weights, or trains.
import torch
from torch import Tensor


def half_spectrum(image: Tensor) -> Tensor:
    """The first W // 2 + 1 columns of real images' spectra: (..., H, W) to complex (..., H, W // 2 + 1)."""
    half: Tensor = torch.fft.rfft2(image)
    return half


def amplitude(half: Tensor, width: int) -> Tensor:
    """The amplitude of real images' whole spectra, (..., H, width), from half of them."""
    return _mirror(half.abs(), width, 1)


def phase(half: Tensor, width: int) -> Tensor:
    """The phase of real images' whole spectra in [-pi, pi], (..., H, width), from half of them.

    Frequencies that mirror themselves are real. Where they are negative, the phase is pi: not -pi, as rounding of the
    imaginary part to something just below 0 would make it in one library and not in another.
    """
    angle = half.angle()
    # From -pi to pi is a whole turn, which gradients do not see.
    angle.detach()[..., _own_mirrors(half.shape[-2]), _own_mirrors(width)].abs_()
    return _mirror(angle, width, -1)


def unit(phase: Tensor) -> Tensor:
    """What has a phase and amplitude 1: (N, C, H, W) to (N, 2 C, H, W), real parts, then imaginary parts."""
    return torch.cat([phase.cos(), phase.sin()], dim=1)


def polar(amplitude: Tensor, unit: Tensor) -> Tensor:
    """Spectra of an amplitude (N, C, H, W) and the `unit` of a phase: (N, 2 C, H, W), real, then imaginary parts."""
    channels = amplitude.shape[1]
    return (unit.view(-1, 2, channels, *unit.shape[2:]) * amplitude.unsqueeze(1)).flatten(1, 2)


def real_inverse(spectra: Tensor) -> Tensor:
    """The real part of the inverse transform of any spectra.

    Args:
        spectra: (N, 2 C, H, W), real parts, then imaginary parts; need not be Hermitian.

    Returns:
        (N, C, H, W).
    """
    size = spectra.shape[-2:]
    real, imaginary = spectra.chunk(2, dim=1)
    columns = size[1] // 2 + 1
    hermitian = torch.complex(
        real[..., :columns] + _opposite(real, columns), imaginary[..., :columns] - _opposite(imaginary, columns)
    )
    inverse: Tensor = torch.fft.irfft2(hermitian, s=size)
    return inverse.mul_(0.5)


def _opposite(spectra: Tensor, columns: int) -> Tensor:
    """What is at -k for every k of the first columns."""
    behind = torch.cat([spectra[..., :1], spectra[..., 1 - columns + spectra.shape[-1] :].flip(-1)], dim=-1)
    return _reverse_rows(behind)


def _own_mirrors(size: int) -> slice:
    """The indices with -k = k: 0, and the middle of an even size."""
    return slice(1) if size % 2 else slice(0, size // 2 + 1, size // 2)


def _mirror(half: Tensor, width: int, sign: int) -> Tensor:
    """All columns from the first ones: X(-k) = sign X(k)."""
    rest = _reverse_rows(half[..., 1 : (width + 1) // 2].flip(-1))
    return torch.cat([half, rest if sign > 0 else -rest], dim=-1)


def _reverse_rows(image: Tensor) -> Tensor:
    return image.flip(-2).roll(1, -2)
