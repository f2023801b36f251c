"""Brighten bright sources before quantising by about the flux that quantising loses.

A compact source is spread over all coefficients of its block, where noise dominates it. A coarse quantiser keeps the
same share of the source as of the noise: at a quarter bit a pixel two thirds of the flux. Codes are chosen once to
find this share. Then the samples are multiplied by its inverse, and codes are chosen again. Errors elsewhere grow
little, as sources are few. Samples fainter than BRIGHT do not change, since raising them would raise noise.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import KNEE

Mask = npt.NDArray[np.bool_]

BRIGHT = KNEE * math.asinh(5.0 / KNEE)  # 5 sigma
MARGIN = 2  # px around bright samples that change, too
REACH = 4  # px; a flux is the sum over a square of 2 REACH + 1 around a sample
POWER = 0.9  # exponent of the inverse of the kept share: a stronger source keeps more
LEAST, MOST = 0.5, 3.0  # factors


def bright_parts(companded: F64) -> Mask | None:
    """Mark the companded samples [h, w] in or next to bright sources; None if there are none."""
    bright = np.abs(companded) > BRIGHT
    if not bright.any():
        return None
    for axis in (0, 1):
        ahead, behind = (np.moveaxis(mask, axis, 0) for mask in (bright.copy(), bright))
        for k in range(1, MARGIN + 1):
            behind[k:] |= ahead[:-k]
            behind[:-k] |= ahead[k:]
    return bright


def keep_flux(companded: F64, restored: F64, bright: Mask) -> F64:
    """Scale the bright samples so that the flux around them equals that of ``companded``.

    Both are companded values [h, w]; ``restored`` are the decoded samples.
    """
    before, after = (np.sinh(values[bright] * (1.0 / KNEE)) for values in (companded, restored))
    there, left = (_sums(values, bright) for values in (np.abs(before), after * np.sign(before)))
    share = np.divide(left, there, out=np.ones_like(left), where=there > 0.0)
    factors = np.clip(np.maximum(share, 1e-3) ** -POWER, LEAST, MOST)
    changed = companded.copy()
    changed[bright] = KNEE * np.arcsinh(factors * before)
    return changed


def _sums(values: F64, bright: Mask) -> F64:
    """Sum values [n] at bright samples over the square of 2 REACH + 1 around each of them, [n]."""
    total = np.zeros(bright.shape)
    total[bright] = values
    for axis in (0, 1):
        n: int = total.shape[axis]
        ends = [(1 + REACH, REACH) if k == axis else (0, 0) for k in (0, 1)]
        running = np.moveaxis(np.cumsum(np.pad(total, ends), axis), axis, 0)
        total = np.moveaxis(running[2 * REACH + 1 :] - running[:n], 0, axis)
    return total[bright]
