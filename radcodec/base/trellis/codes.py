"""Codes of one tile of a trellis model (docs/format.md, 9.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped.codes import LappedCodes

#: Bit of the block code in a tile's header that says that a trellis chose the codebooks.
TRELLIS_BIT = 8
#: Bit that says that atoms follow the header.
ATOM_BIT = 16
NO_ATOMS = np.zeros((0, 4), np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrellisCodes(LappedCodes):
    """The content of a tile's streams: indices with signs, what they stand for, and the streams after the header.

    values : int32 like coefficients, magnitudes in 64ths of a step, without the tile's offsets
    bodies : one a stage
    cells : bool [16, 16], active in the last plane; none where the codes were read
    atoms : int32 [N, 4], row, column, index and level of each
    """

    values: npt.NDArray[np.int32]
    bodies: tuple[bytes, ...] = ()
    cells: npt.NDArray[np.bool_] | None = None
    atoms: npt.NDArray[np.int32] = field(default_factory=lambda: NO_ATOMS)

    def contents(self) -> tuple[npt.NDArray[np.integer], ...]:
        """Give the arrays that hold what the codes say beside their choices."""
        sizes = np.array([len(body) for body in self.bodies], np.int32)
        return self.coefficients, self.values, sizes, np.frombuffer(b"".join(self.bodies), np.uint8), self.atoms

    def with_contents(self, arrays: Sequence[npt.NDArray[np.integer]]) -> TrellisCodes:
        """Put in the arrays of ``contents``."""
        coefficients, values, sizes, joined, atoms = arrays
        ends = np.cumsum(sizes, dtype=np.int64).tolist()
        whole = joined.astype(np.uint8).tobytes()
        bodies = tuple(whole[start:end] for start, end in zip([0, *ends], ends, strict=False))
        coefficients, values, atoms = (array.astype(np.int32) for array in (coefficients, values, atoms))
        return replace(self, coefficients=coefficients, values=values, bodies=bodies, atoms=atoms)

    def like_coefficients(self) -> tuple[npt.NDArray[np.int32], ...]:
        """Give the indices, and what they stand for."""
        return self.coefficients, self.values

    def with_coefficients(self, arrays: Sequence[npt.NDArray[np.int32]]) -> TrellisCodes:
        """Put in arrays of some of the indices, as those of ``like_coefficients``."""
        return replace(self, coefficients=arrays[0], values=arrays[1])

    def without_content(self) -> TrellisCodes:
        """Give the choices alone: block length, quantiser, step and offsets."""
        nothing = np.zeros((0, 0, 0, 0), np.int32)
        return replace(self, coefficients=nothing, values=nothing, bodies=(), cells=None, atoms=NO_ATOMS)
