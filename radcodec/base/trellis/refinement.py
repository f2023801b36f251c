"""Improve the atoms of a tile by what they save its transform (docs/design/0029-atoms-by-savings.md).

`Pursuit` finds more atoms than pay. One after the other is left out, moved, scaled, or exchanged for a similar entry:
what lowers an estimate of error and bits the most. A coefficient of x steps costs x^2 if it is left out, and about
0.3 + 0.12 log2(1 + x^2) if it is coded. Sums of squares are those of samples. Only what coded coefficients save needs
the transform, and almost all of it is in a corner of low frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import KNEE
from radcodec.base.lapped.search import CHOICE_RATE
from radcodec.base.lapped.single import F32, analyse, window_matrix
from radcodec.base.lapped.transform import Geometry
from radcodec.base.trellis.atoms import RADIUS, SIDE, UNIT, AtomBook, Atoms, ordered

CODED, CODED_SLOPE = 0.3, 0.12  # squared steps that a coded coefficient costs, and for each doubling of 1 + x^2
CODED_BITS = 6.0  # about the bits of a coded coefficient
SURE = 3.0  # times the price of atoms that they have to save, so that no streams need be compared,
SURE_STEP = 0.5  # at this step or a coarser one, as the estimate promises too much at finer ones,
SURE_FREE = 0.01  # where those that cost nothing have about this share of the bits of a tile
CORNER_SHARE = 0.98  # of coded coefficients, which the corner of low frequencies has
ROUNDS = 5  # over atoms that changed, and those near them
REFINED = 24  # atoms of a tile, the brightest, that are changed; others stay or are left out
SIMILAR = 3  # entries that an atom is exchanged for
MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))
MARGIN = RADIUS + 1  # px on each side of an atom that its changes reach
WINDOW = 2 * MARGIN + 1
AT_ONCE = 1 << 19  # coefficients of all options that are estimated together

Atom = tuple[int, int, int, int]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """Atoms of a tile.

    atoms : int32 [N, 4]
        Row, column, index and level.
    free_bits : float
        About the bits of those that cost nothing, as they show sources.
    is_sure : bool
        Whether they save so much that streams need not be compared.
    """

    atoms: Atoms
    free_bits: float = 0.0
    is_sure: bool = False


class Refinement:
    """Improves atoms of one codebook. It is immutable."""

    def __init__(self, book: AtomBook) -> None:
        self._book = book
        self._patches = book.samples / 127.0**2
        self._levels = book.levels * (127**2 / UNIT)
        lengths = book.arrays.atom_lengths, book.arrays.level_lengths
        self._atom_bits, self._level_bits = (part.astype(np.float64) for part in lengths)
        self._order = np.argsort(book.levels, kind="stable").tolist()
        self._rank = {level: rank for rank, level in enumerate(self._order)}
        flat = self._patches.reshape(len(self._patches), -1)
        distances = np.array([np.square(flat - one).sum(axis=1) for one in flat])
        self._similar = np.argsort(distances, axis=1, kind="stable")[:, 1 : 1 + SIMILAR].tolist()

    def refine(self, companded: F64, atoms: Atoms, g: Geometry, step: float, peaks: Mask | None = None) -> Found:
        """Return atoms that cost less, perhaps none.

        Parameters
        ----------
        companded : float64 [h, w]
        atoms : int32 [N, 4]
            Row, column, index and level.
        g
            Blocks of the tile, not of wavelets.
        step
            Of a scalar quantiser, in companded units.
        peaks : bool [h, w]
            Where atoms show sources, so that their bits do not count.
        """
        weakest_first = sorted(map(_atom, atoms.tolist()), key=lambda atom: float(self._levels[atom[3]]))
        drawn = self._book.draw(atoms, (companded.shape[0], companded.shape[1])) / UNIT
        tile = _Tile(companded, np.pad(drawn, MARGIN), g, step)
        prices = _Prices(self._atom_bits, self._level_bits, math.log2(companded.size) - 2.0, peaks)
        found: dict[int, Atom] = dict(enumerate(weakest_first))
        for k, atom in enumerate(weakest_first[:-REFINED]):
            if self._change(tile, atom, [None], prices) is None:
                del found[k]
        turn = list(found)[-REFINED:]
        for _ in range(ROUNDS):
            changed = []
            for k in turn:
                before = found.pop(k)
                after = self._change(tile, before, self._options(before, companded.shape), prices)
                if after is not None:
                    found[k] = after
                if after != before:
                    changed.append(before)
            turn = [k for k in turn if k in found and any(_are_near(found[k], other) for other in changed)]
        bits, counted = (sum(map(count, found.values())) for count in (prices.bits, prices.counted))
        if tile.gain <= CHOICE_RATE * counted:
            return Found(ordered([]))
        are_few = bits - counted <= SURE_FREE * tile.bits
        is_sure = step >= SURE_STEP and are_few and tile.gain > SURE * CHOICE_RATE * counted
        return Found(ordered(list(found.values())), bits - counted, is_sure)

    def _options(self, atom: Atom, shape: tuple[int, ...]) -> list[Atom | None]:
        """List what to try instead of an atom; None is to leave it out."""
        y, x, index, level = atom
        rank = self._rank[level]
        levels = [self._order[r] for r in (rank - 1, rank + 1) if 0 <= r < len(self._order)]
        moved = [(y + down, x + right) for down, right in MOVES]
        return [
            None,
            *((y, x, index, other) for other in levels),
            *((v, u, index, level) for v, u in moved if 0 <= v < shape[0] and 0 <= u < shape[1]),
            *((y, x, other, level) for other in self._similar[index]),
        ]

    def _change(self, tile: _Tile, atom: Atom, options: Sequence[Atom | None], prices: _Prices) -> Atom | None:
        """Change an atom of a tile to the best of some options, if that lowers the cost; return what it is then."""
        y, x, index, level = atom
        others = tile.sums[y : y + WINDOW, x : x + WINDOW].copy()
        others[1:-1, 1:-1] -= self._levels[level] * self._patches[index]
        sums = np.repeat(others[None], len(options), axis=0)
        bits = np.full(len(options), -prices.counted(atom))
        for k, option in enumerate(options):
            if option is not None:
                v, u = option[0] - y + 1, option[1] - x + 1
                sums[k, v : v + SIDE, u : u + SIDE] += self._levels[option[3]] * self._patches[option[2]]
                bits[k] += prices.counted(option)
        best = tile.change(y, x, sums, CHOICE_RATE * bits)
        return atom if best is None else options[best]


@dataclass(frozen=True, slots=True)
class _Prices:
    """About the bits of atoms."""

    atom_bits: F64
    level_bits: F64
    place_bits: float  # of about ten atoms, in order
    peaks: Mask | None

    def bits(self, atom: Atom) -> float:
        """Return the bits of an atom."""
        return self.place_bits + float(self.atom_bits[atom[2]] + self.level_bits[atom[3]])

    def counted(self, atom: Atom) -> float:
        """Return the bits of an atom that count: none for those on peaks."""
        return 0.0 if self.peaks is not None and self.peaks[atom[0], atom[1]] else self.bits(atom)


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of a tile that an atom reaches: its samples, and its low coefficients by products from both sides."""

    samples: tuple[slice, slice]
    blocks: tuple[slice, slice, slice]
    down: F32
    right: F32


class _Tile:
    """What atoms leave of a tile, in steps, and about what it costs. Samples have a border of MARGIN.

    Attributes
    ----------
    sums : float64 [h + 2 MARGIN, w + 2 MARGIN]
        Of atoms, in noises; what they are outside the tile does not matter.
    gain : float
        By how much less the rest costs than the tile itself, in squared steps.
    bits : float
        About those of the rest, at the start.
    """

    def __init__(self, companded: F64, sums: F64, g: Geometry, step: float) -> None:
        middle = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        self.sums, self._g = sums, g
        self._drawn = KNEE * np.arcsinh(sums * (1.0 / KNEE))
        self._per_step = np.zeros(sums.shape)  # nothing outside the tile
        self._per_step[middle] = 1.0 / step
        self._rest = (np.pad(companded, MARGIN) - self._drawn) * self._per_step
        whole, rest = (
            np.asarray(analyse(part, g, step) * (1.0 / step), np.float32)
            for part in (companded, companded - self._drawn[middle])
        )
        n, m = _corner(whole)
        self._low = np.ascontiguousarray(rest[:, :, :n, :m].transpose(0, 2, 1, 3))
        before, after = (_cost(part, part[:, :, :n, :m]) for part in (whole, rest))
        self.gain = before - after
        self.bits = CODED_BITS * int(np.count_nonzero(_savings(self._low)))

    def change(self, y: int, x: int, sums: F64, prices: F64) -> int | None:
        """Take the best of some sums of atoms [K, WINDOW, WINDOW] around a pixel, if it lowers the cost; return which.

        ``prices`` [K] are squared steps by which the atoms cost more than those there.
        """
        window = self._window(y, x)
        drawn = KNEE * np.arcsinh(sums * (1.0 / KNEE))
        more = (drawn - self._drawn[window.samples]) * self._per_step[window.samples]
        rest, low = self._rest[window.samples], self._low[window.blocks]
        costs = np.square(rest - more).sum(axis=(1, 2)) - float(np.square(rest).sum()) + prices
        best, least, lowest = None, 0.0, low
        some = max(1, AT_ONCE // low.size)
        before = _savings(low).reshape(1, -1)
        for first in range(0, len(sums), some):
            after = window.down @ more[first : first + some].astype(np.float32) @ window.right
            np.subtract(low.reshape(after.shape[1:]), after, out=after)
            saved = _savings(after).reshape(len(after), -1)
            saved -= before
            costs[first : first + some] -= saved.sum(axis=1, dtype=np.float64)
            k = first + int(costs[first : first + some].argmin())
            if costs[k] < least:
                best, least, lowest = k, float(costs[k]), after[k - first].reshape(low.shape)
        if best is not None:
            self.gain -= least - float(prices[best])
            self.sums[window.samples], self._drawn[window.samples] = sums[best], drawn[best]
            self._rest[window.samples] -= more[best]
            self._low[window.blocks] = lowest
        return best

    def _window(self, y: int, x: int) -> _Window:
        """Find the window around a pixel."""
        g, (rows, n, columns, m) = self._g, self._low.shape
        top, down = window_matrix(rows, g.height, n, y - MARGIN, WINDOW)
        left, right = window_matrix(columns, g.width, m, x - MARGIN, WINDOW)
        return _Window(
            (slice(y, y + WINDOW), slice(x, x + WINDOW)),
            (slice(top, top + len(down)), slice(None), slice(left, left + len(right))),
            down.reshape(-1, WINDOW),
            right.reshape(-1, WINDOW).T,
        )


def _atom(numbers: Sequence[int]) -> Atom:
    y, x, index, level = numbers
    return y, x, index, level


def _are_near(atom: Atom, other: Atom) -> bool:
    """Say whether two atoms touch."""
    return max(abs(atom[0] - other[0]), abs(atom[1] - other[1])) <= SIDE


def _cost(coefficients: F32, low: F32) -> float:
    """Return about what a tile costs in squared steps; only low coefficients may be coded."""
    flat = coefficients.reshape(-1).astype(np.float64)
    return float(np.dot(flat, flat)) - float(_savings(low).sum(dtype=np.float64))


def _savings(low: F32) -> F32:
    """Return by how much less coefficients cost than their squares, in squared steps."""
    squares = np.square(low)
    prices = np.log2(squares + np.float32(1.0))
    prices *= np.float32(-CODED_SLOPE)
    prices -= np.float32(CODED)
    prices += squares
    return np.maximum(prices, np.float32(0.0), out=prices)


def _corner(coefficients: F32) -> tuple[int, int]:
    """Return how many of the lowest frequencies of columns and rows have almost all coefficients that are coded.

    ``coefficients`` are those of a tile, [A, B, n, m].
    """
    coded = np.count_nonzero(_savings(coefficients), axis=(0, 1))
    n, m = (
        int(np.searchsorted(total, CORNER_SHARE * total[-1])) + 1
        for total in map(np.cumsum, (coded.sum(axis=1), coded.sum(axis=0)))
    )
    return n, m
