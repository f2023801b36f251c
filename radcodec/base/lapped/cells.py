"""Cells of a lapped model's codes: the coefficients to which a code's value is nearest (docs/format.md, 9.8)."""

from __future__ import annotations

import numpy as np

from radcodec.arrays import F64
from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.lapped.search import OFFSET_UNIT


def nearest_cells(codes: LappedCodes, left_out: int = 0) -> tuple[F64, F64]:
    """Return the ends of the cell of every coefficient, float64 [A, B, n, m] each, in companded units.

    A cell holds the numbers that are nearer to the decoded value than to that of any other code. An encoder that counts
    bits also takes codes of other cells; no sample can reproduce that.

    Parameters
    ----------
    codes
        What `LappedModel.read_codes` gives.
    left_out
        Planes that were not read. A cell is then as large as all the codes that begin with the planes read.
    """
    sizes = np.abs(codes.coefficients).astype(np.int64)
    least = _lower_end(sizes << left_out, codes.offsets)
    most = _lower_end((sizes + 1) << left_out, codes.offsets)
    sign = np.sign(codes.coefficients)
    lower = np.where(sign > 0, least, -most)
    upper = np.where(sign < 0, -least, most)
    return lower * codes.step, upper * codes.step


def _lower_end(sizes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], offsets: tuple[int, int]) -> F64:
    """Return where the cells of magnitudes begin, in steps: half-way between their values and those below them."""

    def value(n: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> F64:
        offset = np.where(n == 1, offsets[0], offsets[1]) / OFFSET_UNIT
        return np.asarray(np.where(n > 0, n + offset, 0.0))

    return np.asarray((value(sizes) + value(np.maximum(sizes - 1, 0))) / 2)
