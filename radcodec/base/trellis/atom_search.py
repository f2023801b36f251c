"""Search the atoms of a tile. Those candidates stay that save the transform more than they cost."""

from __future__ import annotations

from radcodec.arrays import F64
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.lapped.search import choose_blocks
from radcodec.base.lapped.transform import geometry_of
from radcodec.base.trellis.atoms import AtomBook, Atoms
from radcodec.base.trellis.pursuit import Pursuit
from radcodec.base.trellis.refinement import Refinement


class AtomSearch:
    """Searches tiles for atoms of one codebook. It is immutable."""

    def __init__(self, book: AtomBook) -> None:
        self._pursuit, self._refinement = Pursuit(book), Refinement(book)

    def find(self, companded: F64, step: float, code: int | None) -> Atoms:
        """Return the atoms of a companded tile [h, w] that lower its cost, int32 [N, 4]; there may be none.

        ``step`` is that of a scalar quantiser, ``code`` the block code; None is the one that promises the fewest bits.
        """
        shape = (companded.shape[0], companded.shape[1])
        atoms, step = self._pursuit.find(companded, step), empty_codes(shape, step).step
        if not len(atoms):
            return atoms
        code = choose_blocks(companded, step)[0] if code is None else code
        return self._refinement.refine(companded, atoms, geometry_of(shape, code), step)
