"""Codes of one tile of a trellis model (docs/format.md, 9.11)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped.codes import LappedCodes

#: Bit of the block code in a tile's header that says that a trellis chose the codebooks.
TRELLIS_BIT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrellisCodes(LappedCodes):
    """The content of a tile's streams: indices with signs, what they stand for, and the streams after the header.

    values : int32 like coefficients, magnitudes in 64ths of a step, without the tile's offsets
    bodies : one a stage
    cells : bool [16, 16], active in the last plane; none where the codes were read
    """

    values: npt.NDArray[np.int32]
    bodies: tuple[bytes, ...] = ()
    cells: npt.NDArray[np.bool_] | None = None
