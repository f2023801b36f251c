"""Compiled loops of the detail layer: prediction, scale context and symbols (docs/format.md, 8.3 to 8.6).

Encoder and decoder share every scalar step, so that they cannot drift apart; LLVM inlines these small functions, which
compiles faster than numba's own inlining. Nothing here uses fast-math: each sum has one order, and LLVM contracts no
product and sum into a fused one unless told to. The loop over a row's pixels is the SIMD loop: the taps of the rows
above are added for the whole row at once, each pixel in the order of the taps; only the taps of the pixel's own row
wait for its neighbours.
"""

# numba compiles these functions: their annotations document, and mypy checks them as plain Python.
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel, part
from radcodec.detail.borders import Taps

N_CLASSES = 80
N_TABLES = 88
FIRST_TABLE = 64  # of a scale of one bin
PHASES = 8  # of a bin
CENTRED = 8  # phase of a bin whose middle is the prediction
N_PHASES = 9
LOOP_BIN = 16.0  # working units of the loop map in a step
N_SYMBOLS = 128
MAX_COUNT = 254
REACH = 4  # columns that the error context reaches left and right
ROWS = 5  # error rows kept: the one being coded and four above
INT_LIMIT = 2.0**54
INT_BOUND = 1 << 54
MAX_INT_STEP = 52  # exponent of a bin of integers
FLOAT_LIMIT = 2.0**1000
FILL_LIMIT = 2.0**900  # of the value outside a tile: with any prediction it stays a number
TINY = 2.0**-1000
RAW_SPARE = 512  # bytes: no pixel has more than 2135 raw bits, so a check once a pixel keeps inside the buffer
ERROR_FLOOR = 2.0**-8

OK = 0
NO_SPACE = 1  # encoder: the raw bits outgrow their buffer
BAD_STREAM = 2  # decoder: the stream cannot be right
UNFIT = 3  # encoder: a value is out of the model's range

RATES: npt.NDArray[np.float64] = 1.0 / (np.arange(MAX_COUNT + 1, dtype=np.float64) + 1.5)
INV_WEIGHT = 1.0 / 720.0

F64 = npt.NDArray[np.float64]
Int = Any  # an integer scalar: Python's in the interpreter, int64 once compiled


@part
def bits_of(v: float) -> Int:
    """Bit pattern of a binary64 number."""
    return np.float64(v).view(np.int64)


@part
def exp2(e: Int) -> float:
    """2.0**e for -1022 <= e <= 1023."""
    return np.int64((e + 1023) << 52).view(np.float64)


@part
def exponent(v: float) -> Int:
    """floor(log2 v) of a positive normal number."""
    return (bits_of(v) >> 52) - 1023


@kernel
def predict_above(window: F64, y: Int, radius: Int, coefs: F64, acc: F64) -> None:
    """Fill acc [w] with the part of a row's prediction that the rows above give; window is [R + h, R + w + R]."""
    n = acc.shape[0]
    for x in range(n):
        acc[x] = 0.0
    width = 2 * radius + 1
    i = 0
    for dy in range(radius, 0, -1):
        row = window[y + radius - dy]
        j = 0
        while j + 4 <= width:
            c0, c1, c2, c3 = coefs[i], coefs[i + 1], coefs[i + 2], coefs[i + 3]
            r0 = row[j : j + n]
            r1 = row[j + 1 : j + 1 + n]
            r2 = row[j + 2 : j + 2 + n]
            r3 = row[j + 3 : j + 3 + n]
            for x in range(n):
                acc[x] = (((acc[x] + c0 * r0[x]) + c1 * r1[x]) + c2 * r2[x]) + c3 * r3[x]
            i += 4
            j += 4
        while j < width:
            c0 = coefs[i]
            r0 = row[j : j + n]
            for x in range(n):
                acc[x] += c0 * r0[x]
            i += 1
            j += 1


@kernel
def error_above(errors: F64, y: Int, acc: F64) -> None:
    """Fill acc [w] with what the rows above add to the expected error, times 720; errors is a ring [5, w + 8]."""
    n = acc.shape[0]
    a = errors[(y + 4) % ROWS]
    b = errors[(y + 3) % ROWS]
    c = errors[(y + 2) % ROWS]
    d = errors[(y + 1) % ROWS]
    for x in range(n):
        t = 16.0 * a[x]
        t += 20.0 * a[x + 1]
        t += 28.0 * a[x + 2]
        t += 44.0 * a[x + 3]
        t += 63.0 * a[x + 4]
        t += 44.0 * a[x + 5]
        t += 28.0 * a[x + 6]
        t += 20.0 * a[x + 7]
        t += 16.0 * a[x + 8]
        t += 18.0 * b[x + 1]
        t += 22.0 * b[x + 2]
        t += 28.0 * b[x + 3]
        t += 31.0 * b[x + 4]
        t += 28.0 * b[x + 5]
        t += 22.0 * b[x + 6]
        t += 18.0 * b[x + 7]
        t += 18.0 * c[x + 2]
        t += 20.0 * c[x + 3]
        t += 21.0 * c[x + 4]
        t += 20.0 * c[x + 5]
        t += 18.0 * c[x + 6]
        t += 15.0 * d[x + 3]
        t += 16.0 * d[x + 4]
        t += 15.0 * d[x + 5]
        acc[x] = t


@part
def predict_edges(window: F64, y: Int, taps: Taps, acc: F64) -> None:
    """Fill the first and last B elements of acc [w], w >= 2B, as predict_above, for the sets of a row's ends."""
    n = acc.shape[0]
    radius, border, reach = taps.radius, taps.border, taps.reach
    end = n - reach
    for x in range(reach):
        acc[x] = 0.0
        acc[end + x] = 0.0
    i = 0
    for dy in range(border, 0, -1):
        row = window[y + radius - dy]
        for j in range(radius - border, radius + border + 1):
            start, finish = taps.left[i], taps.right[i]
            for x in range(reach):
                acc[x] += start[x] * row[x + j]
                acc[end + x] += finish[x] * row[end + x + j]
            i += 1


@kernel
def predict_rows(window: F64, y: Int, taps: Taps, acc: F64, sets: npt.NDArray[np.int64]) -> None:
    """Fill acc [w] with what the rows above give to row y of a plane, and sets [w] with each pixel's set of taps."""
    radius, border, reach = taps.radius, taps.border, taps.reach
    if y >= reach:
        predict_above(window, y, radius, taps.above[0], acc)
        if border > 0 and acc.shape[0] >= 2 * reach:
            predict_edges(window, y, taps, acc)
        if y == reach:
            choose_sets(taps, sets)
    else:
        i = 1 + min(y, border)
        predict_above(window, y, radius, taps.above[i], acc)
        sets[:] = i


@part
def choose_sets(taps: Taps, sets: npt.NDArray[np.int64]) -> None:
    """Fill sets [w] for a row that has all rows above it."""
    n = sets.shape[0]
    border, reach = taps.border, taps.reach
    sets[:] = 0
    if border > 0 and n >= 2 * reach:
        for x in range(reach):
            sets[x] = 2 + border + min(x, border)
            sets[n - 1 - x] = 3 + 2 * border + min(x, border)


@part
def predict_own(window: F64, y: Int, x: Int, radius: Int, own: F64, p: float, limit: float) -> float:
    """Prediction p of the rows above completed by the taps own [R] of the pixel's own row, and clamped."""
    row = window[y + radius]
    for k in range(radius):
        p += own[k] * row[x + k]
    if not abs(p) <= limit:  # hardly ever: a branch keeps it out of what the next pixel waits for
        p = limit if p > limit else -limit
    return p


@part
def complete_row(window: F64, y: Int, taps: Taps, sets: npt.NDArray[np.int64], acc: F64, limit: float) -> None:
    """Complete acc [w] of ``predict_rows`` as ``predict_own`` does, for a row y whose values are all in the window."""
    n, radius = acc.shape[0], taps.radius
    row = window[y + radius]
    side = taps.reach if sets[0] != sets[n // 2] else 0
    own = taps.own[sets[n // 2]]
    middle = acc[side : n - side]
    for k in range(radius):
        c, part = own[k], row[side + k : n - side + k]
        for x in range(n - 2 * side):
            middle[x] += c * part[x]
    for i in range(2 * side):
        x = i if i < side else n - 2 * side + i
        own, p = taps.own[sets[x]], acc[x]
        for k in range(radius):
            p += own[k] * row[x + k]
        acc[x] = p
    for x in range(n):
        p = acc[x]
        p = p if p >= -limit else -limit
        acc[x] = p if p <= limit else limit


@part
def complete_errors(row: Any, acc: F64, floor: float) -> None:
    """Complete acc [w] of ``error_above`` as ``expected_error`` does, for a row whose errors are all known."""
    n = acc.shape[0]
    for x in range(n):
        t = acc[x] + 16.0 * row[x]
        t += 21.0 * row[x + 1]
        t += 31.0 * row[x + 2]
        t += 63.0 * row[x + 3]
        acc[x] = max(t * INV_WEIGHT, floor)


@part
def expected_error(row: Any, x: Int, t: float, floor: float) -> float:
    """Expected error of a pixel: t of the rows above completed by its own row, which has REACH columns in front."""
    t += 16.0 * row[x]
    t += 21.0 * row[x + 1]
    t += 31.0 * row[x + 2]
    t += 63.0 * row[x + 3]
    t *= INV_WEIGHT
    return max(t, floor)


@kernel
def class_of(t: float, level: Int) -> Int:
    """Class of an expected error."""
    c = (bits_of(t) >> 50) - 4092 - level + N_CLASSES // 2
    return min(max(c, 0), N_CLASSES - 1)


@kernel
def table_of(s: float, d: Int) -> Int:
    """Table of a scale s in bins of 2^d."""
    t = (bits_of(s) >> 49) - 8184 - 8 * d + FIRST_TABLE
    return min(max(t, 0), N_TABLES - 1)


@part
def phase_of(rho: float, base: float) -> Int:
    """Phase of a position above its bin's start; just under a bin's end the difference may round up to 1."""
    return min(np.int64((rho - base) * PHASES), PHASES - 1)


@part
def unit_exponent(mu: float, z: Int, mantissa: Int) -> Int:
    """Exponent of the spacing of floats around mu, at least z."""
    a = abs(mu)
    if a < TINY:
        return z
    return max(z, exponent(a) - mantissa)


@part
def start_state(level: Int, width: Int, means: F64, counts: npt.NDArray[np.int64], errors: F64) -> float:
    """Set classes and error rows to their state at the start of a tile; gives the initial error."""
    for i in range(N_CLASSES):
        j = i - N_CLASSES // 2 + level
        means[i] = exp2(j >> 2) * (1.0 + (j & 3) * 0.25)
        counts[i] = 0
    first = exp2(level >> 2) * (1.0 + (level & 3) * 0.25)
    errors[:] = first
    return float(first)


@part
def begin_row(errors: F64, y: Int) -> None:
    """Fill the left margin of row y's errors from the row above."""
    row = errors[y % ROWS]
    above = errors[(y + ROWS - 1) % ROWS]
    for k in range(REACH):
        row[k] = above[REACH]


@part
def end_row(errors: F64, y: Int, width: Int) -> None:
    """Fill both margins of row y's errors from its own ends."""
    row = errors[y % ROWS]
    for k in range(REACH):
        row[k] = row[REACH]
        row[REACH + width + k] = row[REACH + width - 1]


@part
def unit_mean(mu: float, g: float, u: float) -> float:
    """Predicted value in units of the pixel's own step, kept within the integers that are exact."""
    if g != 1.0:
        mu = mu / g
    mu = mu - u
    return min(max(mu, -INT_LIMIT), INT_LIMIT)


@kernel
def float_quantum(values: F64) -> tuple[Int, Int]:
    """Largest z for which 2**z divides each of the finite values [n], and the fraction bits that any of them needs.

    (0, 0) if all are zero. Normal binary64 only.
    """
    low, most = 1100, 0
    for v in values:
        if v != 0.0:
            b = bits_of(v) & ((1 << 52) - 1) | (1 << 52)
            zeros = 0
            while (b & 1) == 0:
                b >>= 1
                zeros += 1
            low = min(low, ((bits_of(v) >> 52) & 2047) - 1075 + zeros)
            most = max(most, 52 - zeros)
    return (0 if low == 1100 else low), most
