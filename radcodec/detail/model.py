"""The encoder's pass over a tile: the symbol, its table and the raw bits of each pixel (docs/format.md, 8.5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from radcodec.detail.borders import Taps
from radcodec.detail.kernels import (
    CENTRED,
    ERROR_FLOOR,
    F64,
    INT_BOUND,
    LOOP_BIN,
    MAX_COUNT,
    MAX_INT_STEP,
    N_CLASSES,
    N_PHASES,
    NO_SPACE,
    OK,
    RATES,
    RAW_SPARE,
    REACH,
    ROWS,
    TINY,
    UNFIT,
    Int,
    begin_row,
    bits_of,
    class_of,
    end_row,
    error_above,
    exp2,
    expected_error,
    exponent,
    phase_of,
    predict_own,
    predict_rows,
    start_state,
    table_of,
    unit_exponent,
    unit_mean,
)


@njit(cache=True)
def _put(raw: npt.NDArray[np.uint8], pos: Int, value: Int, n: Int) -> Int:
    """Append n bits of value, least significant first; gives the new bit position."""
    v = np.uint64(value)
    while n > 0:
        off = pos & 7
        take = min(8 - off, n)
        raw[pos >> 3] |= np.uint8((v & np.uint64((1 << take) - 1)) << np.uint64(off))
        v = v >> np.uint64(take)
        pos += take
        n -= take
    return pos


@njit(cache=True)
def _put_float(raw: npt.NDArray[np.uint8], pos: Int, a: float, m: Int, d: Int, z: Int, mantissa: Int) -> Int:
    """Append the refinement of a magnitude a in bin m of width 2^d."""
    if m > 0:
        f = max(z, exponent(float(m)) + d - mantissa)
        if d > f:
            pos = _put(raw, pos, np.int64((a - float(m) * exp2(d)) * exp2(-f)), d - f)
        return pos
    f = d
    while f - mantissa - 1 >= z:
        if a >= exp2(f - 1):
            pos = _put(raw, pos, 1, 1)
            return _put(raw, pos, np.int64((a - exp2(f - 1)) * exp2(mantissa + 1 - f)), mantissa)
        pos = _put(raw, pos, 0, 1)
        f -= 1
    if f > z:
        pos = _put(raw, pos, np.int64(a * exp2(-z)), f - z)
    return pos


@njit(cache=True)
def _put_symbol(raw: npt.NDArray[np.uint8], pos: Int, symbols: npt.NDArray[np.uint8], n: Int, k: Int) -> Int:
    """Set symbol n for a bin k away from the base, with the escape's raw bits where it is far."""
    if -63 <= k <= 63:
        symbols[n] = k + 64
        return pos
    symbols[n] = 0
    q = 2 * k if k >= 0 else -2 * k - 1
    length = 0
    while (q >> length) > 0:
        length += 1
    pos = _put(raw, pos, length, 6)
    return _put(raw, pos, q, length)


@njit(cache=True, nogil=True)
def model_float(
    values: F64,
    special: npt.NDArray[np.bool_],
    taps: Taps,
    setting: npt.NDArray[np.int64],
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: npt.NDArray[np.uint8],
    raw: npt.NDArray[np.uint8],
) -> tuple[Int, Int, Int]:
    """Model values [p, h, w] of a float tile in decoding order; gives (status, symbols, raw bits).

    setting is (radius, level, clamp exponent, z, mantissa bits). Filled are tables [n] (table * 8 + phase), symbols [n]
    and raw, whose last RAW_SPARE bytes are spare.
    """
    planes, height, width = values.shape
    radius, level, z, mantissa = taps.radius, setting[0], setting[2], setting[3]
    limit = exp2(setting[1])
    n_special = special.shape[0]
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    n, pos = 0, 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_rows(window, y, taps, above, sets)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = predict_own(window, y, x, radius, taps.own[sets[x]], above[x], limit)
                t = expected_error(row, x, context[x], TINY)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    continue
                v = values[p, y, x]
                mu = fill + pred
                c = class_of(t, level)
                s = max(means[c], TINY)
                u = unit_exponent(mu, z, mantissa)
                d = max(u, exponent(s) - 2)
                half = exp2(u - 1)
                rho = (mu + (half if mu > 0.0 else (-half if mu < 0.0 else 0.0))) * exp2(-d)
                fbase = np.floor(rho)
                tables[n] = table_of(s, d) * N_PHASES + phase_of(rho, fbase)
                a = abs(v)
                scaled = a * exp2(-d)
                if scaled >= 2.0**53:
                    symbols[n] = 0
                    pos = _put(raw, pos, 63, 6)
                    pos = _put(raw, pos, bits_of(v), 64)
                else:
                    m = np.int64(np.floor(scaled))
                    k = (m if v >= 0.0 else -m - 1) - np.int64(fbase)
                    pos = _put_symbol(raw, pos, symbols, n, k)
                    pos = _put_float(raw, pos, a, m, d, z, mantissa)
                n += 1
                if pos > capacity:
                    return NO_SPACE, n, pos
                e = max(abs(v - mu), exp2(u - 2))
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = v - fill
            end_row(errors, y, width)
    return OK, n, pos


@njit(cache=True, nogil=True)
def model_int(
    values: npt.NDArray[np.int64],
    targets: F64,
    special: npt.NDArray[np.bool_],
    gain: F64,
    dither: F64,
    taps: Taps,
    setting: npt.NDArray[np.int64],
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: npt.NDArray[np.uint8],
    raw: npt.NDArray[np.uint8],
) -> tuple[Int, Int, Int]:
    """Model integers [p, h, w] of a tile in decoding order; as model_float, with gain and dither [p, h, w] or empty.

    targets [p, h, w] or empty are what a loop's values shall be near: then values is filled.
    """
    planes, height, width = values.shape
    radius, level = taps.radius, setting[0]
    limit = exp2(setting[1])
    n_special, n_gain, n_dither = special.shape[0], gain.shape[0], dither.shape[0]
    loop = targets.shape[0] > 0
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    n, pos = 0, 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_rows(window, y, taps, above, sets)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = predict_own(window, y, x, radius, taps.own[sets[x]], above[x], limit)
                t = expected_error(row, x, context[x], ERROR_FLOOR)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    continue
                g = gain[p, y, x] if n_gain > 0 else 1.0
                u = dither[p, y, x] if n_dither > 0 else 0.0
                mu = unit_mean(fill + pred, g, u)
                if loop:
                    centre = np.floor(mu + 0.5)
                    k = np.int64(np.floor((targets[p, y, x] - centre) * (1.0 / LOOP_BIN) + 0.5))
                    v = np.int64(centre + LOOP_BIN * float(k))
                    values[p, y, x] = v
                    mu = 0.0
                else:
                    v = values[p, y, x]
                    k = v
                c = class_of(t, level)
                s = means[c]
                d = max(0, exponent(s) - 2)
                if d > MAX_INT_STEP or abs(v) > INT_BOUND:
                    return UNFIT, n, pos
                rho = (mu + 0.5) * exp2(-d)
                fbase = np.floor(rho)
                phase = CENTRED if loop and d == 0 else phase_of(rho, fbase)
                tables[n] = table_of(s, d) * N_PHASES + phase
                pos = _put_symbol(raw, pos, symbols, n, (k >> d) - np.int64(fbase))
                if d > 0:
                    pos = _put(raw, pos, k & ((1 << d) - 1), d)
                n += 1
                if pos > capacity:
                    return NO_SPACE, n, pos
                e = max(abs(float(k) - mu), ERROR_FLOOR)
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = (float(v) + u) * g - fill
            end_row(errors, y, width)
    return OK, n, pos
