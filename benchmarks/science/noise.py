"""What is left of an image's noise: size, distribution, spectrum, and whether the errors know of the image."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.data.datasets import sigma
from benchmarks.types import F64, Array

FAINT = 5.0  # sigma; what is above is a source
ANNULI = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)  # cycles a pixel


def ks_distance(before: F64, after: F64) -> float:
    """Return the largest difference of two cumulative distributions (Kolmogorov-Smirnov)."""
    left, right = np.sort(before), np.sort(after)
    everything = np.concatenate([left, right])
    shares = (np.searchsorted(values, everything, side="right") / len(values) for values in (left, right))
    first, second = shares
    return float(np.abs(first - second).max())


def annulus_powers(image: F64) -> F64:
    """Return the power of a windowed image [H, W] in each annulus of the uv plane."""
    window = np.hanning(image.shape[0] + 2)[1:-1, None] * np.hanning(image.shape[1] + 2)[1:-1]
    power = np.abs(np.fft.fft2(image * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    return np.array([
        power[(radius >= low) & (radius < high)].sum() for low, high in itertools.pairwise(ANNULI)
    ])  # fmt: skip


def noise_figures(original: Array, decoded: Array) -> dict[tuple[str, str], float]:
    """Return figures by metric and annulus, over finite samples under 5 sigma of the original.

    ``rms_ratio``: standard deviations. ``mad_ratio``: their robust kin. ``ks``: distance of the distributions.
    ``kurtosis``: that of the decoded less that of the original. ``gain``: slope of decoded against original, under 1
    where what is faint is shrunk. ``residual_correlation``: of error and original, 0 where errors know nothing of it.
    ``power_ratio``: of power spectra, an annulus of uv radius in cycles a pixel. ``mean_shift``: in sigma.
    """
    finite = np.isfinite(original)
    middle, noise = float(np.median(original[finite])), sigma(original)
    faint = finite & (np.abs(np.where(finite, original, 0).astype(np.float64) - middle) < FAINT * noise)
    before = (original[faint].astype(np.float64) - middle) / noise
    after = (decoded[faint].astype(np.float64) - middle) / noise
    error, centred = after - before, before - before.mean()
    images = [np.zeros(original.shape), np.zeros(original.shape)]
    images[0][faint], images[1][faint] = before, after
    powers = [annulus_powers(image) for image in images]
    found = {
        ("rms_ratio", ""): float(after.std() / before.std()),
        ("mad_ratio", ""): sigma(after) / sigma(before),
        ("mean_shift", ""): float(error.mean()),
        ("ks", ""): ks_distance(before, after),
        ("kurtosis", ""): _kurtosis(after) - _kurtosis(before),
        ("gain", ""): 1.0 + float((error * centred).mean() / centred.var()),
        ("residual_correlation", ""): _correlation(error, before),
    }
    for low, high, power, kept in zip(ANNULI[:-1], ANNULI[1:], powers[0], powers[1], strict=True):
        found["power_ratio", f"{low:g}-{high:g}"] = float(kept / power)
    return found


def _kurtosis(values: F64) -> float:
    """Return the fourth moment over the squared second, less 3; 0 for a constant."""
    centred = values - values.mean()
    variance = float((centred**2).mean())
    return float((centred**4).mean()) / variance**2 - 3.0 if variance > 0 else 0.0


def _correlation(first: F64, second: F64) -> float:
    """Return Pearson's correlation; 0 if one does not vary."""
    product = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean()) / product if product > 1e-12 else 0.0
