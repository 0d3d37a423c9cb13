"""Half spectra against whole ones: same amplitudes, same phases, same images."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch")

from tardal_ros.fusion.dgfusion import spectral  # noqa: E402

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def _random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def _close(actual, expected, tolerance=1e-12):
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=tolerance)


@settings(deadline=None, max_examples=50)
@given(SIZES, st.integers(0, 99))
def test_amplitude_and_phase_are_those_of_whole_spectra(size, seed):
    image = _random(2, 3, *size, seed=seed)
    half, whole = spectral.half_spectrum(image), torch.fft.fft2(image)
    amplitude, phase = spectral.amplitude(half, size[1]), spectral.phase(half, size[1])
    _close(amplitude, whole.abs())
    _close(torch.polar(amplitude, phase), whole)


@pytest.mark.parametrize("size", [(8, 6), (8, 7), (7, 6), (1, 1), (1, 4), (2, 2)])
@pytest.mark.parametrize("noise", [0.0, 1e-9, -1e-9, -0.0])
def test_negative_frequencies_that_mirror_themselves_have_phase_pi(size, noise):
    own = [[0] if length % 2 else [0, length // 2] for length in size]
    half = torch.ones(size[0], size[1] // 2 + 1, dtype=torch.complex128)
    for row, column in itertools.product(*own):
        half[row, column] = complex(-2.0, noise)
    phase = spectral.phase(half, size[1])
    assert torch.isclose(phase, torch.tensor(math.pi, dtype=phase.dtype)).sum() == math.prod(map(len, own))
    assert (phase > -1.0).all()


@settings(deadline=None, max_examples=50)
@given(SIZES, st.integers(0, 99))
def test_the_real_part_of_any_inverse(size, seed):
    spectra = _random(2, 6, *size, seed=seed)
    expected = torch.fft.ifft2(torch.complex(*spectra.chunk(2, dim=1))).real
    _close(spectral.real_inverse(spectra), expected)
    last = spectra.contiguous(memory_format=torch.channels_last)
    _close(spectral.real_inverse(last), expected)


def test_polar_form():
    amplitude, phase = _random(2, 3, 4, 5), _random(2, 3, 4, 5, seed=1)
    expected = torch.polar(amplitude.abs(), phase)
    actual = spectral.polar(amplitude.abs(), spectral.unit(phase))
    _close(actual, torch.cat([expected.real, expected.imag], dim=1))


@pytest.mark.parametrize("size", [(4, 6), (3, 5), (1, 2)])
def test_gradients(size):
    image = _random(1, 1, *size).requires_grad_()

    def through(image):
        half = spectral.half_spectrum(image)
        amplitude, phase = spectral.amplitude(half, size[1]), spectral.phase(half, size[1])
        return spectral.real_inverse(spectral.polar(amplitude * amplitude, spectral.unit(2.0 * phase)))

    assert torch.autograd.gradcheck(through, (image,))
