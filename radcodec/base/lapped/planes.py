"""Process one plane of a tile of a lapped model in the native core (``radcodec/native/planes.c``)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.lapped.spec import LEVELS, N_BUCKETS
from radcodec.coding.ans import encode_symbols
from radcodec.runtime import native
from radcodec.runtime.native import CODE, COST, DECODE, core, pointer

__all__ = ["CODE", "COST", "DECODE"]

PAIR_SYMBOLS = 9
ZN_ROWS = N_BUCKETS
NN_ROWS = ZN_ROWS + N_BUCKETS * 2 * LEVELS
FLAG_ROWS = NN_ROWS + 2 * LEVELS * LEVELS
N_ROWS = FLAG_ROWS + 11 * LEVELS

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
# Of log_table, weight0, bias0, weight1, bias1, weight2, bias2.
_NETWORK_SIZES = (4096, 16 * 21, 16, 16 * 16, 16, 16, 1)


class Network:
    """The integer network, and the logarithms for its inputs.

    Parameters
    ----------
    arrays
        int32: log_table [4096]; weight [O, I] and bias [O] of each layer.
    shifts
        Of each layer.
    """

    def __init__(self, arrays: tuple[I32, ...], shifts: tuple[int, int, int]) -> None:
        self._arrays = arrays  # C keeps pointers to them
        pointers = (pointer(array, np.int32, size) for array, size in zip(arrays, _NETWORK_SIZES, strict=True))
        self.struct = native.Network(*pointers, *shifts)


class Coder:
    """The target or source of symbols: a table set, and room for symbols or a stream to read.

    Parameters
    ----------
    cumulative
        uint32 [rows, 10].
    room
        Number of symbols to keep when coding.
    """

    def __init__(self, cumulative: npt.NDArray[np.uint32], room: int = 0) -> None:
        self._cumulative = cumulative
        self._words = np.empty(0, np.uint32)
        self.symbols = np.empty(room, np.uint8)
        self.rows = np.empty(room, np.uint16)
        self.struct = native.Coder(
            pointer(cumulative, np.uint32, len(cumulative) * (PAIR_SYMBOLS + 1)),
            len(cumulative),
            0,
            pointer(self._words, np.uint32),
            0,
            pointer(self.symbols, np.uint8),
            pointer(self.rows, np.uint16),
            room,
            0,
        )

    @property
    def n(self) -> int:
        """How many symbols were coded or read since `start` or `open`."""
        return int(self.struct.n)

    @property
    def is_at_end(self) -> bool:
        """Whether a stream that is read ends with the last symbol."""
        return bool(self.struct.state == 0 and self.struct.n_words == 0)

    def start(self) -> None:
        """Start to code the symbols of another stream."""
        self.struct.n = 0

    def finish(self) -> bytes:
        """Return the ANS stream of the symbols coded since `start`."""
        n = self.n
        words = np.empty(n + 2, np.uint32)
        used = encode_symbols(self.symbols[:n], self.rows[:n], self._cumulative, words) if n else 0
        return words[:used].astype("<u4").tobytes().rstrip(b"\0")

    def open(self, words: npt.NDArray[np.uint32]) -> None:
        """Start to read an ANS stream."""
        self._words = words
        left, state = words.size, 0
        for _ in range(min(left, 2)):
            left -= 1
            state = (state << 32) | int(words[left])
        self.struct.words, self.struct.n_words = pointer(words, np.uint32), left
        self.struct.state, self.struct.n = state, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Input and output of the search.

    zero, one : float32 [2, 48], bits of staying zero and of leaving it, next to a zero or another
    refine : float32 [2, 5, 2], bits of the halves
    lower : int32 like magnitudes, the alternative
    ours, theirs : float32 like magnitudes; bits of both are added here
    """

    zero: F32
    one: F32
    refine: F32
    lower: I32
    ours: F32
    theirs: F32

    def struct(self, size: int) -> native.Prices:
        """Return the prices of ``size`` magnitudes as the C struct."""
        return native.Prices(
            pointer(self.zero, np.float32, 2 * N_BUCKETS),
            pointer(self.one, np.float32, 2 * N_BUCKETS),
            pointer(self.refine, np.float32, 4 * LEVELS),
            pointer(self.lower, np.int32, size),
            pointer(self.ours, np.float32, size),
            pointer(self.theirs, np.float32, size),
        )


def walk_plane(mode: int, plane: native.Plane, network: Network, coder: Coder, prices: Prices | None) -> None:
    """Code, read or price one plane of a tile (CODE, DECODE, COST)."""
    asked = None if prices is None else ctypes.byref(prices.struct(2 * plane.blocks * plane.n * plane.m))
    status = core().walk_plane(
        mode, ctypes.byref(plane), ctypes.byref(network.struct), ctypes.byref(coder.struct), asked
    )
    if status:
        raise ValueError(f"native core: a plane of {plane.blocks} x {plane.n} x {plane.m} pairs gives status {status}")
