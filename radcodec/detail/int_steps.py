"""Integers from sixteenths of a step: what they restore to, exactly, and which are nearest (docs/format.md, 8.4).

A step is ``D = 2*E + 1``. With n sixteenths of it, a sample is ``ceil(D*n/16 - 1/2)``, the nearest integer, ties
downwards. For an integer x let ``x - E - 1/2 < D*n/16 <= x + E + 1/2``, n being within half a step of x. Then the
sample is within E of x exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64

I64 = npt.NDArray[np.int64]

UNITS = 16  # of a step
LEAST_STEP = 2 * UNITS + 1  # units of a smaller one would be most integers, and no mark of an image that has them


def restore_units(units: I64, steps: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Restore integers [p, h, w] of a type from sixteenths of steps: one for all of them, or one for each."""
    step = steps.astype(np.int64)
    whole, part = units >> 4, units & 15
    with np.errstate(over="ignore"):
        sums = step * whole + ((step * part + 7) >> 4)
    limits = np.iinfo(dtype)
    clipped: npt.NDArray[Any] = np.clip(sums, limits.min, min(limits.max, 2**63 - 1)).astype(dtype)
    return clipped


def nearest_units(samples: npt.NDArray[Any], steps: npt.NDArray[Any], base: I64 | None, limit: float) -> F64:
    """Return what sixteenths of steps integers are, float64 [p, h, w], less those of a base; 0 from a limit on."""
    real = samples.astype(np.float64) / (steps / UNITS)
    if base is not None:
        real -= base
    real[~(np.abs(real) < limit)] = 0.0
    return real
