"""A predictor's coefficients as integers: the precision that costs the fewest bits (docs/format.md, 8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.borders import Taps, derive_taps, tap_offsets
from radcodec.detail.earlier import EarlierTaps
from radcodec.detail.rice import rice_bits
from radcodec.limits import MAX_SHIFT
from radcodec.runtime.native import core, pointer

MAX_COEFFICIENT = 1 << 46
RIDGES = tuple(10.0**e for e in range(-16, 1))  # of the mean diagonal
PATIENCE = 12  # precisions without gain after which the search ends


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A quantised predictor: coefficient = integer * 2**-shift, in tap order; border and reach are those of 8.3.

    earlier are taps in earlier planes: the window values are then what these leave of a plane.
    """

    radius: int
    shift: int
    integers: npt.NDArray[np.int64]
    border: int = 0
    reach: int = 0
    earlier: EarlierTaps | None = None

    @property
    def coefficients(self) -> F64:
        """Coefficients as binary64, in tap order."""
        return np.ascontiguousarray(self.integers.astype(np.float64) * 2.0**-self.shift)

    @cached_property
    def taps(self) -> Taps | None:
        """Coefficient sets for the kernels, or None where the border sets do not exist."""
        return derive_taps(self.coefficients, self.radius, self.border, self.reach)


@lru_cache(maxsize=16)
def coding_order(radius: int) -> list[int]:
    """Tap numbers from the nearest tap to the farthest, ties in tap order."""
    taps = tap_offsets(radius)
    return sorted(range(len(taps)), key=lambda i: (taps[i][0] ** 2 + taps[i][1] ** 2, i))


def quantise_predictor(coefs: F64, radius: int, gram: F64, error: float, n_pixels: int) -> tuple[Predictor, float]:
    """Predictor at the precision where the bits of coefficients [n] and those that rounding costs are fewest, and both.

    At the optimum a change d of the coefficients adds d^T gram d to the error; a pixel costs half the logarithm of it.
    """
    order = np.array(coding_order(radius))
    lower = _lower(gram)
    if lower is None or not np.isfinite(coefs).all():
        return Predictor(radius=radius, shift=0, integers=np.zeros(len(coefs), np.int64)), np.inf
    best, best_bits, best_shift = np.zeros(len(coefs), np.int64), np.inf, 0
    for shift in range(MAX_SHIFT + 1):
        rounded, added = round_to_plane(coefs * 2.0**shift, lower * 2.0**-shift)
        if not np.abs(rounded).max(initial=0.0) < MAX_COEFFICIENT / 2:  # also where one is not a number
            continue
        integers = rounded.astype(np.int64)
        bits = rice_bits(integers[order]) + 0.5 * n_pixels * np.log2(1.0 + added / error)
        if bits < best_bits:
            best, best_bits, best_shift = integers, bits, shift
        elif shift - best_shift >= PATIENCE:
            break
    return Predictor(radius=radius, shift=best_shift, integers=best), best_bits


def _lower(gram: F64) -> F64 | None:
    """Cholesky factor [n, n] of a normal matrix, with the least ridge at which it exists; None where there is none."""
    diagonal = float(np.trace(gram)) / len(gram)
    for ridge in RIDGES:
        try:
            lower = np.linalg.cholesky(gram + ridge * diagonal * np.eye(len(gram)))
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(lower).all():
            return np.asarray(lower)
    return None


def round_to_plane(x: F64, lower: F64) -> tuple[F64, float]:
    """Find integers [n] near x [n] with a small d^T L L^T d for their difference d to x, and that number.

    Babai's nearest plane method (Combinatorica 6, 1986): each rounding is made good by the unknowns still to come.
    """
    n = x.size
    out, left = np.empty(n), np.empty(n)
    factor = pointer(np.ascontiguousarray(lower), np.float64, n * n)
    buffers = (pointer(left, np.float64), pointer(out, np.float64))
    return out, float(core().round_to_plane(pointer(x, np.float64), factor, n, *buffers))
