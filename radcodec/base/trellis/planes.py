"""Walk the planes of a tile of a trellis model in the native core (``radcodec/native/trellis.c``)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped import planes, transform
from radcodec.base.lapped.spec import N_BUCKETS, LappedArrays
from radcodec.base.lapped.walk import Walk
from radcodec.base.trellis.spec import N_FINE, N_INPUTS, RANKS, WEIGHT_SHAPES, WIDE_TABLES, WideArrays
from radcodec.runtime import native
from radcodec.runtime.native import CODE, COST, DECODE, core, pointer

__all__ = ["CANDIDATES", "CODE", "COST", "DECODE", "Search", "TrellisWalk", "WideNetwork", "cumulative_of"]

CANDIDATES = 4
KEPT = 2  # of cells that exist and are active in the last plane

I32 = npt.NDArray[np.int32]
I16 = npt.NDArray[np.int16]
F32 = npt.NDArray[np.float32]


class WideNetwork:
    """The wide networks, the codebooks, and the logarithms for the inputs.

    ``points`` take the place of the model's, for training.
    """

    def __init__(self, arrays: LappedArrays, wide: WideArrays, points: npt.NDArray[np.int64] | None = None) -> None:
        layers = [wide.layers[name] for name in WEIGHT_SHAPES]
        shifts = np.array([layer.shifts for layer in layers], np.int32).T
        parts = (
            [arrays.log_table.astype(np.int32)],
            [layer.weight.astype(np.int16) for layer in layers],
            [layer.bias for layer in layers],
            [shifts, (wide.points if points is None else points).astype(np.int32)],
        )
        self._arrays = [np.ascontiguousarray(part) for some in parts for part in some]  # C keeps pointers to them
        self.struct = native.Wide(*(pointer(part, part.dtype) for part in self._arrays))


@dataclass(slots=True)
class Search:
    """Input and scratch of the search for the best path.

    prices : float32 [3, 2, 48], [3, 2, 48] and [3, 16, 3, 2]: bits of staying zero, of leaving it, of the halves
    target : float32 like magnitudes, in steps
    weight : squared steps a bit
    """

    prices: tuple[F32, F32, F32]
    target: F32
    weight: float
    bits: F32 = field(init=False)
    choice: npt.NDArray[np.uint8] = field(init=False)
    order: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Make the scratch."""
        self.bits = np.zeros((self.target.size, CANDIDATES), np.float32)
        self.choice = np.empty((self.target.size, 8), np.uint8)
        self.order = np.empty(self.target.size, np.int64)

    def struct(self) -> native.Search:
        """Return the C struct."""
        zero, one, refine = self.prices
        return native.Search(
            pointer(zero, np.float32, 6 * N_BUCKETS),
            pointer(one, np.float32, 6 * N_BUCKETS),
            pointer(refine, np.float32, 6 * N_FINE * RANKS),
            pointer(self.target, np.float32, self.target.size),
            pointer(self.bits, np.float32),
            self.weight,
            0.0,
            pointer(self.choice, np.uint8),
            pointer(self.order, np.int64),
        )


class TrellisWalk(Walk):
    """The planes of one tile, processed in order."""

    def __init__(self, network: WideNetwork, coder: planes.Coder, g: transform.Geometry) -> None:
        super().__init__(None, coder, g)
        self._wide = network
        self._scratch = np.empty(core().trellis_bytes(*self._shape), np.uint8)

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """The cells that are active after the planes so far, [16, 16]."""
        return np.asarray(self._active[1:-1, 1:-1] != 0)

    def keep(self, cells: npt.NDArray[np.bool_]) -> None:
        """Have cells [16, 16] active in the last plane, whatever they hold."""
        self._exists[cells] = KEPT

    def walk(
        self,
        mode: int,
        place: tuple[int, int],
        magnitudes: tuple[I32, I32, npt.NDArray[np.int8]],
        *,
        search: Search | None = None,
        values: I32 | None = None,
        inputs: I16 | None = None,
    ) -> None:
        """Process plane s with ``after`` more planes below it (``place``).

        ``magnitudes`` are those before and in the plane, and signs, [A, B, n, m]. ``values`` is filled in the last
        plane, by a search with about what it chose; ``inputs`` int16 [pairs, 44] with those of the network.
        """
        before, sizes, sign = magnitudes
        plane = self.struct(place[0], place[1], before, sizes, sign)
        if inputs is not None and (inputs.shape[1] != N_INPUTS or 2 * len(inputs) < sizes.size):
            raise ValueError(f"native core: expected room for {sizes.size // 2} inputs, found shape {inputs.shape}")
        asked = None if search is None else ctypes.byref(search.struct())
        status = core().trellis_plane(
            mode,
            ctypes.byref(plane),
            ctypes.byref(self._wide.struct),
            ctypes.byref(self._coder.struct),
            asked,
            pointer(values, np.int32, sizes.size),
            pointer(inputs, np.int16),
        )
        if status:
            raise ValueError(f"native core: a plane of {self._shape} pairs gives status {status}")


def cumulative_of(wide: WideArrays) -> npt.NDArray[np.uint32]:
    """Return cumulative counts of all tables, uint32 [rows, 10]; shorter tables stay at 2^24 at their end."""
    parts = []
    for name in WIDE_TABLES:
        counts = wide.tables[name].reshape(-1, WIDE_TABLES[name][-1])
        part = np.full((len(counts), planes.PAIR_SYMBOLS + 1), 1 << 24, np.uint32)
        part[:, 0] = 0
        np.cumsum(counts, axis=1, out=part[:, 1 : counts.shape[1] + 1], dtype=np.uint32)
        parts.append(part)
    return np.concatenate(parts)


def price_tables(wide: WideArrays) -> tuple[F32, F32, F32]:
    """Return bits of staying zero and of leaving it [3, 2, 48], and of the halves [3, 16, 3, 2].

    The first axis: codebooks 0 and 1 of the last plane, then other planes. A pair's first coefficient stands for both.
    """
    total = 2.0**24
    zz = wide.tables["wide_zz"].reshape(5, N_BUCKETS, 3, 3).sum(axis=3) / total
    zn = wide.tables["wide_zn"].reshape(5, 2, N_BUCKETS, RANKS, 3, 2).sum(axis=5).mean(axis=(1, 3)) / total
    nn = wide.tables["wide_nn"].reshape(5, N_FINE, RANKS, RANKS, 2, 2).sum(axis=5).mean(axis=3) / total
    stay = np.stack([_books(zz)[:, :, 0], _books(zn)[:, :, 0]], axis=1)
    zero, one = -np.log2(stay), 1.0 - np.log2(1.0 - stay)
    return zero.astype(np.float32), one.astype(np.float32), (-np.log2(_books(nn))).astype(np.float32)


def _books(tables: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average the classes [5, ...] of each codebook of the first coefficient: [3, ...]."""
    return np.stack([tables[[0, 2]].mean(axis=0), tables[[1, 3]].mean(axis=0), tables[4]])
