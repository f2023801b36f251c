"""Float tiles put together from integer maps of different scales: which sample lies on which lattice a + b*k.

A mosaic or cut-out may hold pieces of several integer maps, or of such maps beside floats. A lattice is found in a
small block that holds no other and made finer with all samples that lie on it. These are left out of the next search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.lattice_maps import finer_step, lattice_step, on_lattice
from radcodec.detail.plain import Mask, Tile

MOST = 8
NONE = 255
LEAST_SAMPLES = 1024  # of a lattice; fewer are not worth its fields
PATCHES = 256  # samples for which there may be one that is on none
BLOCK_SIDE = 24  # they overlap by half
FRESH = 0.9  # share of a block's samples that are on no lattice yet
DISTINCT = 0.95  # largest share of them that differ
NEAR = 1e-3  # steps
LOOKS = 16  # rows, and columns, that are looked at first
LEAST_LINE = 8
REPEATED = 0.02  # share of a line's values that occur twice in it, from which a lattice may be behind them

Block = tuple[int, slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattices:
    """steps [n, 2] holds a and b of each lattice; classes, uint8 [p, h, w], the number of each sample's, or NONE."""

    steps: F64
    classes: npt.NDArray[np.uint8]

    def stray(self, special: Mask | None) -> npt.NDArray[np.bool_]:
        """Mark the samples [p, h, w] that lie on none, though they are not special."""
        stray: npt.NDArray[np.bool_] = self.classes == NONE
        return stray if special is None else stray & ~special


def find_lattices(tile: Tile, special: Mask | None) -> Lattices | None:
    """Find the lattices that samples of a float tile [p, h, w] lie on; None if there is none."""
    if not _repeats_in_lines(tile, special):
        return None
    left = np.ones(tile.shape, bool) if special is None else ~special
    classes = np.full(tile.shape, NONE, np.uint8)
    steps: list[tuple[float, float]] = []
    for block in _blocks(tile.shape):
        fresh = left[block]
        if len(steps) == MOST or np.count_nonzero(fresh) < FRESH * fresh.size:
            continue
        values = tile[block][fresh]
        distinct = np.unique(values).astype(np.float64)
        step = lattice_step(distinct, tile.dtype) if distinct.size <= DISTINCT * values.size else None
        if step is None:
            continue
        step, members = _refined(tile, left, step)
        if np.count_nonzero(members) >= LEAST_SAMPLES:
            classes[members] = len(steps)
            steps.append(step)
            left &= ~members
    return Lattices(steps=np.array(steps), classes=classes) if steps else None


def _blocks(shape: tuple[int, ...]) -> Iterator[Block]:
    """Yield blocks of all planes, which overlap."""
    planes, height, width = shape
    half = BLOCK_SIDE // 2
    for plane in range(planes):
        for y in range(0, max(1, height - half), half):
            for x in range(0, max(1, width - half), half):
                yield plane, slice(y, y + BLOCK_SIDE), slice(x, x + BLOCK_SIDE)


def _refined(
    tile: Tile, left: npt.NDArray[np.bool_], step: tuple[float, float]
) -> tuple[tuple[float, float], npt.NDArray[np.bool_]]:
    """(a, b) fitted to all samples of those left that lie on it, and which these are."""
    members = on_lattice(tile, step) & left
    while True:
        distinct = np.unique(np.append(tile[members], _nearest_zero(tile[left], step))).astype(np.float64)
        finer = finer_step(distinct, tile.dtype, step)
        more = members if finer is None else on_lattice(tile, finer) & left
        if finer is None or np.count_nonzero(more) <= np.count_nonzero(members):
            return step, members
        step, members = finer, more


def _nearest_zero(values: Tile, step: tuple[float, float]) -> Tile:
    """Find the value under a step in size that lies closest to the lattice, [1], or [0] if none is close.

    Floats are so dense near zero that it lies on the lattice only once that starts from it.
    """
    a, b = step
    small = values[np.abs(values) <= abs(b)]
    off = (small.astype(np.float64) - a) / b
    off = np.abs(off - np.rint(off))
    return small[np.argmin(off)][None] if off.size and off.min() < NEAR else small[:0]


def _repeats_in_lines(tile: Tile, special: Mask | None) -> bool:
    """Tell whether values repeat within some rows or columns more often than those of continuous noise do."""
    plane = tile[0] if special is None else np.where(special[0], np.nan, tile[0])
    for lines in (plane, plane.T):
        some = np.sort(lines[:: max(1, len(lines) // LOOKS)], axis=1)  # NaN last, and equal to none
        known = np.count_nonzero(some == some, axis=1)
        repeats = np.count_nonzero(some[:, 1:] == some[:, :-1], axis=1)
        if ((known >= LEAST_LINE) & (repeats >= REPEATED * known)).any():
            return True
    return False
