"""The planes of one tile in order: what the compiled loops of ``planes`` are given, and streams as they are opened."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from radcodec.errors import CorruptError
from radcodec.lapped import contexts, planes, transform
from radcodec.lapped.spec import LEVELS


class Walk:
    """The planes of one tile, one after the other."""

    def __init__(self, network: planes.Network, coder: planes.Coder, g: transform.Geometry) -> None:
        self._network, self._coder, self._columns = network, coder, g.columns
        self._shape = (g.rows * g.columns, g.height, g.width // 2, 2)
        self._counts = _known_counts(g.height, g.width // 2)
        self._active = np.zeros((contexts.CELLS + 2, contexts.CELLS + 2), np.int32)
        self._before = np.zeros_like(self._active)
        self._exists = np.zeros((contexts.CELLS, contexts.CELLS), np.int32)
        rows, columns = (contexts.CELLS * np.arange(n) // n for n in (g.height, g.width // 2))
        self._exists[np.ix_(rows, columns)] = 1

    def open(self, body: bytes, stage: int, n_planes: int) -> None:
        """Start to read a stage's ANS stream."""
        pairs = self._shape[0] * self._shape[1] * self._shape[2]
        longest = 3 * n_planes * (pairs + contexts.CELLS**2) + 8
        if len(body) > longest:
            raise CorruptError(f"base layer, stage {stage}: expected at most {longest} bytes, found {len(body)}")
        if body and body[-1] == 0:
            raise CorruptError(f"base layer, stage {stage}: expected no zero byte at the end, found {len(body)} bytes")
        words = np.frombuffer(body + bytes(-len(body) % 4), "<u4").astype(np.uint32)
        coder = self._coder._replace(words=words)
        coder.n[0] = 0
        state, left = 0, words.size
        for _ in range(min(left, 2)):
            left -= 1
            state = (state << 32) | int(words[left])
        coder.state[0], coder.at[0] = state, left
        self._coder = coder

    def close(self, body: bytes, stage: int) -> None:
        """Check that a stage's stream ends with its last symbol."""
        coder = self._coder
        if coder.state[0] != 0 or coder.at[0] != 0 or len(body) > 3 * int(coder.n[0]) + 8:
            raise CorruptError(
                f"base layer, stage {stage}: the stream does not end where its {int(coder.n[0])} symbols do; "
                "the file is damaged, fetch it again"
            )

    def plane(
        self,
        mode: int,
        prices: planes.Prices,
        s: int,
        after: int,
        before: npt.NDArray[np.int32],
        sizes: npt.NDArray[np.int32],
        sign: npt.NDArray[np.int8],
    ) -> None:
        """Plane s, which ``after`` more planes follow; magnitudes before and in it, [A, B, n, m]."""
        planes.walk_plane(
            mode, self._coder, prices, self._network, self._counts, s, int(after == 0), after, self._columns,
            before.reshape(self._shape), sizes.reshape(self._shape), sign.reshape(self._shape), self._active,
            self._before, self._exists,
        )  # fmt: skip


_NOTHING = np.zeros((0, 2), np.float32)
NO_PRICES = planes.Prices(
    np.zeros((2, 48), np.float32), np.zeros((2, 48), np.float32), np.zeros((2, LEVELS, 2), np.float32),
    np.zeros((0, 2), np.int32), _NOTHING, _NOTHING,
)  # fmt: skip


@lru_cache(maxsize=8)
def _known_counts(n: int, m: int) -> npt.NDArray[np.uint8]:
    """``contexts.known_counts``, which every tile of a shape has in common."""
    return contexts.known_counts(n, m)


def make_coder(cumulative: npt.NDArray[np.uint32], room: int = 0) -> planes.Coder:
    """A coder with room for symbols."""
    return planes.Coder(
        cumulative, np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(0, np.uint32),
        np.empty(room, np.uint8), np.empty(room, np.uint16), np.zeros(1, np.int64),
    )  # fmt: skip
