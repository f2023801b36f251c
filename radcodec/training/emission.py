"""Simulate extended emission for training: filaments, shells and lobes at several scales, under the noise of a beam."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.simulate import simulate_image
from radcodec.training.datasets import Image, normalise

Floats = npt.NDArray[np.float64]

#: Range of the peak of emission over the noise.
PEAK_SNR = (3.0, 3000.0)


def simulate_emission(rng: np.random.Generator, side: int) -> Image:
    """Return a simulated image full of emission, in units of its noise, float32 [side, side].

    Filaments are an exponentiated Gaussian field of a steep spectrum. Shells are rings, lobes are pairs of blobs; their
    sizes are drawn evenly in octaves, from a few pixels to the side.
    """
    sky = np.zeros((side, side))
    if rng.random() < 0.6:
        sky += _filaments(side, rng)
    for _ in range(int(rng.integers(0, 5))):
        sky += rng.uniform(0.2, 1.0) * _shell(side, rng)
    for _ in range(int(rng.integers(1, 6))):
        sky += rng.uniform(0.2, 1.0) * _lobes(side, rng)
    beam = float(np.exp(rng.uniform(np.log(2.0), np.log(6.0))))
    noise = simulate_image(
        (side, side), seed=int(rng.integers(2**31)), beam_fwhm_px=(beam, beam * rng.uniform(0.6, 1.0)),
        noise_rms=1.0, n_sources=int(rng.integers(0, 15)), max_snr=float(10 ** rng.uniform(0.5, 3.0)),
    ).astype(np.float64)  # fmt: skip
    peak = float(np.exp(rng.uniform(*np.log(PEAK_SNR))))
    smooth = _smoothed(sky, beam)
    return normalise(noise + peak * smooth / max(float(smooth.max()), 1e-9), None if rng.random() < 0.7 else 1.0)


def _frequencies(side: int) -> Floats:
    """Return the distance from frequency 0 on the grid of rfft2, in cycles a pixel."""
    across = np.asarray(np.fft.rfftfreq(side), np.float64)
    return np.asarray(np.hypot(np.fft.fftfreq(side)[:, None], across[None]), np.float64)


def _filaments(side: int, rng: np.random.Generator) -> Floats:
    power = np.maximum(_frequencies(side), 1.0 / side) ** -rng.uniform(1.2, 2.0)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * power, s=(side, side))
    field = np.exp(rng.uniform(0.7, 1.8) * field / max(float(field.std()), 1e-9))
    return np.asarray(field / field.max(), np.float64)


def _distance(side: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return coordinates along and across a random direction, from a random place."""
    y, x = np.mgrid[:side, :side] - rng.uniform(0, side, 2)[:, None, None]
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _shell(side: int, rng: np.random.Generator) -> Floats:
    along, across = _distance(side, rng)
    radius = float(np.exp(rng.uniform(np.log(6.0), np.log(side / 2))))
    distance = np.hypot(along, across * rng.uniform(1.0, 1.6))
    return np.asarray(np.exp(-0.5 * np.square((distance - radius) / (radius * rng.uniform(0.05, 0.3)))), np.float64)


def _lobes(side: int, rng: np.random.Generator) -> Floats:
    along, across = _distance(side, rng)
    size = float(np.exp(rng.uniform(np.log(3.0), np.log(side / 4))))
    gap, wide = size * rng.uniform(0.8, 3.0), size * rng.uniform(0.4, 1.0)
    sides = [np.exp(-0.5 * (np.square((along + shift) / size) + np.square(across / wide))) for shift in (-gap, gap)]
    return np.asarray(sides[0] + rng.uniform(0.2, 1.0) * sides[1], np.float64)


def _smoothed(sky: Floats, fwhm_px: float) -> Floats:
    """Convolve with a Gaussian beam."""
    sigma = fwhm_px / 2.3548
    transfer = np.exp(-2 * np.square(np.pi * sigma * _frequencies(sky.shape[0])))
    return np.asarray(np.fft.irfft2(np.fft.rfft2(sky) * transfer, s=sky.shape), np.float64)
