"""The wavelet transform of block code 6 (docs/format.md, 9.10): for images of edges and smooth structure.

The biorthogonal 9/7 wavelet of Cohen, Daubechies and Feauveau (1992, doi:10.1002/cpa.3160450502) by lifting (Daubechies
and Sweldens 1998, doi:10.1007/BF02476026). The inverse is in integers; the forward transform is in binary64, sample by
sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64

Ints = npt.NDArray[np.int64]

BITS = 16  # of the numbers below
LIFTING = (-103949, -3472, 57862, 29066)  # of high, low, high, low
LOW_GAIN, HIGH_GAIN = 57007, 75340  # on the way back
MAX_LEVELS = 6
LEAST_SIDE = 8  # of what is left


def n_levels(height: int, width: int) -> int:
    """Return how often both axes are halved."""
    return max(0, min(MAX_LEVELS, min(height, width).bit_length() - LEAST_SIDE.bit_length()))


def _sides(height: int, width: int) -> list[tuple[int, int]]:
    """Return the area of each level, the finest first."""
    out = []
    for _ in range(n_levels(height, width)):
        out.append((height, width))
        height, width = -(-height // 2), -(-width // 2)
    return out


def _around_low(high: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Sum the samples of high [k, w] before and after each of n low ones, mirrored at the ends."""
    before = np.concatenate([high[:1], high])[:n]
    behind = high if len(high) == n else np.concatenate([high, high[-1:]])
    return np.asarray(before + behind)


def _around_high(low: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Sum the samples of low [k, w] before and after each of n high ones, mirrored at the end."""
    behind = low[1:] if len(low) > n else np.concatenate([low[1:], low[-1:]])
    return np.asarray(low[:n] + behind)


def _scaled(x: npt.NDArray[Any], factor: int) -> Ints:
    return np.asarray((x * np.int64(factor) + (1 << (BITS - 1))) >> BITS)


def _inverse_lines(x: Ints) -> Ints:
    """Interleave lines [n, w] that hold first their low, then their high samples."""
    n, n_low = len(x), -(-len(x) // 2)
    low, high = _scaled(x[:n_low], LOW_GAIN), _scaled(x[n_low:], HIGH_GAIN)
    low -= _scaled(_around_low(high, n_low), LIFTING[3])
    high -= _scaled(_around_high(low, n - n_low), LIFTING[2])
    low -= _scaled(_around_low(high, n_low), LIFTING[1])
    high -= _scaled(_around_high(low, n - n_low), LIFTING[0])
    out = np.empty_like(x)
    out[0::2], out[1::2] = low, high
    return out


def _forward_lines(x: F64) -> F64:
    low, high = x[0::2].copy(), x[1::2].copy()
    unit = 2.0**-BITS
    high += unit * LIFTING[0] * _around_high(low, len(high))
    low += unit * LIFTING[1] * _around_low(high, len(low))
    high += unit * LIFTING[2] * _around_high(low, len(high))
    low += unit * LIFTING[3] * _around_low(high, len(low))
    return np.concatenate([low / (unit * LOW_GAIN), high / (unit * HIGH_GAIN)])


def inverse(coefficients: Ints) -> Ints:
    """Transform coefficients [h, w] to samples, in the same unit."""
    x = coefficients.copy()
    for h, w in reversed(_sides(x.shape[0], x.shape[1])):
        part = _inverse_lines(np.ascontiguousarray(x[:h, :w].T)).T
        x[:h, :w] = _inverse_lines(np.ascontiguousarray(part))
    return x


def forward(samples: F64) -> F64:
    """Transform samples [h, w] to coefficients, in the same unit; about orthonormal."""
    x = samples.copy()
    for h, w in _sides(x.shape[0], x.shape[1]):
        part = _forward_lines(np.ascontiguousarray(x[:h, :w])).T
        x[:h, :w] = _forward_lines(np.ascontiguousarray(part)).T
    return x
