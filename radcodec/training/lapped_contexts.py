"""Compute the inputs of a lapped model's prior: cells, pairs, network inputs and symbols (docs/format.md 9.6, 9.7).

::

    coefficients [A, B, n, m] -> plane by plane: flags of cells -> pairs in three phases -> inputs [N, 21] -> bucket
                                                                        '-> symbols [N] of tables zz, zn, nn

This is independent of the native coder and works on whole arrays instead of single pixels, so that the two check each
other. A B are blocks, n m samples of a block, k row and j pair in a block, J = m / 2. All arrays are integer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Cells along each axis of a block's frequency plane.
CELLS = 16
BUCKETS = 48
PHASES = 3
#: Number of inputs of the network.
INPUTS = 21
#: Limit of the summed magnitudes, so that sums stay within 32 bits.
LEVEL_LIMIT = 1 << 14
HIDDEN = 16
#: Activations are clamped to 0..ACTIVATION_LIMIT; sums stay below 2^24, so that float32 holds them exactly.
ACTIVATION_LIMIT = 1023
EXACT_LIMIT = 1 << 24
#: The bucket of an output x is ((x >> 1) - LOWEST) * BUCKETS // SPAN: 1/16 of a bit of logit, -10 to 3.
LOWEST, SPAN = -160, 208
#: Counts of a table's row sum to 2^TABLE_BITS.
TABLE_BITS = 24
#: Length of the logarithm's table.
LOG_ENTRIES = 4096
#: Shapes of the tables; the last axis is the symbol.
TABLES = {"zz": (BUCKETS, 9), "zn": (BUCKETS, 2, 5, 6), "nn": (2, 5, 5, 4), "flags": (11, 5, 2)}


def log_table() -> npt.NDArray[np.int16]:
    """Return 16 log2 of an index in sixteenths, int16 [4096]; 0.03 is added, so that 0 has a logarithm."""
    return np.round(16 * np.log2(np.arange(LOG_ENTRIES) / 16 + 0.03)).astype(np.int16)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """One integer layer: `(bias + weight @ input) >> shift`; weight int8 [O, I], bias int32 [O], shift 0..24."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    shift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The coded pairs of one phase.

    inputs : int16 [N, 21], of the network.
    positions : int64 [N], flat in the pair lattice [A, B, n, J].
    before, after : int64 [N, 2], magnitudes before and after the plane.
    negative : bool [N, 2], signs of the coefficients.
    """

    inputs: npt.NDArray[np.int16]
    positions: Ints
    before: Ints
    after: Ints
    negative: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One plane: its number s, the contexts and values of its flags in raster order, and its pairs by phase."""

    number: int
    last: bool
    flag_contexts: Ints
    flags: Bools
    phases: tuple[Pairs, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """Symbols of one table: its name, `rows` [N] of it, all its axes but the last being one, and `values` [N]."""

    table: str
    rows: Ints
    values: Ints


class Lattice:
    """The pairs of a tile, [A, B, n, J]: phase and cell of each, and the number of pairs around it."""

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        n_a, n_b, n, n_j = shape
        k, j = np.arange(n), np.arange(n_j)
        self.cell_row, self.cell_column = (CELLS * k) // n, (CELLS * j) // n_j
        self.exists = np.zeros((CELLS, CELLS), dtype=np.bool_)
        self.exists[np.ix_(self.cell_row, self.cell_column)] = True
        e = (k[:, None] + np.add.outer(np.arange(n_a), np.arange(n_b))[:, :, None, None]) & 1
        f = np.broadcast_to(j & 1, (1, 1, n, n_j))
        self.phase = np.where((e == 0) & (f == 0), 0, np.where((e == 1) & (f == 1), 1, 2))
        inside, blocks = np.ones((1, 1, n, n_j), dtype=np.int64), np.ones((n_a, n_b, 1, 1), dtype=np.int64)
        self.boxes = {reach: box_sum(inside, *reach) for reach in ((1, 1), (2, 1), (5, 2))}
        self.sides, self.corners = block_sum(blocks), block_sum(blocks, diagonal=True)
        self.earlier = [(self.phase < phase).astype(np.int64) for phase in range(PHASES)]
        self.earlier_boxes = [
            [box_sum(mask, *reach) for reach in ((1, 1), (2, 1), (4, 2))] if phase else []
            for phase, mask in enumerate(self.earlier)
        ]
        self.earlier_sides = [block_sum(mask) for mask in self.earlier]

    def active_cells(self, magnitudes: Ints) -> Bools:
        """Return the cells with a nonzero magnitude [A, B, n, J, 2], bool [16, 16]."""
        cells = np.zeros((CELLS, CELLS), dtype=np.bool_)
        k, j = np.nonzero(magnitudes.any(axis=(0, 1, 4)))
        cells[self.cell_row[k], self.cell_column[j]] = True
        return cells

    def pairs_of(self, cells: Bools) -> Bools:
        """Return the pairs of a block that are in the given cells, bool [n, J]."""
        return cells[np.ix_(self.cell_row, self.cell_column)]

    def means_before(self, before: Ints, rows: int, columns: int) -> list[Ints]:
        """Return values 0 to 9 of 9.7 for pairs in the first rows and columns of blocks, broadcast to [A, B, n', J'].

        All pairs beyond these rows and columns must be 0.
        """
        n_blocks = self.shape[0] * self.shape[1]
        part = np.s_[:, :, :rows, :columns]
        inner = before[part]
        level = np.minimum((4 * inner + (inner > 0)).sum(axis=-1), LEVEL_LIMIT)  # G
        sides = block_sum(level)
        everywhere = level.sum(axis=(0, 1), keepdims=True)
        count = self.boxes[1, 1][part]
        found = [4 * level]
        for reach in ((1, 1), (2, 1), (5, 2)):
            found.append(_mean(4 * (box_sum(level, *reach) - level), self.boxes[reach][part] - 1))
        found.append(_mean(4 * sides, self.sides))
        found.append(_mean(4 * block_sum(level, diagonal=True), self.corners))
        found.append(_mean(4 * box_sum(sides, 1, 1), self.sides * count))
        found.append(4 * everywhere // n_blocks)
        found.append(4 * box_sum(everywhere, 1, 1) // (n_blocks * count))
        found.append(_mean(16 * n_blocks * level.sum(axis=(2, 3), keepdims=True), level.sum()))
        return found

    def means_after(self, after: Ints, phase: int, rows: int, columns: int) -> list[Ints]:
        """Return values 10 to 13 of 9.7, like `means_before`, without pairs of this phase and later ones."""
        part = np.s_[:, :, :rows, :columns]
        known = np.minimum(after[part].sum(axis=-1), LEVEL_LIMIT) * self.earlier[phase][part]  # Q
        if phase == 0:
            return [np.zeros_like(known)] * 4
        found = [
            _mean(8 * box_sum(known, *reach), count[part])
            for reach, count in zip(((1, 1), (2, 1), (4, 2)), self.earlier_boxes[phase], strict=True)
        ]
        return [*found, _mean(8 * block_sum(known), self.earlier_sides[phase][part])]


def box_sum(values: Ints, rows: int, columns: int) -> Ints:
    """Sum over the boxes of +-rows, +-columns within the last two axes."""
    for axis, reach in ((-2, rows), (-1, columns)):
        length = values.shape[axis]
        shape = list(values.shape)
        shape[axis] = 1
        running = np.concatenate([np.zeros(shape, dtype=np.int64), values.cumsum(axis=axis)], axis=axis)
        at = np.arange(length)
        values = running.take(np.minimum(at + reach + 1, length), axis=axis)
        values -= running.take(np.maximum(at - reach, 0), axis=axis)
    return values


def block_sum(values: Ints, *, diagonal: bool = False) -> Ints:
    """Sum over the neighbours along the first two axes: the four at the sides or the four at the corners."""
    wide = np.pad(values, ((1, 1), (1, 1), (0, 0), (0, 0)))
    if diagonal:
        return wide[:-2, :-2] + wide[:-2, 2:] + wide[2:, :-2] + wide[2:, 2:]
    return wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]


def _mean(total: Ints, count: Ints) -> Ints:
    """Return total // count, 0 where there is nothing to count (there the total is 0, too)."""
    return total // np.maximum(count, 1)


def walk_planes(coefficients: Ints, last_plane: int) -> Iterator[Plane]:
    """Yield the planes that code quantised coefficients, int [A, B, n, m]; none if all are 0."""
    n_a, n_b, n, m = coefficients.shape
    paired = coefficients.astype(np.int64).reshape(n_a, n_b, n, m // 2, 2)
    magnitudes, negative = np.abs(paired), paired < 0
    lattice = Lattice((n_a, n_b, n, m // 2))
    n_planes = int(magnitudes.max(initial=0)).bit_length()
    active = np.zeros((CELLS, CELLS), dtype=np.bool_)
    for number in range(last_plane - n_planes + 1, last_plane + 1):
        after = magnitudes >> (last_plane - number)
        now = lattice.active_cells(after)
        undecided = lattice.exists & ~active
        phases = plane_pairs(lattice, after, negative, now=now, active=active, number=number, last_plane=last_plane)
        yield Plane(
            number=number,
            last=number == last_plane,
            flag_contexts=_flag_contexts(now, active)[undecided],
            flags=now[undecided],
            phases=tuple(phases),
        )
        active = now


def _flag_contexts(now: Bools, active: Bools) -> Ints:
    """Count each cell's active neighbours: left and upper in this plane, right and lower in the previous one."""
    new, old = np.pad(now, 1).astype(np.int64), np.pad(active, 1).astype(np.int64)
    return new[1:-1, :-2] + new[:-2, 1:-1] + old[1:-1, 2:] + old[2:, 1:-1]


def plane_pairs(
    lattice: Lattice, after: Ints, negative: Bools, *, now: Bools, active: Bools, number: int, last_plane: int
) -> Iterator[Pairs]:
    """Yield the coded pairs of one plane, phase by phase.

    `after`, `negative` : [A, B, n, J, 2]; `now`, `active` : active cells of this plane and the previous one, [16, 16].
    """
    before = after >> 1
    on = lattice.pairs_of(now)
    rows = int(np.flatnonzero(on.any(axis=1))[-1]) + 1
    columns = int(np.flatnonzero(on.any(axis=0))[-1]) + 1
    inner = (*lattice.shape[:2], rows, columns)
    table = log_table()
    fresh = (on & ~lattice.pairs_of(active))[:rows, :columns]
    first = lattice.means_before(before, rows, columns)
    for phase in range(PHASES):
        chosen = np.nonzero((lattice.phase[:, :, :rows, :columns] == phase) & on[:rows, :columns])
        inputs = np.empty((len(chosen[0]), INPUTS), dtype=np.int16)
        for i, values in enumerate(first + lattice.means_after(after, phase, rows, columns)):
            inputs[:, i] = table[np.minimum(np.broadcast_to(values, inner)[chosen], LOG_ENTRIES - 1)]
        inputs[:, 14] = 16 * (number - 6)
        inputs[:, 15] = 32 * (number == last_plane)
        inputs[:, 16] = 32 * (phase == 1)
        inputs[:, 17] = 32 * (phase == 2)
        inputs[:, 18] = 32 * fresh[chosen[2:]]
        inputs[:, 19] = table[min(16 * lattice.shape[3], LOG_ENTRIES - 1)] - 64
        inputs[:, 20] = table[min(16 * lattice.shape[0] * lattice.shape[1], LOG_ENTRIES - 1)] >> 2
        yield Pairs(
            inputs=inputs,
            positions=np.ravel_multi_index(chosen, lattice.shape),
            before=before[chosen],
            after=after[chosen],
            negative=negative[chosen],
        )


def network_output(layers: tuple[DenseLayer, ...], inputs: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return the network's integer outputs for inputs [N, 21], float32 [N]; exact, since sums stay below 2^24."""
    values = inputs.astype(np.float32)
    for i, layer in enumerate(layers):
        sums = values @ layer.weight.T.astype(np.float32) + layer.bias.astype(np.float32)
        values = np.floor(sums * np.float32(2.0**-layer.shift))
        if i < len(layers) - 1:
            values = np.clip(values, 0, ACTIVATION_LIMIT)
    return values[:, 0]


def choose_buckets(layers: tuple[DenseLayer, ...], inputs: npt.NDArray[np.int16]) -> Ints:
    """Return the buckets 0..47 of inputs [N, 21]."""
    score = network_output(layers, inputs).astype(np.int64)
    return np.asarray(np.clip((((score >> 1) - LOWEST) * BUCKETS) // SPAN, 0, BUCKETS - 1), dtype=np.int64)


def pair_symbols(pairs: Pairs, buckets: Ints, *, last: bool) -> list[Symbols]:
    """Return the symbols of pairs [N] by table, with the table rows that code them."""
    p1, p2 = pairs.before.T
    y1, y2 = np.where(
        pairs.before > 0, pairs.after & 1, np.where(pairs.after > 0, 1 + pairs.negative, 0)
    ).T  # fmt: skip
    r1, r2 = np.clip(pairs.before, 1, 5).T - 1
    h = 0 if last else 1
    cases = {
        ("zz", "both"): ((p1 == 0) & (p2 == 0), buckets, 3 * y1 + y2),
        ("zn", "second"): ((p1 == 0) & (p2 > 0), (buckets * 2 + h) * 5 + r2, 2 * y1 + y2),
        ("zn", "first"): ((p1 > 0) & (p2 == 0), (buckets * 2 + h) * 5 + r1, 2 * y2 + y1),
        ("nn", "none"): ((p1 > 0) & (p2 > 0), (h * 5 + r1) * 5 + r2, 2 * y1 + y2),
    }
    return [
        Symbols(table=name, rows=rows[which], values=values[which])
        for (name, _), (which, rows, values) in cases.items()
    ]


def flag_symbols(plane: Plane) -> Symbols:
    """Return the symbols of a plane's flags."""
    row = min(max(plane.number, 0), 10)
    return Symbols(table="flags", rows=row * 5 + plane.flag_contexts, values=plane.flags.astype(np.int64))


def walk_symbols(coefficients: Ints, last_plane: int, layers: tuple[DenseLayer, ...]) -> Iterator[tuple[int, Symbols]]:
    """Yield all symbols that code quantised coefficients, int [A, B, n, m], with the number of their plane."""
    for plane in walk_planes(coefficients, last_plane):
        yield plane.number, flag_symbols(plane)
        for pairs in plane.phases:
            for symbols in pair_symbols(pairs, choose_buckets(layers, pairs.inputs), last=plane.last):
                yield plane.number, symbols
