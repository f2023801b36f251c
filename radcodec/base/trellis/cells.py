"""The cells of coefficients that a trellis quantised: what the nearest points stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.trellis.codes import TrellisCodes

CUT_SHIFT = 48  # what the half step between the codebooks takes off the offset of cut magnitudes, in 64ths


def nearest_cells(codes: TrellisCodes, left_out: int, middle: npt.NDArray[np.int64]) -> tuple[F64, F64]:
    """Return the ends of the cell of every coefficient, in companded units.

    Parameters
    ----------
    left_out
        Planes that were not read.
    middle
        What magnitudes that are not 0 stand for, in 64ths of a step; unused where planes are left out.
    """
    sizes = np.abs(codes.coefficients).astype(np.int64)
    if left_out:
        least, most = (64 * (n << left_out) - CUT_SHIFT for n in (sizes, sizes + 1))
    else:
        least, most = np.where(sizes == 1, middle // 2, middle - 32), np.where(sizes > 0, middle + 32, 32)
    ends = np.where(sizes > 0, np.maximum(least, 0), -most), most
    negative = codes.coefficients < 0
    lower, upper = np.where(negative, -ends[1], ends[0]), np.where(negative, -ends[0], ends[1])
    return lower * (codes.step / 64), upper * (codes.step / 64)
