"""Float tiles put together from maps of different lattices: where to cut them (docs/format.md, 8.4, method 4).

A mosaic or cut-out may hold rows or columns of several integer maps, each with a scale of its own, or of such a map
beside floats. Hardly a value then occurs on both sides of a seam, which is how seams are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.detail.plain import Mask, Tile
from radcodec.detail.prepare import prepare_lattice

MAX_DEPTH = 8
LEAST_LINES = 8  # of a part; the values of fewer are too few to tell a seam
LEAST_LATTICE = 1024  # samples of a part on a lattice that are worth a cut
LOOKS = 16  # rows, and columns, that are looked at first
REPEATED = 0.02  # share of a line's values that occur twice in it, from which a lattice may be behind them
FEW = 0.05  # values on both sides of a seam, as a share of those on both sides of the worst place
NEARLY = 0.01
LEAST_SHARED = 32  # values on both sides of the worst place, under which there is no lattice to tell from another

Axis = int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Two parts of a tile [p, h, w]: rows (axis 1) or columns (2) up to ``place`` and from it on, each whole or cut."""

    axis: Axis
    place: int
    first: Cut | None = None
    second: Cut | None = None

    @property
    def inner(self) -> tuple[Cut | None, Cut | None]:
        """How the two parts are cut again."""
        return self.first, self.second

    def of(self, tile: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The two parts of an array of the tile's shape, contiguous."""
        return [np.ascontiguousarray(part) for part in np.split(tile, [self.place], self.axis)]


def find_cut(tile: Tile, special: Mask | None, depth: int = MAX_DEPTH) -> Cut | None:
    """How to cut a float tile so that parts of it lie on lattices; None where it is on one itself, or none is found."""
    if depth == 0 or not _repeats_in_lines(tile, special) or prepare_lattice(tile, special) is not None:
        return None
    best, most, fewest = None, -1, 0
    for shared, axis, place in _seams(tile, special):
        gained = sum(
            part.size
            for part, marks in _sides(tile, special, axis, place)
            if part.size >= LEAST_LATTICE and prepare_lattice(part, marks) is not None
        )
        if gained > most or (gained == most and shared < fewest):
            best, most, fewest = (axis, place), gained, shared
    if best is None:
        return None
    axis, place = best
    plans = [find_cut(part, marks, depth - 1) for part, marks in _sides(tile, special, axis, place)]
    return Cut(axis=axis, place=place, first=plans[0], second=plans[1]) if most > 0 or any(plans) else None


def _sides(tile: Tile, special: Mask | None, axis: Axis, place: int) -> Iterator[tuple[Tile, Mask | None]]:
    """Both parts with their marks."""
    cut = Cut(axis=axis, place=place)
    yield from zip(cut.of(tile), (None, None) if special is None else cut.of(special), strict=True)


def _repeats_in_lines(tile: Tile, special: Mask | None) -> bool:
    """Whether values occur twice in one of some rows and columns more often than those of continuous noise do."""
    for axis in (1, 2):
        n = tile.shape[axis]
        for place in range(0, n, max(1, n // LOOKS)):
            line = tile[0].take(place, axis - 1)
            if special is not None:
                line = line[~special[0].take(place, axis - 1)]
            if line.size >= LEAST_LINES and np.unique(line).size <= (1.0 - REPEATED) * line.size:
                return True
    return False


def _seams(tile: Tile, special: Mask | None) -> Iterator[tuple[int, Axis, int]]:
    """(values on both sides, axis, place) of places that may be seams."""
    known = slice(None) if special is None else ~special.reshape(-1)
    values, number = np.unique(tile.reshape(-1)[known], return_inverse=True)
    for axis in (1, 2):
        n = tile.shape[axis]
        if n < 2 * LEAST_LINES:
            continue
        line = np.broadcast_to(np.arange(n).reshape([-1 if i == axis else 1 for i in range(3)]), tile.shape)
        lines = line.reshape(-1)[known]
        low, high = np.full(values.size, n), np.full(values.size, -1)
        np.minimum.at(low, number, lines)
        np.maximum.at(high, number, lines)
        change = np.bincount(low + 1, minlength=n + 2) - np.bincount(high + 1, minlength=n + 2)
        shared = np.cumsum(change)[: n - LEAST_LINES + 1]  # [i]: values both in lines before i and from i on
        shared[:LEAST_LINES] = shared.max()
        least, worst = int(shared.min()), int(shared.max())
        if least > FEW * worst or worst < LEAST_SHARED:
            continue
        ends = [np.flatnonzero(shared <= least + slack * worst)[[0, -1]] for slack in (0.0, NEARLY)]
        for place in sorted({int(end) for pair in ends for end in pair}):
            yield int(shared[place]), axis, place
