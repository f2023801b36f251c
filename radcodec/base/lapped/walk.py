"""Process the planes of one tile in order, and open its streams."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped import contexts, planes, transform
from radcodec.errors import CorruptError
from radcodec.runtime import native
from radcodec.runtime.native import core, pointer

I32 = npt.NDArray[np.int32]


class Walk:
    """The planes of one tile, processed in order."""

    def __init__(self, network: planes.Network | None, coder: planes.Coder, g: transform.Geometry) -> None:
        self._network, self._coder, self._columns = network, coder, g.columns
        blocks, n, m = g.rows * g.columns, g.height, g.width // 2
        self._shape = (blocks, n, m)
        self._counts = _known_counts(n, m)
        self._active = np.zeros((contexts.CELLS + 2, contexts.CELLS + 2), np.int32)
        self._before = np.zeros_like(self._active)
        self._exists = np.zeros((contexts.CELLS, contexts.CELLS), np.int32)
        rows, columns = (contexts.CELLS * np.arange(size) // size for size in (n, m))
        self._exists[np.ix_(rows, columns)] = 1
        self._scratch = np.empty(core().plane_bytes(blocks, n, m), np.uint8)

    def open(self, body: bytes, stage: int, n_planes: int) -> None:
        """Start to read a stage's ANS stream."""
        pairs = self._shape[0] * self._shape[1] * self._shape[2]
        longest = 3 * n_planes * (pairs + contexts.CELLS**2) + 8
        if len(body) > longest:
            raise CorruptError(f"base layer, stage {stage}: expected at most {longest} bytes, found {len(body)}")
        if body and body[-1] == 0:
            raise CorruptError(f"base layer, stage {stage}: expected no zero byte at the end, found {len(body)} bytes")
        self._coder.open(np.frombuffer(body + bytes(-len(body) % 4), "<u4").astype(np.uint32))

    def close(self, body: bytes, stage: int) -> None:
        """Check that a stage's stream ends with its last symbol."""
        if not self._coder.is_at_end or len(body) > 3 * self._coder.n + 8:
            raise CorruptError(
                f"base layer, stage {stage}: the stream does not end where its {self._coder.n} symbols do; "
                "the file is damaged, fetch it again"
            )

    def plane(
        self,
        mode: int,
        prices: planes.Prices | None,
        s: int,
        after: int,
        before: I32,
        sizes: I32,
        sign: npt.NDArray[np.int8],
    ) -> None:
        """Process plane s, with ``after`` more planes below it; magnitudes before and in it, [A, B, n, m]."""
        assert self._network is not None
        planes.walk_plane(mode, self.struct(s, after, before, sizes, sign), self._network, self._coder, prices)

    def struct(self, s: int, after: int, before: I32, sizes: I32, sign: npt.NDArray[np.int8]) -> native.Plane:
        """Return a plane as the C struct."""
        size = 2 * self._shape[0] * self._shape[1] * self._shape[2]
        return native.Plane(
            self._shape[0],
            self._columns,
            self._shape[1],
            self._shape[2],
            pointer(self._counts, np.uint8, 9 * size // self._shape[0]),
            s,
            int(after == 0),
            after,
            pointer(before, np.int32, size),
            pointer(sizes, np.int32, size),
            pointer(sign, np.int8, size),
            pointer(self._active, np.int32, (contexts.CELLS + 2) ** 2),
            pointer(self._before, np.int32, (contexts.CELLS + 2) ** 2),
            pointer(self._exists, np.int32, contexts.CELLS**2),
            pointer(self._scratch, np.uint8),
            self._scratch.size,
        )


@lru_cache(maxsize=8)
def _known_counts(n: int, m: int) -> npt.NDArray[np.uint8]:
    """Cache ``contexts.known_counts``, which is the same for all tiles of a shape."""
    return contexts.known_counts(n, m)
