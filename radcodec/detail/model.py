"""The encoder's pass over a tile: the symbol, its table and the raw bits of each pixel (docs/format.md, 8.5).

Row by row: first means and expected errors, then symbols, whose classes are all that waits for the pixel before. The
means of a row whose values are all known wait for nothing, which leaves its taps to SIMD; in a loop, and beside special
pixels, each waits for its neighbour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel, part
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
    complete_errors,
    complete_row,
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

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]


@part
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


@part
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
            pos = _put(raw, pos, np.int64(1), np.int64(1))
            return _put(raw, pos, np.int64((a - exp2(f - 1)) * exp2(mantissa + 1 - f)), mantissa)
        pos = _put(raw, pos, np.int64(0), np.int64(1))
        f -= 1
    if f > z:
        pos = _put(raw, pos, np.int64(a * exp2(-z)), f - z)
    return pos


@part
def _put_escape(raw: npt.NDArray[np.uint8], pos: Int, k: Int) -> Int:
    """Append the distance k of a bin that no symbol reaches."""
    q = 2 * k if k >= 0 else -2 * k - 1
    length = 0
    while (q >> length) > 0:
        length += 1
    pos = _put(raw, pos, length, np.int64(6))
    return _put(raw, pos, q, length)


@part
def _predict_known_float(
    window: F64, y: Int, taps: Taps, sets: Ints, setting: Ints, values: F64, fill: float, mus: F64, row: F64
) -> None:
    """Complete mus [w] of a row of values [w] of which none is special, and fill its errors in row."""
    n, z, mantissa = values.shape[0], setting[2], setting[3]
    target = window[y + taps.radius, taps.radius : taps.radius + n]
    for x in range(n):
        target[x] = values[x] - fill
    complete_row(window, y, taps, sets, mus, exp2(setting[1]))
    for x in range(n):
        mus[x] = fill + mus[x]
        row[x + REACH] = max(abs(values[x] - mus[x]), exp2(unit_exponent(mus[x], z, mantissa) - 2))


@part
def _predict_waiting_float(
    window: F64,
    y: Int,
    taps: Taps,
    sets: Ints,
    setting: Ints,
    values: F64,
    special: Flags,
    fill: float,
    mus: F64,
    row: F64,
    context: F64,
) -> None:
    """Likewise pixel by pixel for a row with special [w] pixels; context [w] is completed too."""
    radius, z, mantissa = taps.radius, setting[2], setting[3]
    limit = exp2(setting[1])
    for x in range(values.shape[0]):
        pred = predict_own(window, y, x, radius, taps.own[sets[x]], mus[x], limit)
        t = expected_error(row, x, context[x], TINY)
        context[x] = t
        if special[x]:
            window[y + radius, x + radius] = pred
            row[x + REACH] = t
            continue
        mu = fill + pred
        mus[x] = mu
        row[x + REACH] = max(abs(values[x] - mu), exp2(unit_exponent(mu, z, mantissa) - 2))
        window[y + radius, x + radius] = values[x] - fill


@part
def _code_float_row(
    values: F64,
    special: Flags,
    setting: Ints,
    mus: F64,
    context: F64,
    errors: F64,
    means: F64,
    counts: Ints,
    tables: npt.NDArray[np.uint16],
    symbols: Octets,
    raw: Octets,
    n: Int,
    pos: Int,
) -> tuple[Int, Int, Int]:
    """Symbols, tables and raw bits of a row [w], special being empty or its special pixels; gives (status, n, pos)."""
    level, z, mantissa = setting[0], setting[2], setting[3]
    marked = special.shape[0] > 0
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    for x in range(values.shape[0]):
        if marked and special[x]:
            continue
        v, mu = values[x], mus[x]
        c = class_of(context[x], level)
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
            pos = _put(raw, pos, np.int64(63), np.int64(6))
            pos = _put(raw, pos, bits_of(v), np.int64(64))
        else:
            m = np.int64(np.floor(scaled))
            k = (m if v >= 0.0 else -m - 1) - np.int64(fbase)
            symbols[n] = k + 64 if -63 <= k <= 63 else 0
            if symbols[n] == 0:
                pos = _put_escape(raw, pos, k)
            pos = _put_float(raw, pos, a, m, d, z, mantissa)
        n += 1
        if pos > capacity:
            return NO_SPACE, n, pos
        means[c] = s + (errors[x] - s) * RATES[counts[c]]
        counts[c] = min(counts[c] + 1, MAX_COUNT)
    return OK, n, pos


@kernel
def model_float(
    values: F64,
    special: npt.NDArray[np.bool_],
    taps: Taps,
    setting: Ints,
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: Octets,
    raw: Octets,
) -> tuple[Int, Int, Int]:
    """Model values [p, h, w] of a float tile in decoding order; gives (status, symbols, raw bits).

    setting is (level, clamp exponent, z, mantissa bits). Filled are tables [n] (table * 9 + phase), symbols [n]
    and raw, whose last RAW_SPARE bytes are spare.
    """
    planes, height, width = values.shape
    radius = taps.radius
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(setting[0], width, means, counts, errors)
    mus, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    nothing = np.empty(0, np.bool_)
    n, pos = np.int64(0), np.int64(0)  # of one type from the start, so that nothing is compiled twice
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_rows(window, y, taps, mus, sets)
            error_above(errors, y, context)
            begin_row(errors, y)
            row = errors[y % ROWS]
            marked = special[p, y] if special.shape[0] > 0 and special[p, y].any() else nothing
            if marked.shape[0] == 0:
                _predict_known_float(window, y, taps, sets, setting, values[p, y], fill, mus, row)
                complete_errors(row, context, TINY)
            else:
                _predict_waiting_float(window, y, taps, sets, setting, values[p, y], marked, fill, mus, row, context)
            status, n, pos = _code_float_row(
                values[p, y], marked, setting, mus, context, row[REACH:], means, counts, tables, symbols, raw, n, pos
            )
            if status != OK:
                return status, n, pos
            end_row(errors, y, width)
    return OK, n, pos


@part
def _predict_known_int(
    window: F64,
    y: Int,
    taps: Taps,
    sets: Ints,
    limit: float,
    values: Ints,
    gain: F64,
    dither: F64,
    fill: float,
    mus: F64,
    row: F64,
) -> None:
    """As _predict_known_float; gain and dither are the row's [w] or empty."""
    n = values.shape[0]
    target = window[y + taps.radius, taps.radius : taps.radius + n]
    scaled, moved = gain.shape[0] > 0, dither.shape[0] > 0
    for x in range(n):
        target[x] = (float(values[x]) + (dither[x] if moved else 0.0)) * (gain[x] if scaled else 1.0) - fill
    complete_row(window, y, taps, sets, mus, limit)
    for x in range(n):
        mus[x] = unit_mean(fill + mus[x], gain[x] if scaled else 1.0, dither[x] if moved else 0.0)
    for x in range(n):
        row[x + REACH] = max(abs(float(values[x]) - mus[x]), ERROR_FLOOR)


@part
def _predict_waiting_int(
    window: F64,
    y: Int,
    taps: Taps,
    sets: Ints,
    limit: float,
    values: Ints,
    targets: F64,
    special: Flags,
    gain: F64,
    dither: F64,
    fill: float,
    steps: Ints,
    mus: F64,
    row: F64,
    context: F64,
) -> bool:
    """As _predict_waiting_float; with targets [w], steps [w] of a loop are found and its values filled.

    False where a value is out of the model's range.
    """
    radius, loop = taps.radius, targets.shape[0] > 0
    marked, scaled, moved = special.shape[0] > 0, gain.shape[0] > 0, dither.shape[0] > 0
    for x in range(values.shape[0]):
        pred = predict_own(window, y, x, radius, taps.own[sets[x]], mus[x], limit)
        t = expected_error(row, x, context[x], ERROR_FLOOR)
        context[x] = t
        if marked and special[x]:
            window[y + radius, x + radius] = pred
            row[x + REACH] = t
            continue
        mu = fill + pred
        if scaled or moved:
            mu = unit_mean(mu, gain[x] if scaled else 1.0, dither[x] if moved else 0.0)
        if loop:
            centre = np.floor(mu + 0.5)
            step = np.floor((targets[x] - centre) * (1.0 / LOOP_BIN) + 0.5)
            v = centre + LOOP_BIN * step
            values[x], steps[x] = np.int64(v), np.int64(step)
            mu, e = 0.0, abs(step)
        else:
            v = float(values[x])
            e = abs(v - mu)
        if abs(v) > INT_BOUND:
            return False
        mus[x] = mu
        row[x + REACH] = max(e, ERROR_FLOOR)
        if scaled or moved:
            v = (v + (dither[x] if moved else 0.0)) * (gain[x] if scaled else 1.0)
        window[y + radius, x + radius] = v - fill
    return True


@part
def _code_int_row(
    steps: Ints,
    special: Flags,
    level: Int,
    loop: bool,
    mus: F64,
    context: F64,
    errors: F64,
    means: F64,
    counts: Ints,
    tables: npt.NDArray[np.uint16],
    symbols: Octets,
    raw: Octets,
    n: Int,
    pos: Int,
) -> tuple[Int, Int, Int]:
    """As _code_float_row, for the integers that are coded."""
    marked = special.shape[0] > 0
    capacity = (raw.shape[0] - RAW_SPARE) * 8
    for x in range(steps.shape[0]):
        if marked and special[x]:
            continue
        k = steps[x]
        c = class_of(context[x], level)
        s = means[c]
        d = max(0, exponent(s) - 2)
        if d > MAX_INT_STEP or abs(k) > INT_BOUND:
            return UNFIT, n, pos
        rho = (mus[x] + 0.5) * exp2(-d)
        fbase = np.floor(rho)
        tables[n] = table_of(s, d) * N_PHASES + (CENTRED if loop and d == 0 else phase_of(rho, fbase))
        bins = (k >> d) - np.int64(fbase)
        symbols[n] = bins + 64 if -63 <= bins <= 63 else 0
        if symbols[n] == 0:
            pos = _put_escape(raw, pos, bins)
        if d > 0:
            pos = _put(raw, pos, k & ((1 << d) - 1), d)
        n += 1
        if pos > capacity:
            return NO_SPACE, n, pos
        means[c] = s + (errors[x] - s) * RATES[counts[c]]
        counts[c] = min(counts[c] + 1, MAX_COUNT)
    return OK, n, pos


@kernel
def model_int(
    values: Ints,
    targets: F64,
    special: npt.NDArray[np.bool_],
    gain: F64,
    dither: F64,
    taps: Taps,
    setting: Ints,
    fill: float,
    tables: npt.NDArray[np.uint16],
    symbols: Octets,
    raw: Octets,
) -> tuple[Int, Int, Int]:
    """Model integers [p, h, w] of a tile in decoding order; as model_float, with gain and dither [p, h, w] or empty.

    targets [p, h, w] or empty are what a loop's values shall be near: then values is filled.
    """
    planes, height, width = values.shape
    radius, level = taps.radius, setting[0]
    limit = exp2(setting[1])
    loop = targets.shape[0] > 0
    means, counts = np.empty(N_CLASSES), np.empty(N_CLASSES, np.int64)
    errors = np.empty((ROWS, width + 2 * REACH))
    start = start_state(level, width, means, counts, errors)
    mus, context, sets = np.empty(width), np.empty(width), np.empty(width, np.int64)
    steps = np.empty(width, np.int64)
    unmarked, nothing = np.empty(0, np.bool_), np.empty(0)
    n, pos = np.int64(0), np.int64(0)  # of one type from the start, so that nothing is compiled twice
    for p in range(planes):
        window = np.zeros((radius + height, width + 2 * radius))
        errors[:] = start
        for y in range(height):
            predict_rows(window, y, taps, mus, sets)
            error_above(errors, y, context)
            begin_row(errors, y)
            row, value = errors[y % ROWS], values[p, y]
            marked = special[p, y] if special.shape[0] > 0 and special[p, y].any() else unmarked
            g = gain[p, y] if gain.shape[0] > 0 else nothing
            u = dither[p, y] if dither.shape[0] > 0 else nothing
            for x in range(0 if loop else width):
                steps[x] = value[x]
            if not loop and marked.shape[0] == 0:
                _predict_known_int(window, y, taps, sets, limit, value, g, u, fill, mus, row)
                complete_errors(row, context, ERROR_FLOOR)
            else:
                wanted = targets[p, y] if loop else nothing
                if not _predict_waiting_int(
                    window, y, taps, sets, limit, value, wanted, marked, g, u, fill, steps, mus, row, context
                ):
                    return UNFIT, n, pos
            status, n, pos = _code_int_row(
                steps, marked, level, loop, mus, context, row[REACH:], means, counts, tables, symbols, raw, n, pos
            )
            if status != OK:
                return status, n, pos
            end_row(errors, y, width)
    return OK, n, pos
