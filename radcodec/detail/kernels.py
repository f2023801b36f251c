"""Numbers that the native passes over a tile and their callers share (docs/format.md, 8.3 to 8.6)."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from radcodec.runtime.native import BAD_STREAM, NO_SPACE, OK, UNFIT, core, pointer

__all__ = ["BAD_STREAM", "NO_SPACE", "OK", "UNFIT", "float_quantum"]

N_TABLES = 88
N_PHASES = 9
FIRST_TABLE = 64  # of a scale of one bin
PHASES = 8  # of a bin
CENTRED = 8  # phase of a bin whose middle is the prediction
N_SYMBOLS = 128
INT_LIMIT = 2.0**54
FILL_LIMIT = 2.0**900  # of the value outside a tile: with any prediction it stays a number
RAW_SPARE = 512  # bytes: no pixel has more than 2135 raw bits, so a check once a pixel keeps inside the buffer
ERROR_FLOOR = 2.0**-8


def float_quantum(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Largest z for which 2**z divides each of the finite values [n], and the fraction bits that any of them needs.

    (0, 0) if all are zero. Normal binary64 only.
    """
    z, mantissa = ctypes.c_int64(), ctypes.c_int64()
    core().float_quantum(pointer(values, np.float64), values.size, ctypes.byref(z), ctypes.byref(mantissa))
    return z.value, mantissa.value
