"""Entropy rate of a dithered uniform quantiser, and Gaussian R(D), from an image's local amplitude and spectrum.

::

    image - median --+--> noise map (MAD of 64-pixel cells) --+--> amplitude a(p)
                     |                                        |
                     +--> rms in small windows (sources) -----+
                     |
                     +--> z = (image - median) / a --> tapered, overlapped blocks --> log-mean --> S(f) of z

The model is a Gaussian field of spectrum S(f) times a known amplitude a(p). With bins of D and n = D^2 / 12

    floor = mean over p and f of 0.5 * log2(2 pi e (a(p)^2 S(f) + n) / D^2)    bits a pixel
    rd    = mean over p and f of max(0, 0.5 * log2(a(p)^2 S(f) / t)),   with mean of min(t, a(p)^2 S(f)) = n

The floor is the rate of an ideal predictor and entropy coder after a subtractively dithered uniform quantiser. Dither
noise counts as Gaussian. The floor is not

- a bound for sources: their shapes are not Gaussian noise, and a(p) is known here but costs bits in a file;
- a bound at low rates: uniform noise has 0.254 bit less entropy than Gaussian noise. Where n exceeds a^2 S the formula
  exceeds the true rate of a dithered quantiser by up to that much. A quantiser without dither, in a closed loop, or
  with dead zones may be further below it. A code with the maximum error D / 2 may have a larger mean square error than
  n.
- exact where the spectrum is steep: a Hann-squared taper smears it by about one bin of the block, which raises the
  estimate.

For the same reasons ``rd`` is an estimate, and no bound on the rate of an image. It is that of the Gaussian field of
this spectrum, which blocks make too smooth: what an image has between their frequencies is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import sigma
from benchmarks.types import F64, Array

CELL = 64  # side of a cell of the noise map, pixels
SOURCE_WINDOW = 2.0  # standard deviation of the Gaussian window in which the rms finds sources, pixels
SOURCE_RMS = 2.5  # rms in the window, in the noise's, above which it is a source's: sky does not change
LEAST_FINITE = 0.9  # share of finite pixels that a block needs
LEVELS = 64  # of a(p), each of an equal share of the pixels
EULER = 0.5772156649015329  # -E[ln of a chi-square variable of two degrees of freedom over its mean]
EULER_REAL = 1.2703628454614782  # the same for one degree: frequencies that are their own negatives


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSpectrum:
    """A field's model.

    ``power`` F64 [B, B] is S(f) of the field of unit amplitude; its mean is the variance. ``amplitude`` F64 [LEVELS]
    are a(p) from low to high in the image's unit, each for an equal share of the pixels. ``n_blocks`` were averaged.
    ``finite`` is the share of finite pixels.
    """

    power: F64
    amplitude: F64
    n_blocks: int
    finite: float


def local_spectrum(samples: Array) -> LocalSpectrum | None:
    """Model an image [H, W] or a stack of planes [P, H, W]; None if no block has enough finite pixels."""
    planes = samples.reshape(-1, *samples.shape[-2:])
    side = block_side(planes.shape[1], planes.shape[2])
    logs, n_blocks, amplitudes = np.zeros((side, side)), 0, []
    for plane in planes:
        known = np.isfinite(plane)
        if not known.any():
            continue
        values = np.where(known, plane, 0.0).astype(np.float64)
        values[known] -= np.median(values[known])
        amplitude = local_amplitude(values, known)
        amplitudes.append(amplitude[known])
        for periodogram in periodograms(values / amplitude, known, side):
            logs += np.log(periodogram)
            n_blocks += 1
    if n_blocks == 0:
        return None
    bias = np.full((side, side), EULER)
    own_negative = [0, side // 2] if side % 2 == 0 else [0]
    bias[np.ix_(own_negative, own_negative)] = EULER_REAL
    every = np.concatenate(amplitudes)
    # Means of equal shares rather than quantiles: the few pixels of sources must count.
    levels = np.array([np.mean(share) for share in np.array_split(np.sort(np.log(every)), min(LEVELS, every.size))])
    return LocalSpectrum(
        power=np.exp(logs / n_blocks + bias),
        amplitude=np.exp(levels),
        n_blocks=n_blocks,
        finite=every.size / samples.size,
    )


def block_side(height: int, width: int) -> int:
    """Return the side of the blocks: 128 pixels if nine half-overlapping ones fit, smaller for small images."""
    shorter = min(height, width)
    return 128 if shorter >= 256 else min(64, shorter)


def periodograms(values: F64, known: npt.NDArray[np.bool_], side: int) -> list[F64]:
    """Return periodograms [side, side] of half-overlapping blocks under a Hann-squared taper; their mean is S(f)."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(side) + 0.5) / side)
    taper = np.outer(hann**2, hann**2)
    found = []
    for y in _starts(values.shape[0], side):
        for x in _starts(values.shape[1], side):
            box = (slice(y, y + side), slice(x, x + side))
            if known[box].mean() < LEAST_FINITE:
                continue
            block = np.where(known[box], values[box], 0.0) * taper
            power = np.abs(np.fft.fft2(block)) ** 2 / float((taper**2)[known[box]].sum())
            # Where a block is constant or exactly band-limited, its power is zero but for rounding.
            found.append(np.maximum(power, 1e-24))
    return found


def _starts(length: int, side: int) -> list[int]:
    """Return the first pixels of half-overlapping blocks, evenly spread from edge to edge."""
    n = -(-2 * (length - side) // side) + 1
    return [int(v) for v in np.linspace(0, length - side, n).round()]


def local_amplitude(values: F64, known: npt.NDArray[np.bool_]) -> F64:
    """Return a(p) > 0 of a plane [H, W] of median 0: noise, and the rms around sources beyond SOURCE_RMS times it."""
    from scipy.ndimage import gaussian_filter

    noise = noise_map(values, known)
    weight = gaussian_filter(known.astype(np.float64), SOURCE_WINDOW, mode="constant")
    square = gaussian_filter(np.where(known, values, 0.0) ** 2, SOURCE_WINDOW, mode="constant")
    square = np.divide(square, weight, out=np.zeros_like(square), where=weight > 1e-3)
    return np.asarray(np.sqrt(noise**2 + np.maximum(0.0, square - (SOURCE_RMS * noise) ** 2)))


def noise_map(values: F64, known: npt.NDArray[np.bool_]) -> F64:
    """Return 1.4826 times the median absolute deviation in cells of about 64 pixels, interpolated linearly to [H, W].

    Cells with few finite pixels or without noise get the plane's value; a plane without noise, its rms.
    """
    from scipy.ndimage import map_coordinates

    height, width = values.shape
    whole = sigma(values[known]) or float(np.sqrt(np.mean(values[known] ** 2))) or 1.0
    rows, columns = max(1, round(height / CELL)), max(1, round(width / CELL))
    cells = np.full((rows, columns), whole)
    for i in range(rows):
        for j in range(columns):
            box = (
                slice(i * height // rows, (i + 1) * height // rows),
                slice(j * width // columns, (j + 1) * width // columns),
            )
            if known[box].mean() > 0.25:
                cells[i, j] = max(sigma(values[box][known[box]]), 1e-3 * whole)
    y = (np.arange(height) + 0.5) * rows / height - 0.5
    x = (np.arange(width) + 0.5) * columns / width - 0.5
    return np.asarray(map_coordinates(cells, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest"))


def dithered_floor(spectrum: LocalSpectrum, step: float) -> float:
    """Return the entropy rate in bits a finite pixel of a dithered uniform quantiser with bins of ``step``.

    The log-mean of N periodograms has a variance of about pi^2 / 6N, which raises ln(a^2 S + n) by half of it times
    r (1 - r), r = a^2 S / (a^2 S + n); that much is taken off.
    """
    noise = step**2 / 12.0
    variance = np.pi**2 / 6.0 / spectrum.n_blocks
    total = 0.0
    for amplitude in spectrum.amplitude:
        power = amplitude**2 * spectrum.power
        share = power / (power + noise)
        total += float(np.mean(np.log(2.0 * np.pi * np.e * (power + noise) / step**2)))
        total -= float(np.mean(0.5 * variance * share * (1.0 - share)))
    return 0.5 * total / len(spectrum.amplitude) / math.log(2.0)


def rate_distortion(spectrum: LocalSpectrum, step: float) -> float:
    """Return the Gaussian R(D) in bits a finite pixel at the mean square error step^2 / 12, by water-filling."""
    power = np.multiply.outer(spectrum.amplitude**2, spectrum.power).ravel()
    wanted = step**2 / 12.0
    if float(power.mean()) <= wanted:
        return 0.0
    low, high = 0.0, float(power.max())
    for _ in range(60):
        level = 0.5 * (low + high)
        low, high = (level, high) if float(np.minimum(power, level).mean()) < wanted else (low, level)
    return float(np.mean(np.maximum(0.0, 0.5 * np.log2(power / high))))
