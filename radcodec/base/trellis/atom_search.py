"""Search the atoms of a tile. Those candidates stay that save the transform more than they cost."""

from __future__ import annotations

import numpy as np

from radcodec.arrays import F64
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.lapped.emphasis import BRIGHT, bright_parts
from radcodec.base.lapped.search import choose_blocks
from radcodec.base.lapped.transform import WAVELET, geometry_of
from radcodec.base.trellis.atoms import AtomBook
from radcodec.base.trellis.codes import NO_ATOMS
from radcodec.base.trellis.pursuit import Pursuit, local_maxima
from radcodec.base.trellis.refinement import Found, Mask, Refinement


class AtomSearch:
    """Searches tiles for atoms of one codebook. It is immutable."""

    def __init__(self, book: AtomBook) -> None:
        self._pursuit, self._refinement = Pursuit(book), Refinement(book)

    def find(self, companded: F64, step: float, code: int | None, *, keep_sources: bool) -> Found:
        """Return the atoms of a companded tile [h, w] that lower its cost; there may be none.

        Parameters
        ----------
        step
            Of a scalar quantiser.
        code
            Block code. None is the one that promises the fewest bits; what the atoms leave may get another one.
        keep_sources
            Do not count the bits of atoms on peaks above 5 sigma, in tiles that are not full of emission.
        """
        shape = (companded.shape[0], companded.shape[1])
        atoms = NO_ATOMS if code == WAVELET else self._pursuit.find(companded, step)
        if not len(atoms):
            return Found(atoms)
        step = empty_codes(shape, step).step
        code = choose_blocks(companded, step)[0] if code is None else code
        peaks = _peaks(companded) if keep_sources else None
        return self._refinement.refine(companded, atoms, geometry_of(shape, code), step, peaks)


def _peaks(companded: F64) -> Mask | None:
    """Mark local maxima of bright sources [h, w]; None where there are none, or emission fills the tile."""
    if bright_parts(companded) is None:
        return None
    peaks = np.zeros(companded.shape, np.bool_)
    peaks[local_maxima(companded, BRIGHT)] = True
    return peaks
