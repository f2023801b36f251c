"""Compiled loops of the detail layer: prediction, scale context and symbols (docs/format.md, 8.3 to 8.6).

Encoder and decoder share every scalar step through inlined functions, so that they cannot drift apart. Nothing here
uses fast-math: each sum has one order, and LLVM contracts no product and sum into a fused one unless told to. The
loop over a row's pixels is the SIMD loop: the taps of the rows above are added for the whole row at once, each pixel
in the order of the taps; only the taps of the pixel's own row wait for its neighbours.
"""

# numba compiles these functions: their annotations document, and mypy checks them as plain Python.
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

N_CLASSES = 80
N_TABLES = 72
N_PHASES = 8
N_SYMBOLS = 128
MAX_COUNT = 126
REACH = 4  # columns that the error context reaches left and right
ROWS = 5  # error rows kept: the one being coded and four above
INT_LIMIT = 2.0**54
FLOAT_LIMIT = 2.0**1000
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
Kernel = Any


@njit(cache=True, inline="always")
def _bits(v: float) -> int:
    """Bit pattern of a binary64 number."""
    return np.float64(v).view(np.int64)


@njit(cache=True, inline="always")
def _exp2(e: int) -> float:
    """2.0**e for -1022 <= e <= 1023."""
    return np.int64((e + 1023) << 52).view(np.float64)


@njit(cache=True, inline="always")
def _exponent(v: float) -> int:
    """floor(log2 v) of a positive normal number."""
    return (_bits(v) >> 52) - 1023


@njit(cache=True, nogil=True)
def predict_above(window: F64, y: int, radius: int, coefs: F64, acc: F64) -> None:
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


@njit(cache=True, nogil=True)
def error_above(errors: F64, y: int, acc: F64) -> None:
    """Fill acc [w] with the part of the expected error (times 720) that the rows above give; errors is a ring [5, w + 8]."""
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


@njit(cache=True, inline="always")
def _own_row(window: F64, y: int, x: int, radius: int, coefs: F64, first: int, p: float, limit: float) -> float:
    """Prediction p of the rows above completed by the pixel's own row and clamped."""
    row = window[y + radius]
    for k in range(radius):
        p += coefs[first + k] * row[x + k]
    if not p >= -limit:
        p = -limit
    if not p <= limit:
        p = limit
    return p


@njit(cache=True, inline="always")
def _expected(row: F64, x: int, t: float, floor: float) -> float:
    """Expected error of a pixel: t of the rows above completed by its own row; row has REACH columns before the first."""
    t += 16.0 * row[x]
    t += 21.0 * row[x + 1]
    t += 31.0 * row[x + 2]
    t += 63.0 * row[x + 3]
    t *= INV_WEIGHT
    return max(t, floor)


@njit(cache=True, inline="always")
def _class(t: float, level: int) -> int:
    """Class of an expected error."""
    c = (_bits(t) >> 50) - 4092 - level + N_CLASSES // 2
    return min(max(c, 0), N_CLASSES - 1)


@njit(cache=True, inline="always")
def _table(s: float, d: int) -> int:
    """Table of a scale s in bins of 2^d."""
    t = (_bits(s) >> 49) - 8184 - 8 * d + 48
    return min(max(t, 0), N_TABLES - 1)


@njit(cache=True, inline="always")
def _unit_exponent(mu: float, z: int, mantissa: int) -> int:
    """Exponent of the spacing of floats around mu, at least z."""
    a = abs(mu)
    if a < TINY:
        return z
    return max(z, _exponent(a) - mantissa)


@njit(cache=True, nogil=True)
def start_state(level: int, width: int, means: F64, counts: npt.NDArray[np.int64], errors: F64) -> float:
    """Set classes and error rows to their state at the start of a tile; gives the initial error."""
    for i in range(N_CLASSES):
        j = i - N_CLASSES // 2 + level
        means[i] = _exp2(j >> 2) * (1.0 + (j & 3) * 0.25)
        counts[i] = 0
    first = _exp2(level >> 2) * (1.0 + (level & 3) * 0.25)
    errors[:] = first
    return first


@njit(cache=True, nogil=True)
def begin_row(errors: F64, y: int) -> None:
    """Fill the left margin of row y's errors from the row above."""
    row = errors[y % ROWS]
    above = errors[(y + ROWS - 1) % ROWS]
    for k in range(REACH):
        row[k] = above[REACH]


@njit(cache=True, nogil=True)
def end_row(errors: F64, y: int, width: int) -> None:
    """Fill both margins of row y's errors from its own ends."""
    row = errors[y % ROWS]
    for k in range(REACH):
        row[k] = row[REACH]
        row[REACH + width + k] = row[REACH + width - 1]


@njit(cache=True, inline="always")
def _put(raw: npt.NDArray[np.uint8], pos: int, value: int, n: int) -> int:
    """Append n bits of value, least significant first; gives the new bit position (the caller keeps RAW_SPARE bytes)."""
    v = np.uint64(value)
    while n > 0:
        off = pos & 7
        take = min(8 - off, n)
        raw[pos >> 3] |= np.uint8((v & np.uint64((1 << take) - 1)) << np.uint64(off))
        v = v >> np.uint64(take)
        pos += take
        n -= take
    return pos


@njit(cache=True, inline="always")
def _get(raw: npt.NDArray[np.uint8], pos: int, n: int) -> int:
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


@njit(cache=True, inline="always")
def _put_float(raw: npt.NDArray[np.uint8], pos: int, a: float, m: int, d: int, z: int, mantissa: int) -> int:
    """Append the refinement of a magnitude a in bin m of width 2^d."""
    if m > 0:
        f = max(z, _exponent(float(m)) + d - mantissa)
        if d > f:
            pos = _put(raw, pos, np.int64((a - float(m) * _exp2(d)) * _exp2(-f)), d - f)
        return pos
    f = d
    while f - mantissa - 1 >= z:
        if a >= _exp2(f - 1):
            pos = _put(raw, pos, 1, 1)
            return _put(raw, pos, np.int64((a - _exp2(f - 1)) * _exp2(mantissa + 1 - f)), mantissa)
        pos = _put(raw, pos, 0, 1)
        f -= 1
    if f > z:
        pos = _put(raw, pos, np.int64(a * _exp2(-z)), f - z)
    return pos


@njit(cache=True, nogil=True)
def model_float(
    values: F64,
    special: npt.NDArray[np.bool_],
    coefs: F64,
    setting: npt.NDArray[np.int64],
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: npt.NDArray[np.uint8],
    raw: npt.NDArray[np.uint8],
) -> tuple[int, int, int]:
    """Model values [p, h, w] of a float tile in decoding order; gives (status, symbols, raw bits).

    setting is (radius, level, clamp exponent, z, mantissa bits); tables [n] (table * 8 + phase) and symbols [n] are filled.
    """
    planes, height, width = values.shape
    radius, level, z, mantissa = setting[0], setting[1], setting[3], setting[4]
    limit = _exp2(setting[2])
    n_special = special.shape[0]
    first = radius * (2 * radius + 1)
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context = np.empty(width), np.empty(width)
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    n, pos = 0, 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_above(window, y, radius, coefs, above)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = _own_row(window, y, x, radius, coefs, first, above[x], limit)
                t = _expected(row, x, context[x], TINY)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    continue
                v = values[p, y, x]
                mu = fill + pred
                c = _class(t, level)
                s = max(means[c], TINY)
                u = _unit_exponent(mu, z, mantissa)
                d = max(u, _exponent(s) - 2)
                half = _exp2(u - 1)
                rho = (mu + (half if mu > 0.0 else (-half if mu < 0.0 else 0.0))) * _exp2(-d)
                fbase = np.floor(rho)
                tables[n] = _table(s, d) * N_PHASES + np.int64((rho - fbase) * N_PHASES)
                a = abs(v)
                scaled = a * _exp2(-d)
                if scaled >= 2.0**53:
                    symbols[n] = 0
                    pos = _put(raw, pos, 63, 6)
                    pos = _put(raw, pos, _bits(v), 64)
                else:
                    m = np.int64(np.floor(scaled))
                    k = (m if v >= 0.0 else -m - 1) - np.int64(fbase)
                    pos = _put_symbol(raw, pos, symbols, n, k)
                    pos = _put_float(raw, pos, a, m, d, z, mantissa)
                n += 1
                if pos > capacity:
                    return NO_SPACE, n, pos
                e = max(abs(v - mu), _exp2(u - 2))
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = v - fill
            end_row(errors, y, width)
    return OK, n, pos


@njit(cache=True, inline="always")
def _put_symbol(raw: npt.NDArray[np.uint8], pos: int, symbols: npt.NDArray[np.uint8], n: int, k: int) -> int:
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
def model_int(
    values: npt.NDArray[np.int64],
    special: npt.NDArray[np.bool_],
    gain: F64,
    dither: F64,
    coefs: F64,
    setting: npt.NDArray[np.int64],
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: npt.NDArray[np.uint8],
    raw: npt.NDArray[np.uint8],
) -> tuple[int, int, int]:
    """Model integers [p, h, w] of a tile in decoding order; as model_float, with gain and dither [p, h, w] or empty."""
    planes, height, width = values.shape
    radius, level = setting[0], setting[1]
    limit = _exp2(setting[2])
    n_special, n_gain, n_dither = special.shape[0], gain.shape[0], dither.shape[0]
    first = radius * (2 * radius + 1)
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context = np.empty(width), np.empty(width)
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    n, pos = 0, 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_above(window, y, radius, coefs, above)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = _own_row(window, y, x, radius, coefs, first, above[x], limit)
                t = _expected(row, x, context[x], ERROR_FLOOR)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    continue
                v = values[p, y, x]
                g = gain[p, y, x] if n_gain > 0 else 1.0
                u = dither[p, y, x] if n_dither > 0 else 0.0
                mu = _unit_mean(fill + pred, g, u)
                c = _class(t, level)
                s = means[c]
                d = max(0, _exponent(s) - 2)
                rho = (mu + 0.5) * _exp2(-d)
                fbase = np.floor(rho)
                tables[n] = _table(s, d) * N_PHASES + np.int64((rho - fbase) * N_PHASES)
                pos = _put_symbol(raw, pos, symbols, n, (v >> d) - np.int64(fbase))
                if d > 0:
                    pos = _put(raw, pos, v & ((1 << d) - 1), d)
                n += 1
                if pos > capacity:
                    return NO_SPACE, n, pos
                e = max(abs(float(v) - mu), ERROR_FLOOR)
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = (float(v) + u) * g - fill
            end_row(errors, y, width)
    return OK, n, pos


@njit(cache=True, inline="always")
def _unit_mean(mu: float, g: float, u: float) -> float:
    """Predicted value in units of the pixel's own step, kept within the integers that are exact."""
    if g != 1.0:
        mu = mu / g
    mu = mu - u
    return min(max(mu, -INT_LIMIT), INT_LIMIT)


@njit(cache=True, inline="always")
def _next_symbol(
    state: int, table: int, cumulative: npt.NDArray[np.uint32], starts: npt.NDArray[np.uint8]
) -> tuple[int, int, int]:
    """Symbol at the top of an ANS state, with the start and size of its interval."""
    q = np.uint32(state & np.uint64(0xFFFFFF))
    row = cumulative[table]
    k = np.int64(starts[table, q >> np.uint32(18)])
    while row[k + 1] <= q:
        k += 1
    return k, np.int64(row[k]), np.int64(row[k + 1]) - np.int64(row[k])


@njit(cache=True, inline="always")
def _take_float(raw: npt.NDArray[np.uint8], pos: int, m: int, d: int, z: int, mantissa: int) -> tuple[float, int]:
    """Magnitude in bin m of width 2^d, and the bit position after its refinement."""
    if m > 0:
        f = max(z, _exponent(float(m)) + d - mantissa)
        a = float(m) * _exp2(d)
        if d > f:
            a += float(_get(raw, pos, d - f)) * _exp2(f)
            pos += d - f
        return a, pos
    f = d
    while f - mantissa - 1 >= z:
        bit = _get(raw, pos, 1)
        pos += 1
        if bit:
            a = _exp2(f - 1) + float(_get(raw, pos, mantissa)) * _exp2(f - mantissa - 1)
            return a, pos + mantissa
        f -= 1
    if f > z:
        return float(_get(raw, pos, f - z)) * _exp2(z), pos + f - z
    return 0.0, pos


@njit(cache=True, inline="always")
def _take_escape(raw: npt.NDArray[np.uint8], pos: int) -> tuple[int, int, int]:
    """(length, distance, bit position) of an escape; length 63 means that the value follows, over 54 is an error."""
    length = _get(raw, pos, 6)
    pos += 6
    if length > 54:
        return length, 0, pos
    q = _get(raw, pos, length)
    return length, (q >> 1) if q & 1 == 0 else -((q + 1) >> 1), pos + length


@njit(cache=True, nogil=True)
def decode_float(
    out: F64,
    special: npt.NDArray[np.bool_],
    coefs: F64,
    setting: npt.NDArray[np.int64],
    fill: float,
    cumulative: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint32],
    raw: npt.NDArray[np.uint8],
    n_bits: int,
) -> int:
    """Fill out [p, h, w] from the streams of a float tile; gives a status. raw has RAW_SPARE zeros behind n_bits."""
    planes, height, width = out.shape
    radius, level, z, mantissa = setting[0], setting[1], setting[3], setting[4]
    limit = _exp2(setting[2])
    largest = 3.4028234663852886e38 if mantissa == 23 else 2.0 * FLOAT_LIMIT
    n_special = special.shape[0]
    first = radius * (2 * radius + 1)
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context = np.empty(width), np.empty(width)
    at = words.shape[0]
    state = np.uint64(0)
    for _ in range(min(at, 2)):
        at -= 1
        state = (state << np.uint64(32)) | np.uint64(words[at])
    pos = 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_above(window, y, radius, coefs, above)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = _own_row(window, y, x, radius, coefs, first, above[x], limit)
                t = _expected(row, x, context[x], TINY)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    out[p, y, x] = 0.0
                    continue
                mu = fill + pred
                c = _class(t, level)
                s = max(means[c], TINY)
                u = _unit_exponent(mu, z, mantissa)
                d = max(u, _exponent(s) - 2)
                if d > 1000 or u < -1020:
                    return BAD_STREAM
                half = _exp2(u - 1)
                rho = (mu + (half if mu > 0.0 else (-half if mu < 0.0 else 0.0))) * _exp2(-d)
                fbase = np.floor(rho)
                table = _table(s, d) * N_PHASES + np.int64((rho - fbase) * N_PHASES)
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
                    v = np.int64(_get(raw, pos, 64)).view(np.float64)
                    pos += 64
                else:
                    m = np.int64(fbase) + k
                    a, pos = _take_float(raw, pos, m if m >= 0 else -m - 1, d, z, mantissa)
                    v = a if m >= 0 else -a
                if pos > n_bits or not abs(v) <= largest:
                    return BAD_STREAM
                e = max(abs(v - mu), _exp2(u - 2))
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = v - fill
                out[p, y, x] = v
            end_row(errors, y, width)
    if state != np.uint64(0) or at != 0 or (pos + 7) // 8 != (n_bits + 7) // 8:
        return BAD_STREAM
    return OK


@njit(cache=True, nogil=True)
def decode_int(
    out: npt.NDArray[np.int64],
    special: npt.NDArray[np.bool_],
    gain: F64,
    dither: F64,
    coefs: F64,
    setting: npt.NDArray[np.int64],
    fill: float,
    cumulative: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint32],
    raw: npt.NDArray[np.uint8],
    n_bits: int,
) -> int:
    """Fill out [p, h, w] from the streams of an integer tile; gives a status. As decode_float, with gain and dither."""
    planes, height, width = out.shape
    radius, level = setting[0], setting[1]
    limit = _exp2(setting[2])
    n_special, n_gain, n_dither = special.shape[0], gain.shape[0], dither.shape[0]
    first = radius * (2 * radius + 1)
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    above, context = np.empty(width), np.empty(width)
    at = words.shape[0]
    state = np.uint64(0)
    for _ in range(min(at, 2)):
        at -= 1
        state = (state << np.uint64(32)) | np.uint64(words[at])
    pos = 0
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_above(window, y, radius, coefs, above)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            for x in range(width):
                pred = _own_row(window, y, x, radius, coefs, first, above[x], limit)
                t = _expected(row, x, context[x], ERROR_FLOOR)
                if n_special > 0 and special[p, y, x]:
                    window[y + radius, x + radius] = pred
                    row[x + REACH] = t
                    out[p, y, x] = 0
                    continue
                g = gain[p, y, x] if n_gain > 0 else 1.0
                u = dither[p, y, x] if n_dither > 0 else 0.0
                mu = _unit_mean(fill + pred, g, u)
                c = _class(t, level)
                s = means[c]
                d = max(0, _exponent(s) - 2)
                rho = (mu + 0.5) * _exp2(-d)
                fbase = np.floor(rho)
                table = _table(s, d) * N_PHASES + np.int64((rho - fbase) * N_PHASES)
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
                means[c] = s + (e - s) * RATES[counts[c]]
                counts[c] = min(counts[c] + 1, MAX_COUNT)
                row[x + REACH] = e
                window[y + radius, x + radius] = (float(v) + u) * g - fill
                out[p, y, x] = v
            end_row(errors, y, width)
    if state != np.uint64(0) or at != 0 or (pos + 7) // 8 != (n_bits + 7) // 8:
        return BAD_STREAM
    return OK


@njit(cache=True, nogil=True)
def float_quantum(values: F64) -> int:
    """Largest z for which 2**z divides every one of the finite values [n]; 0 if all are zero. Normal binary64 only."""
    low = 1100
    for v in values:
        if v != 0.0:
            b = _bits(v) & ((1 << 52) - 1) | (1 << 52)
            zeros = 0
            while (b & 1) == 0:
                b >>= 1
                zeros += 1
            low = min(low, ((_bits(v) >> 52) & 2047) - 1075 + zeros)
    return 0 if low == 1100 else low
