"""What is known around a pair of coefficients, as inputs of the network (docs/format.md, 9.7): compiled, integers."""

# numba compiles these functions: their annotations document, and mypy checks them as plain Python.
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from radcodec.compiled import part

CELLS = 16
LAST_LOG = 4095
# Rows and columns to each side, as numbers of a type: for literal ones a function is compiled again for each.
LEVEL_BOXES = ((np.int64(1), np.int64(1)), (np.int64(2), np.int64(1)), (np.int64(5), np.int64(2)))
RECENT_BOXES = ((np.int64(1), np.int64(1)), (np.int64(2), np.int64(1)), (np.int64(4), np.int64(2)))
MAX_LEVEL = 1 << 14  # of what contexts sum up, so that sums stay within 32 bits

I32 = npt.NDArray[np.int32]
Int = Any


@part
def _box(src: Any, dst: Any, tmp: Any, r: Int, t: Int) -> None:
    """Fill dst [h, w] with the sums of src over r rows and t columns to each side, zero outside."""
    h, w = src.shape
    for i in range(h):
        for j in range(w):
            tmp[i, j] = src[i, j]
        for d in range(1, t + 1):
            for j in range(w - d):
                tmp[i, j] += src[i, j + d]
            for j in range(d, w):
                tmp[i, j] += src[i, j - d]
    for j in range(w):
        dst[0, j] = 0
    for i in range(min(r + 1, h)):
        for j in range(w):
            dst[0, j] += tmp[i, j]
    for i in range(1, h):
        for j in range(w):
            dst[i, j] = dst[i - 1, j]
        if i + r < h:
            for j in range(w):
                dst[i, j] += tmp[i + r, j]
        if i - r - 1 >= 0:
            for j in range(w):
                dst[i, j] -= tmp[i - r - 1, j]


@part
def _span(i: Int, r: Int, n: Int) -> Int:
    """How many of i - r .. i + r are within 0 .. n - 1."""
    return min(i + r, n - 1) - max(i - r, 0) + 1


@part
def _phase_of(k: Int, j: Int, parity: Int) -> Int:
    """Phase of a pair in a block of a parity."""
    e, f = (k + parity) & 1, j & 1
    if e == 0 and f == 0:
        return 0
    return 1 if e == 1 and f == 1 else 2


@part
def _cells_of(n: Int) -> I32:
    """The cell of each of n rows or pair columns."""
    out = np.empty(n, np.int32)
    for i in range(n):
        out[i] = (CELLS * i) // n
    return out


def known_counts(n: int, m: int) -> npt.NDArray[np.uint8]:
    """Pairs of earlier phases in the three boxes, at most 45: uint8 [parity, phase, box, n, m]."""
    out = np.zeros((2, 3, 3, n, m), np.uint8)
    k, j = np.arange(n)[:, None], np.arange(m)[None]
    for parity in range(2):
        row, column = (k + parity) & 1, j & 1
        phases = np.where(row != column, 2, row)
        for phase in (1, 2):
            sums = np.zeros((n + 1, m + 1), np.int64)
            sums[1:, 1:] = (phases < phase).cumsum(0).cumsum(1)
            for box, (r, t) in enumerate(RECENT_BOXES):
                low, high = np.maximum(k - r, 0), np.minimum(k + r + 1, n)
                left, right = np.maximum(j - t, 0), np.minimum(j + t + 1, m)
                out[parity, phase, box] = sums[high, right] - sums[low, right] - sums[high, left] + sums[low, left]
    return out


@part
def extent(act: I32, n: Int, m: Int) -> tuple[Int, Int]:
    """Rows and pair columns of a block that hold all active cells."""
    rows, columns = 0, 0
    for u in range(CELLS):
        for v in range(CELLS):
            if act[u + 1, v + 1] != 0:
                rows, columns = max(rows, u + 1), max(columns, v + 1)
    return min(n, -(-rows * n // CELLS)), min(m, -(-columns * m // CELLS))


@part
def _mean(total: Int, count: Int) -> Int:
    """The mean, rounded down; 0 of nothing."""
    return total // count if count > 0 else 0


@part
def _neighbours(
    a: Int, c: Int, blocks: Int, columns: Int, near: npt.NDArray[np.int64], far: npt.NDArray[np.int64]
) -> tuple[Int, Int]:
    """How many blocks touch block (a, c) at a side, and at a corner; their numbers go to near [4] and far [4]."""
    n_near, n_far = 0, 0
    for da in range(-1, 2):
        for dc in range(-1, 2):
            if (da == 0 and dc == 0) or not 0 <= a + da < blocks or not 0 <= c + dc < columns:
                continue
            other = (a + da) * columns + c + dc
            if da != 0 and dc != 0:
                far[n_far] = other
                n_far += 1
            else:
                near[n_near] = other
                n_near += 1
    return n_near, n_far


class Context(NamedTuple):
    """What is known of a tile in a plane, for the network: of blocks [K] of h x w pairs that hold all active cells.

    level : int32 [K, h, w], G of the format; sums : int32 [3, K, h, w], of its boxes
    total, over : int64 [h, w], G and its first box over all blocks; share : int64 [K], G over each block
    everything : the sum of share, at least 1
    known : int32 [K, h, w], Q of earlier phases; recent : int32 [3, K, h, w], of its boxes
    """

    level: I32
    sums: I32
    total: npt.NDArray[np.int64]
    over: npt.NDArray[np.int64]
    share: npt.NDArray[np.int64]
    everything: Int
    known: I32
    recent: I32


@part
def look_back(p: I32, height: Int, width: Int) -> Context:
    """The context of magnitudes p [K, n, m/2, 2] before a plane, without anything in the plane."""
    n_blocks = p.shape[0]
    level, tmp = np.empty((n_blocks, height, width), np.int32), np.empty((height, width), np.int32)
    sums = np.empty((3, n_blocks, height, width), np.int32)
    total, over = np.zeros((height, width), np.int64), np.zeros((height, width), np.int64)
    share = np.zeros(n_blocks, np.int64)
    for b in range(n_blocks):
        for k in range(height):
            for j in range(width):
                p0, p1 = p[b, k, j, 0], p[b, k, j, 1]
                g = min(4 * (p0 + p1) + (1 if p0 > 0 else 0) + (1 if p1 > 0 else 0), MAX_LEVEL)
                level[b, k, j] = g
                share[b] += g
                total[k, j] += g
        for t in range(3):
            _box(level[b], sums[t, b], tmp, LEVEL_BOXES[t][0], LEVEL_BOXES[t][1])
        for k in range(height):
            for j in range(width):
                over[k, j] += sums[0, b, k, j]
    known, recent = np.zeros((n_blocks, height, width), np.int32), np.zeros((3, n_blocks, height, width), np.int32)
    return Context(level, sums, total, over, share, max(share.sum(), 1), known, recent)


@part
def look_at(q: I32, phase: Int, columns: Int, context: Context) -> None:
    """Bring known and recent up to date with the phases of the plane, q [K, n, m/2, 2], before ``phase``."""
    n_blocks, height, width = context.level.shape
    tmp = np.empty((height, width), np.int32)
    for b in range(n_blocks):
        parity = (b // columns + b % columns) & 1
        known = context.known[b]
        for k in range(height):
            for j in range(width):
                earlier = _phase_of(k, j, parity) < phase
                known[k, j] = min(q[b, k, j, 0] + q[b, k, j, 1], MAX_LEVEL) if earlier else 0
        for t in range(3):
            _box(known, context.recent[t, b], tmp, RECENT_BOXES[t][0], RECENT_BOXES[t][1])


@part
def list_pairs(
    phase: Int, columns: Int, n: Int, m: Int, context: Context, act: I32, where: npt.NDArray[np.int64]
) -> Int:
    """Number of pairs of a phase in active cells; their numbers go to ``where``."""
    n_blocks, height, width = context.level.shape
    cell_row, cell_column = _cells_of(n), _cells_of(m)
    found = 0
    for b in range(n_blocks):
        parity = (b // columns + b % columns) & 1
        for k in range(height):
            odd = (k + parity) & 1
            if phase < 2 and odd != phase:
                continue
            for j in range(odd if phase < 2 else 1 - odd, width, 2):
                if act[cell_row[k] + 1, cell_column[j] + 1] != 0:
                    where[found] = (b * n + k) * m + j
                    found += 1
    return found


@part
def fill_inputs(
    where: npt.NDArray[np.int64],
    phase: Int,
    columns: Int,
    n: Int,
    m: Int,
    context: Context,
    counts: npt.NDArray[np.uint8],
    log: I32,
    before: I32,
    x: I32,
) -> None:
    """Fill rows 0 to 13 and 18 of x [21, chunk] for the pairs ``where`` of a phase."""
    level, sums, known, recent = context.level, context.sums, context.known, context.recent
    n_blocks = level.shape[0]
    blocks = n_blocks // columns
    near_blocks, far_blocks = np.empty(4, np.int64), np.empty(4, np.int64)
    last, parity, block_level, n_near, n_far = -1, 0, log[0], 0, 0
    for i in range(where.shape[0]):
        b, k, j = where[i] // (n * m), where[i] // m % n, where[i] % m
        if b != last:
            parity = (b // columns + b % columns) & 1
            block_level = log[min(16 * n_blocks * context.share[b] // context.everything, LAST_LOG)]
            n_near, n_far = _neighbours(b // columns, b % columns, blocks, columns, near_blocks, far_blocks)
            last = b
        rows1, rows2, rows5 = _span(k, 1, n), _span(k, 2, n), _span(k, 5, n)
        columns1, columns2 = _span(j, 1, m), _span(j, 2, m)
        g = level[b, k, j]
        x[0, i] = log[min(4 * g, LAST_LOG)]
        x[1, i] = log[min(_mean(4 * (sums[0, b, k, j] - g), rows1 * columns1 - 1), LAST_LOG)]
        x[2, i] = log[min(_mean(4 * (sums[1, b, k, j] - g), rows2 * columns1 - 1), LAST_LOG)]
        x[3, i] = log[min(_mean(4 * (sums[2, b, k, j] - g), rows5 * columns2 - 1), LAST_LOG)]
        near, far, around, fresh = 0, 0, 0, 0
        for t in range(n_near):
            other = near_blocks[t]
            near += level[other, k, j]
            around += sums[0, other, k, j]
            fresh += known[other, k, j]
        for t in range(n_far):
            far += level[far_blocks[t], k, j]
        x[4, i] = log[min(_mean(4 * near, n_near), LAST_LOG)]
        x[5, i] = log[min(_mean(4 * far, n_far), LAST_LOG)]
        x[6, i] = log[min(_mean(4 * around, n_near * rows1 * columns1), LAST_LOG)]
        x[7, i] = log[min(4 * context.total[k, j] // n_blocks, LAST_LOG)]
        x[8, i] = log[min(4 * context.over[k, j] // (n_blocks * rows1 * columns1), LAST_LOG)]
        x[9, i] = block_level
        for t in range(3):
            count = np.int64(counts[parity, phase, t, k, j])
            x[10 + t, i] = log[min(_mean(8 * recent[t, b, k, j], count), LAST_LOG)]
        x[13, i] = log[min(_mean(8 * fresh, n_near if phase == 2 else 0), LAST_LOG)]
        x[18, i] = 32 if before[CELLS * k // n + 1, CELLS * j // m + 1] == 0 else 0
