"""Compand pixels for base-layer models: linear below about 3 times the noise, logarithmic above."""

from __future__ import annotations

import numpy as np

from radcodec.arrays import F64
from radcodec.errors import InputError

# y = KNEE asinh((v - offset) / (KNEE scale)).
KNEE = 3.0
# Decoders give y in units of 1/OUTPUT_UNIT, clamped to +-OUTPUT_LIMIT (48 companded units, which is 1.3e7 sigma).
OUTPUT_UNIT = 64
OUTPUT_LIMIT = 3071


def compand(values: F64, offset: float, scale: float) -> F64:
    """Return 3 asinh((values - offset) / (3 scale)), clamped to the decoder's range; non-finite values become 0.

    Raises
    ------
    InputError
        ``scale`` is not above 0, or either number is not finite.
    """
    if not (np.isfinite(offset) and np.isfinite(scale) and scale > 0):
        raise InputError(f"base layer: expected a finite offset and a scale above 0, found {offset} and {scale}")
    with np.errstate(all="ignore"):
        ratio = (values.astype(np.float64) - offset) / (KNEE * scale)
    limit = OUTPUT_LIMIT / OUTPUT_UNIT
    finite = np.where(np.isnan(ratio) | ~np.isfinite(values), 0.0, ratio)
    return np.asarray(np.clip(KNEE * np.arcsinh(finite), -limit, limit), dtype=np.float64)
