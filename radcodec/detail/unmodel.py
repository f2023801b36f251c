"""The decoder's pass over a tile: prediction and ANS decoding woven together (docs/format.md, 8.5 and 8.6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel, part
from radcodec.detail.borders import Taps
from radcodec.detail.kernels import (
    BAD_STREAM,
    CENTRED,
    ERROR_FLOOR,
    F64,
    FLOAT_LIMIT,
    INT_BOUND,
    LOOP_BIN,
    MAX_COUNT,
    MAX_INT_STEP,
    N_CLASSES,
    N_PHASES,
    OK,
    RATES,
    REACH,
    ROWS,
    TINY,
    Int,
    begin_row,
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


@part
def _get(raw: npt.NDArray[np.uint8], pos: Int, n: Int) -> Int:
    """Number of n <= 64 bits at a bit position; raw has RAW_SPARE bytes of zeros behind its end."""
    v = np.uint64(0)
    got = 0
    while got < n:
        off = pos & 7
        take = min(8 - off, n - got)
        piece = (np.uint64(raw[pos >> 3]) >> np.uint64(off)) & np.uint64((1 << take) - 1)
        v |= piece << np.uint64(got)
        got += take
        pos += take
    return np.int64(v)


@part
def _spare(raw: npt.NDArray[np.uint8], pos: Int) -> Int:
    """What is left of the byte at a bit position."""
    return raw[pos >> 3] >> (pos & 7) if pos & 7 else 0


@part
def _next_symbol(
    state: Int, table: Int, cumulative: npt.NDArray[np.uint32], starts: npt.NDArray[np.uint8]
) -> tuple[Int, Int, Int]:
    """Symbol at the top of an ANS state, with the start and size of its interval."""
    q = np.uint32(state & np.uint64(0xFFFFFF))
    row = cumulative[table]
    k = np.int64(starts[table, q >> np.uint32(18)])
    while row[k + 1] <= q:
        k += 1
    return k, np.int64(row[k]), np.int64(row[k + 1]) - np.int64(row[k])


@part
def _take_float(raw: npt.NDArray[np.uint8], pos: Int, m: Int, d: Int, z: Int, mantissa: Int) -> tuple[Any, Int]:
    """Magnitude in bin m of width 2^d, and the bit position after its refinement."""
    if m > 0:
        f = max(z, exponent(float(m)) + d - mantissa)
        a = float(m) * exp2(d)
        if d > f:
            a += float(_get(raw, pos, d - f)) * exp2(f)
            pos += d - f
        return a, pos
    f = d
    while f - mantissa - 1 >= z:
        bit = _get(raw, pos, np.int64(1))
        pos += 1
        if bit:
            a = exp2(f - 1) + float(_get(raw, pos, mantissa)) * exp2(f - mantissa - 1)
            return a, pos + mantissa
        f -= 1
    if f > z:
        return float(_get(raw, pos, f - z)) * exp2(z), pos + f - z
    return 0.0, pos


@part
def _take_escape(raw: npt.NDArray[np.uint8], pos: Int) -> tuple[Int, Int, Int]:
    """(length, distance, bit position) of an escape; length 63 means that the value follows, over 54 is an error."""
    length = _get(raw, pos, np.int64(6))
    pos += 6
    if length > 54:
        return length, 0, pos
    q = _get(raw, pos, length)
    return length, (q >> 1) if q & 1 == 0 else -((q + 1) >> 1), pos + length


@kernel
def decode_float(
    out: F64,
    special: npt.NDArray[np.bool_],
    taps: Taps,
    setting: npt.NDArray[np.int64],
    fill: float,
    cumulative: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint32],
    raw: npt.NDArray[np.uint8],
    n_bits: Int,
) -> Int:
    """Fill out [p, h, w] from the streams of a float tile; gives a status. raw has RAW_SPARE zeros behind n_bits."""
    planes, height, width = out.shape
    radius, level, z, mantissa = taps.radius, setting[0], setting[2], setting[3]
    limit = exp2(setting[1])
    n_special = special.shape[0]
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    at = words.shape[0]
    state = np.uint64(0)
    for _ in range(min(at, 2)):
        at -= 1
        state = (state << np.uint64(32)) | np.uint64(words[at])
    pos = np.int64(0)
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
                    out[p, y, x] = 0.0
                    continue
                mu = fill + pred
                c = class_of(t, level)
                s = max(means[c], TINY)
                u = unit_exponent(mu, z, mantissa)
                d = max(u, exponent(s) - 2)
                if d > 1000 or u < -1020:
                    return BAD_STREAM
                half = exp2(u - 1)
                rho = (mu + (half if mu > 0.0 else (-half if mu < 0.0 else 0.0))) * exp2(-d)
                fbase = np.floor(rho)
                table = table_of(s, d) * N_PHASES + phase_of(rho, fbase)
                sym, low, size = _next_symbol(state, table, cumulative, starts)
                state = (state >> np.uint64(24)) * np.uint64(size) + (state & np.uint64(0xFFFFFF)) - np.uint64(low)
                if state < np.uint64(1 << 32) and at > 0:
                    at -= 1
                    state = (state << np.uint64(32)) | np.uint64(words[at])
                k = sym - 64
                verbatim = False
                if sym == 0:
                    length, k, pos = _take_escape(raw, pos)
                    verbatim = length == 63
                    if length > 54 and not verbatim:
                        return BAD_STREAM
                if verbatim:
                    v = np.int64(_get(raw, pos, np.int64(64))).view(np.float64)
                    pos += 64
                else:
                    m = np.int64(fbase) + k
                    a, pos = _take_float(raw, pos, m if m >= 0 else -m - 1, d, z, mantissa)
                    v = a if m >= 0 else -a
                if pos > n_bits or not abs(v) <= 2.0 * FLOAT_LIMIT:
                    return BAD_STREAM
                e = max(abs(v - mu), exp2(u - 2))
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = v - fill
                out[p, y, x] = v
            end_row(errors, y, width)
    if state != np.uint64(0) or at != 0 or (pos + 7) // 8 != (n_bits + 7) // 8 or _spare(raw, pos) != 0:
        return BAD_STREAM
    return OK


@kernel
def decode_int(
    out: npt.NDArray[np.int64],
    special: npt.NDArray[np.bool_],
    gain: F64,
    dither: F64,
    taps: Taps,
    setting: npt.NDArray[np.int64],
    fill: float,
    loop: bool,
    cumulative: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint32],
    raw: npt.NDArray[np.uint8],
    n_bits: Int,
) -> Int:
    """Fill out [p, h, w] from the streams of an integer tile; gives a status. As decode_float, with gain and dither.

    loop: the integers are those of map 4.
    """
    planes, height, width = out.shape
    radius, level = taps.radius, setting[0]
    limit = exp2(setting[1])
    n_special, n_gain, n_dither = special.shape[0], gain.shape[0], dither.shape[0]
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    at = words.shape[0]
    state = np.uint64(0)
    for _ in range(min(at, 2)):
        at -= 1
        state = (state << np.uint64(32)) | np.uint64(words[at])
    pos = np.int64(0)
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
                    out[p, y, x] = 0
                    continue
                g = gain[p, y, x] if n_gain > 0 else 1.0
                u = dither[p, y, x] if n_dither > 0 else 0.0
                mu = unit_mean(fill + pred, g, u)
                centre = np.int64(0)
                if loop:
                    centre = np.int64(np.floor(mu + 0.5))
                    mu = 0.0
                c = class_of(t, level)
                s = means[c]
                d = max(0, exponent(s) - 2)
                if d > MAX_INT_STEP:
                    return BAD_STREAM
                rho = (mu + 0.5) * exp2(-d)
                fbase = np.floor(rho)
                phase = CENTRED if loop and d == 0 else phase_of(rho, fbase)
                table = table_of(s, d) * N_PHASES + phase
                sym, low, size = _next_symbol(state, table, cumulative, starts)
                state = (state >> np.uint64(24)) * np.uint64(size) + (state & np.uint64(0xFFFFFF)) - np.uint64(low)
                if state < np.uint64(1 << 32) and at > 0:
                    at -= 1
                    state = (state << np.uint64(32)) | np.uint64(words[at])
                k = sym - 64
                if sym == 0:
                    length, k, pos = _take_escape(raw, pos)
                    if length > 54:
                        return BAD_STREAM
                m = np.int64(fbase) + k
                if abs(m) > (np.int64(1) << 54) >> d:
                    return BAD_STREAM
                v = m << d
                if d > 0:
                    v += _get(raw, pos, d)
                    pos += d
                if pos > n_bits:
                    return BAD_STREAM
                e = max(abs(float(v) - mu), ERROR_FLOOR)
                if loop:
                    v = centre + np.int64(LOOP_BIN) * v
                    if abs(v) > INT_BOUND:
                        return BAD_STREAM
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = (float(v) + u) * g - fill
                out[p, y, x] = v
            end_row(errors, y, width)
    if state != np.uint64(0) or at != 0 or (pos + 7) // 8 != (n_bits + 7) // 8 or _spare(raw, pos) != 0:
        return BAD_STREAM
    return OK
