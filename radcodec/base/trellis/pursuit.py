"""Find the atoms of a tile: a greedy search that weighs what each takes off the squared error against its bits.

Candidates are local maxima of what earlier atoms leave. The codebook entry and level of each are those of the least
companded error. `Refinement` then improves them. docs/format.md leaves all this to the encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import KNEE
from radcodec.base.lapped.emphasis import BRIGHT
from radcodec.base.trellis.atoms import RADIUS, SIDE, UNIT, AtomBook, Atoms, most_atoms, ordered

COST = 0.5  # squared steps of a scalar quantiser a bit: a share of what an atom takes off would cost no bits anyway
SOURCE_COST = 0.12  # the same above 5 sigma
FAINTEST = KNEE * math.asinh(4.0 / KNEE)  # 4 sigma
TURNS = 6  # over all maxima
SCREENED = 4  # entries whose companded error is computed
REACH = 4  # px on each side of a maximum whose squared error tells whether an atom may pay
NEAR_BITS = 6.0  # about the least bits of index and level

Places = npt.NDArray[np.intp]


@dataclass(slots=True)
class _State:
    """Companded and linear values, and the atoms so far, all with a border of RADIUS."""

    companded: F64
    values: F64
    inside: F64
    atoms: F64
    drawn: F64  # companded


class Pursuit:
    """Searches tiles for the atoms of one codebook. It is immutable.

    Parameters
    ----------
    cost, source_cost
        Squared steps that an atom has to take off for each of its bits; the second above 5 sigma.
    faintest
        Companded height of a maximum.
    """

    def __init__(
        self, book: AtomBook, *, cost: float = COST, source_cost: float = SOURCE_COST, faintest: float = FAINTEST
    ) -> None:
        self._costs, self._faintest = (cost, source_cost), faintest
        positive = np.flatnonzero(book.levels > 0)
        order = np.argsort(book.levels[positive], kind="stable")
        self._numbers = positive[order]
        self._levels = book.levels[self._numbers] * (127**2 / UNIT)
        self._level_bits = book.arrays.level_lengths[self._numbers].astype(np.float64)
        self._bits = book.arrays.atom_lengths.astype(np.float64)
        self._patches = (book.samples / 127.0**2).reshape(len(book.samples), -1)
        self._squares = self._patches**2

    def find(self, companded: F64, step: float) -> Atoms:
        """Return the atoms of a companded tile [h, w], for about a step of a scalar quantiser, int32 [N, 4]."""
        if not (companded > self._faintest).any() or not self._levels.size:
            return ordered([])
        most = most_atoms((companded.shape[0], companded.shape[1]))
        place_bits = math.log2(companded.size) - 2.0  # of about ten atoms, in order
        padded = np.pad(companded, RADIUS)
        nothing = np.zeros_like(padded)
        state = _State(
            padded, KNEE * np.sinh(padded / KNEE), np.pad(np.ones_like(companded), RADIUS), nothing, nothing.copy()
        )
        found: list[tuple[int, int, int, int]] = []
        given_up: set[tuple[int, int]] = set()
        for _ in range(TURNS):
            places = [place for place in self._maxima(state, step, place_bits + NEAR_BITS) if place[:2] not in given_up]
            if not places:
                break
            for y, x, cost in places:
                if len(found) == most:
                    return ordered(found)
                atom = self._best(state, y, x, cost, place_bits)
                if atom is None:
                    given_up.add((y, x))
                else:
                    found.append((y, x, *atom))
        return ordered(found)

    def _maxima(self, state: _State, step: float, bits: float) -> list[tuple[int, int, float]]:
        """Return bright local maxima of what is left, the brightest first, and what bits cost there.

        Enough error for ``bits`` is left around them.
        """
        rest = (state.companded - state.drawn)[RADIUS:-RADIUS, RADIUS:-RADIUS]
        y, x = local_maxima(rest, self._faintest)
        height = rest[y, x]
        places = []
        for k in np.argsort(-height, kind="stable").tolist():
            row, column = int(y[k]), int(x[k])
            near = rest[max(0, row - REACH) : row + REACH + 1, max(0, column - REACH) : column + REACH + 1]
            cost = self._costs[bool(height[k] > BRIGHT)] * step**2
            if float(np.square(np.maximum(near, 0.0)).sum()) > cost * bits:
                places.append((row, column, cost))
        return places

    def _best(self, state: _State, y: int, x: int, cost: float, place_bits: float) -> tuple[int, int] | None:
        """Return index and level of the best atom at a place, and draw it; None if none pays."""
        part = (slice(y, y + SIDE), slice(x, x + SIDE))
        values, before, inside = (a[part].reshape(-1) for a in (state.values, state.atoms, state.inside))
        target = state.companded[part].reshape(-1)
        # Errors of companded values are about errors of values over this.
        slope = 1.0 + np.square(np.maximum(np.abs(values), np.abs(before)) / KNEE)
        weights = inside / slope
        product = self._patches @ (weights * (values - before))
        sizes = product / np.maximum(self._squares @ weights, 1e-30)
        promised = np.where(sizes > 0.7 * self._levels[0], sizes * product - cost * self._bits, -np.inf)
        screened = np.argsort(-promised, kind="stable")[:SCREENED]
        screened = screened[np.isfinite(promised[screened])]
        old = float((np.square(target - state.drawn[part].reshape(-1)) * inside).sum())
        best: tuple[float, int, int] | None = None
        for index in screened.tolist():
            above = int(np.searchsorted(self._levels, sizes[index]))
            for level in {min(max(above - 1, 0), len(self._levels) - 1), min(above, len(self._levels) - 1)}:
                drawn = KNEE * np.arcsinh((before + self._levels[level] * self._patches[index]) / KNEE)
                error = float((np.square(target - drawn) * inside).sum())
                bits = place_bits + self._bits[index] + self._level_bits[level]
                gain = old - error - cost * float(bits)
                if best is None or gain > best[0]:
                    best = (gain, index, level)
        if best is None or best[0] <= 0.0:
            return None
        _, index, level = best
        state.atoms[part] += (self._levels[level] * self._patches[index]).reshape(SIDE, SIDE)
        state.drawn[part] = KNEE * np.arcsinh(state.atoms[part] / KNEE)
        return index, int(self._numbers[level])


def local_maxima(values: F64, least: float) -> tuple[Places, Places]:
    """Return rows and columns of the local maxima of values [h, w] above ``least``; of equal neighbours one counts."""
    wide = np.pad(values, 1, constant_values=-np.inf)
    y, x = np.nonzero(values > least)
    height = values[y, x]
    kept = np.ones(len(y), np.bool_)
    for down, right in ((0, 0), (0, 1), (0, 2), (1, 0)):
        kept &= (height > wide[y + down, x + right]) & (height >= wide[y + 2 - down, x + 2 - right])
    return y[kept], x[kept]
