"""Compiled loops of a plane: buckets, tables and symbols (docs/format.md, 9.6 and 9.7).

One walk serves coding, decoding and the encoder's search: it visits the pairs of a plane in the order of the format and
finds each one's bucket; what happens then is the mode's. The network runs on a chunk of pairs at a time, whose lanes
are SIMD lanes. All is integer.
"""

# numba compiles these functions: their annotations document, and mypy checks them as plain Python.
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from radcodec.compiled import kernel, part
from radcodec.lapped.contexts import CELLS, LAST_LOG, extent, fill_inputs, list_pairs, look_at, look_back
from radcodec.lapped.spec import LEVELS, N_BUCKETS, N_INPUTS

CODE, DECODE, COST = 0, 1, 2
CHUNK = 256
MAX_ACTIVATION = 1023
PAIR_SYMBOLS = 9
ZN_ROWS = N_BUCKETS
NN_ROWS = ZN_ROWS + N_BUCKETS * 2 * LEVELS
FLAG_ROWS = NN_ROWS + 2 * LEVELS * LEVELS
N_ROWS = FLAG_ROWS + 11 * LEVELS

I32 = npt.NDArray[np.int32]
Int = Any


class Network(NamedTuple):
    """The integer network, and the logarithms that it is given."""

    log_table: I32
    weight0: I32
    bias0: I32
    shift0: int
    weight1: I32
    bias1: I32
    shift1: int
    weight2: I32
    bias2: I32
    shift2: int


class Coder(NamedTuple):
    """Where symbols go or come from.

    cumulative : uint32 [N_ROWS, 10]
    state, at : uint64 [1] and int64 [1], of an ANS stream that is read; at counts the words that are left
    words : uint32, of that stream
    symbols, rows : uint8 and uint16, written by CODE; n : int64 [1], how many symbols there were
    """

    cumulative: npt.NDArray[np.uint32]
    state: npt.NDArray[np.uint64]
    at: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint32]
    symbols: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint16]
    n: npt.NDArray[np.int64]


class Prices(NamedTuple):
    """What the search is told and asked.

    zero, one : float32 [2, 48], bits of a coefficient that stays zero or does not, beside a zero or another
    refine : float32 [2, 5, 2], bits of the halves
    lower : int32 like magnitudes, the other choice
    ours, theirs : float32 like magnitudes, bits of both, added to
    """

    zero: npt.NDArray[np.float32]
    one: npt.NDArray[np.float32]
    refine: npt.NDArray[np.float32]
    lower: I32
    ours: npt.NDArray[np.float32]
    theirs: npt.NDArray[np.float32]


@part
def _layer(x: I32, n: Int, weight: I32, bias: I32, shift: Int, out: I32) -> None:
    """Fill out [O, n] with (bias + weight @ x [I, n]) >> shift, four inputs at a time: memory is what it waits for."""
    inputs = weight.shape[1]
    fours = inputs - inputs % 4
    for o in range(out.shape[0]):
        row, w = out[o], weight[o]
        for i in range(n):
            row[i] = bias[o]
        for k in range(0, fours, 4):
            w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
            x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
            for i in range(n):
                row[i] += w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]
        for k in range(fours, inputs):
            w0, x0 = w[k], x[k]
            for i in range(n):
                row[i] += w0 * x0[i]
        for i in range(n):
            row[i] >>= shift


@part
def _network(x: I32, n: Int, net: Network, one: I32, two: I32, three: I32, bucket: I32) -> None:
    """Fill bucket [n] from inputs x [21, n]."""
    _layer(x, n, net.weight0, net.bias0, net.shift0, one)
    for o in range(one.shape[0]):
        for i in range(n):
            one[o, i] = min(max(one[o, i], 0), MAX_ACTIVATION)
    _layer(one, n, net.weight1, net.bias1, net.shift1, two)
    for o in range(two.shape[0]):
        for i in range(n):
            two[o, i] = min(max(two[o, i], 0), MAX_ACTIVATION)
    _layer(two, n, net.weight2, net.bias2, net.shift2, three)
    for i in range(n):
        y = (((three[0, i] >> 1) + 160) * N_BUCKETS) // 208
        bucket[i] = min(max(y, 0), N_BUCKETS - 1)


@part
def _pop(coder: Coder, row: Int) -> Int:
    """Next symbol of the stream, read with a row of the tables."""
    state = coder.state[0]
    q = np.uint32(state & np.uint64(0xFFFFFF))
    table = coder.cumulative[row]
    k = 0
    while table[k + 1] <= q:
        k += 1
    low, size = np.uint64(table[k]), np.uint64(table[k + 1] - table[k])
    state = (state >> np.uint64(24)) * size + (state & np.uint64(0xFFFFFF)) - low
    if state < np.uint64(1 << 32) and coder.at[0] > 0:
        coder.at[0] -= 1
        state = (state << np.uint64(32)) | np.uint64(coder.words[coder.at[0]])
    coder.state[0] = state
    coder.n[0] += 1
    return k


@part
def _push(coder: Coder, row: Int, symbol: Int) -> None:
    """Note a symbol and the row of the tables that codes it."""
    n = coder.n[0]
    coder.rows[n] = row
    coder.symbols[n] = symbol
    coder.n[0] = n + 1


@part
def _walk_cells(mode: Int, coder: Coder, s: Int, q: I32, act: I32, before: I32, exists: I32) -> None:
    """Bring act [18, 18] (cells in a margin of zeros) from the plane before, which ``before`` keeps, to plane s.

    CODE and COST see from q [K, n, m/2, 2] which cells become active.
    """
    n_blocks, n, m = q.shape[0], q.shape[1], q.shape[2]
    for u in range(CELLS + 2):  # as a loop: compiling an assignment of arrays takes seconds
        for v in range(CELLS + 2):
            before[u, v] = act[u, v]
    fresh = np.zeros((CELLS, CELLS), np.bool_)
    if mode != DECODE:
        for b in range(n_blocks):
            for k in range(n):
                u = (CELLS * k) // n
                for j in range(m):
                    if q[b, k, j, 0] != 0 or q[b, k, j, 1] != 0:
                        fresh[u, (CELLS * j) // m] = True
    row = FLAG_ROWS + min(max(s, 0), 10) * LEVELS
    for u in range(CELLS):
        for v in range(CELLS):
            if exists[u, v] == 0 or before[u + 1, v + 1] != 0:
                continue
            t = act[u + 1, v] + act[u, v + 1] + before[u + 1, v + 2] + before[u + 2, v + 1]
            if mode == DECODE:
                act[u + 1, v + 1] = _pop(coder, row + t)
            else:
                act[u + 1, v + 1] = 1 if fresh[u, v] else 0
                if mode == CODE:
                    _push(coder, row + t, act[u + 1, v + 1])


@part
def _price(prices: Prices, h: Int, p: I32, q: I32, shift: Int, bucket: I32, where: npt.NDArray[np.int64]) -> None:
    """Add the bits of both choices of the pairs ``where`` [n], whose buckets are known."""
    for n in range(where.shape[0]):
        at, z = where[n], bucket[n]
        for i in range(2):
            other = 1 if p[at, 1 - i] > 0 else 0
            for which in range(2):
                value = (prices.lower[at, i] >> shift) if which == 1 else q[at, i]
                above = value >> 1
                if above == 0:
                    cost = prices.one[other, z] if value > 0 else prices.zero[other, z]
                else:
                    cost = prices.refine[h, min(above, LEVELS) - 1, value & 1]
                if which == 1:
                    prices.theirs[at, i] += cost
                else:
                    prices.ours[at, i] += cost


@part
def _row_of(z: Int, h: Int, p0: Int, p1: Int) -> Int:
    """Row of the table of a pair of magnitudes p0, p1 whose bucket is z."""
    if p0 == 0 and p1 == 0:
        return z
    if p0 == 0:
        return ZN_ROWS + (z * 2 + h) * LEVELS + min(p1, LEVELS) - 1
    if p1 == 0:
        return ZN_ROWS + (z * 2 + h) * LEVELS + min(p0, LEVELS) - 1
    return NN_ROWS + (h * LEVELS + min(p0, LEVELS) - 1) * LEVELS + min(p1, LEVELS) - 1


@part
def _code(
    coder: Coder, h: Int, p: I32, q: I32, sign: npt.NDArray[np.int8], bucket: I32, where: npt.NDArray[np.int64]
) -> None:
    """Note the symbols of the pairs ``where`` [n], whose buckets are known, and their rows."""
    count, rows, symbols = coder.n[0], coder.rows, coder.symbols
    for n in range(where.shape[0]):
        at = where[n]
        p0, p1 = p[at, 0], p[at, 1]
        y0 = q[at, 0] - 2 * p0 if p0 > 0 else (0 if q[at, 0] == 0 else (1 if sign[at, 0] > 0 else 2))
        y1 = q[at, 1] - 2 * p1 if p1 > 0 else (0 if q[at, 1] == 0 else (1 if sign[at, 1] > 0 else 2))
        if p0 > 0 and p1 == 0:  # the zero goes first
            y0, y1 = y1, y0
        rows[count] = _row_of(bucket[n], h, p0, p1)
        symbols[count] = (3 if p0 == 0 and p1 == 0 else 2) * y0 + y1
        count += 1
    coder.n[0] = count


@part
def _decode(
    coder: Coder, h: Int, p: I32, q: I32, sign: npt.NDArray[np.int8], bucket: I32, where: npt.NDArray[np.int64]
) -> None:
    """Read the pairs ``where`` [n], whose buckets are known, into q and sign."""
    for n in range(where.shape[0]):
        at = where[n]
        p0, p1 = p[at, 0], p[at, 1]
        symbol = _pop(coder, _row_of(bucket[n], h, p0, p1))
        base = 3 if p0 == 0 and p1 == 0 else 2
        y0, y1 = symbol // base, symbol % base
        if p0 > 0 and p1 == 0:
            y0, y1 = y1, y0
        for i in range(2):
            y = y0 if i == 0 else y1
            if p[at, i] > 0:
                q[at, i] = 2 * p[at, i] + y
            elif y > 0:
                q[at, i] = 1
                sign[at, i] = 1 if y == 1 else -1


@part
def _settle(
    mode: Int,
    coder: Coder,
    prices: Prices,
    h: Int,
    p: I32,
    q: I32,
    sign: npt.NDArray[np.int8],
    shift: Int,
    bucket: I32,
    where: npt.NDArray[np.int64],
) -> None:
    """What a mode does with the pairs ``where`` [n], whose buckets are known; p, q and sign are [pairs, 2].

    Of many pairs at a time: a call hands over every array of the tuples, which takes longer than a pair does.
    """
    if mode == COST:
        _price(prices, h, p, q, shift, bucket, where)
    elif mode == CODE:
        _code(coder, h, p, q, sign, bucket, where)
    else:
        _decode(coder, h, p, q, sign, bucket, where)


@kernel
def walk_plane(
    mode: Int,
    coder: Coder,
    prices: Prices,
    net: Network,
    counts: npt.NDArray[np.uint8],
    s: Int,
    final: Int,
    shift: Int,
    columns: Int,
    p: I32,
    q: I32,
    sign: npt.NDArray[np.int8],
    act: I32,
    before: I32,
    exists: I32,
) -> None:
    """One plane s of a tile.

    p, q, sign are [K, n, m/2, 2], blocks in row-major order of ``columns`` to a row of blocks: magnitudes before and in
    the plane (zero where DECODE has not been), signs. counts is ``known_counts``; act, before [18, 18] are the cells.
    final is 1 in the last plane of the tile, shift the planes that follow.
    """
    _walk_cells(mode, coder, s, q, act, before, exists)
    n_blocks, n, m = q.shape[0], q.shape[1], q.shape[2]
    height, width = extent(act, n, m)
    if height == 0:
        return
    context = look_back(p, height, width)
    flat_p, flat_q, flat_sign = p.reshape(-1, 2), q.reshape(-1, 2), sign.reshape(-1, 2)
    log = net.log_table
    where = np.empty(n_blocks * height * (width // 2 + 1), np.int64)
    x, one, two = (
        np.zeros((N_INPUTS, CHUNK), np.int32),
        np.empty((16, CHUNK), np.int32),
        np.empty((16, CHUNK), np.int32),
    )
    three, bucket = np.empty((1, CHUNK), np.int32), np.empty(CHUNK, np.int32)
    x[14] = 16 * (s - 6)
    x[15] = 32 * final
    x[19] = log[min(16 * m, LAST_LOG)] - 64
    x[20] = log[min(16 * n_blocks, LAST_LOG)] >> 2
    for phase in range(3):
        if phase > 0:
            look_at(q, phase, columns, context)
        x[16] = 32 if phase == 1 else 0
        x[17] = 32 if phase == 2 else 0
        found = list_pairs(phase, columns, n, m, context, act, where)
        for first in range(0, found, CHUNK):
            chunk = where[first : min(first + CHUNK, found)]
            fill_inputs(chunk, phase, columns, n, m, context, counts, log, before, x)
            _network(x, chunk.shape[0], net, one, two, three, bucket)
            _settle(mode, coder, prices, 1 - final, flat_p, flat_q, flat_sign, shift, bucket, chunk)
