"""The tables of a lapped model in the forms that coding and search need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped import planes
from radcodec.base.lapped.spec import LEVELS, LappedArrays


def cumulative_counts(arrays: LappedArrays) -> npt.NDArray[np.uint32]:
    """Return cumulative counts of all tables, uint32 [rows, 10]; shorter tables stay at 2^24 at their end."""
    out = np.full((planes.N_ROWS, planes.PAIR_SYMBOLS + 1), 1 << 24, np.uint32)
    row = 0
    for name in ("zz", "zn", "nn", "flags"):
        table = arrays.tables[name]
        counts = table.reshape(-1, table.shape[-1])
        out[row : row + len(counts), 0] = 0
        np.cumsum(counts, axis=1, out=out[row : row + len(counts), 1 : counts.shape[1] + 1], dtype=np.uint32)
        row += len(counts)
    return out


def price_tables(
    arrays: LappedArrays,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return bits of staying zero and of leaving it [2, 48], and of the halves of a nonzero coefficient [2, 5, 2]."""
    zz = arrays.tables["zz"].reshape(-1, 3, 3).sum(axis=2) / 2.0**24
    zn = arrays.tables["zn"].reshape(-1, 10, 3, 2).sum(axis=3).mean(axis=1) / 2.0**24
    stay = np.stack([zz[:, 0], zn[:, 0]])
    halves = arrays.tables["nn"].reshape(2, LEVELS, LEVELS, 2, 2).sum(axis=4).mean(axis=2) / 2.0**24
    zero, one = -np.log2(stay), 1.0 - np.log2(1.0 - stay)
    return zero.astype(np.float32), one.astype(np.float32), (-np.log2(halves)).astype(np.float32)
