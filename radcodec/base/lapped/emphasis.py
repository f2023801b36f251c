"""Brighten bright sources before quantising by about the flux that quantising loses.

A compact source is spread over all coefficients of its block, where noise dominates it. A coarse quantiser keeps the
same share of the source as of the noise: at a quarter bit a pixel two thirds of the flux. Codes are chosen once to
find this share. Then the samples are multiplied by its inverse, and codes are chosen again. What is left out then is
found and made up for in the same way once more. Errors elsewhere grow little, as sources are few: where they are not,
nothing is done. Samples fainter than BRIGHT do not change, since raising them would raise noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import KNEE
from radcodec.base.lapped.single import Floats

Mask = npt.NDArray[np.bool_]

BRIGHT = KNEE * math.asinh(5.0 / KNEE)  # 5 sigma
MOST_BRIGHT = 0.2  # share of a tile; emission that fills more of it is smooth, and keeps its flux by itself
MARGIN = 2  # px around bright samples that change, too
REACH = 1  # px; a flux is the sum over a square of 2 REACH + 1 around a sample, so that shapes come back, too
LEAST, MOST = 0.5, 3.0  # factors of one turn
TURNS = 2
NEAR = 0.12  # mean distance of shares from 1 up to which one turn is enough


def bright_parts(companded: F64) -> Mask | None:
    """Mark the companded samples [h, w] in or next to bright sources; None if there are none, or too many."""
    bright = np.abs(companded) > BRIGHT
    if not bright.any():
        return None
    for axis in (0, 1):
        ahead, behind = (np.moveaxis(mask, axis, 0) for mask in (bright.copy(), bright))
        for k in range(1, MARGIN + 1):
            behind[k:] |= ahead[:-k]
            behind[:-k] |= ahead[k:]
    return bright if bright.mean() <= MOST_BRIGHT else None


def keep_flux(companded: F64, restored: Floats, bright: Mask, draft: Callable[[F64], Floats]) -> F64:
    """Raise the bright samples by about what coding leaves out of them, in one turn or two.

    Parameters
    ----------
    companded, restored
        Companded values [h, w] before coding, and decoded.
    draft
        Gives about what other values [h, w] are decoded to.
    """
    target = companded
    for turn in range(TURNS):
        shares = kept_shares(companded, draft(target) if turn else restored, bright)
        target = make_up(target, shares, bright)
        if is_enough(shares):
            break
    return target


def kept_shares(companded: F64, restored: Floats, bright: Mask) -> F64:
    """Return the share of the flux around each bright sample that is left, [n].

    ``companded`` and ``restored`` are companded values [h, w], before coding and decoded.
    """
    before, after = (np.sinh(values[bright].astype(np.float64) * (1.0 / KNEE)) for values in (companded, restored))
    there, left = (_sums(values, bright) for values in (np.abs(before), after * np.sign(before)))
    return np.divide(left, there, out=np.ones_like(left), where=there > 0.0)


def is_enough(shares: F64) -> bool:
    """Say whether shares are so near 1 that no turn has to follow the one that makes up for them."""
    return float(np.abs(shares - 1.0).mean()) <= NEAR


def make_up(target: F64, shares: F64, bright: Mask) -> F64:
    """Scale bright samples of companded values [h, w] by about the inverse of the share of their flux that is left."""
    factors = np.clip(1.0 / np.maximum(shares, 1e-3), LEAST, MOST)
    changed = target.copy()
    changed[bright] = KNEE * np.arcsinh(factors * np.sinh(target[bright] * (1.0 / KNEE)))
    return changed


def _sums(values: F64, bright: Mask) -> F64:
    """Sum values [n] at bright samples over the square of 2 REACH + 1 around each of them, [n]."""
    wide = np.zeros((bright.shape[0] + 2 * REACH, bright.shape[1] + 2 * REACH))
    rows, columns = np.nonzero(bright)
    wide[rows + REACH, columns + REACH] = values
    total = np.zeros(values.shape)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            total += wide[rows + down, columns + right]
    return total
