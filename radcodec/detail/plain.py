"""The plain methods of a detail stream: raw, shuffled and packed samples (docs/format.md, 8.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.arrays import list_distinct
from radcodec.coding.zstd import unpack_frame
from radcodec.errors import CorruptError

RAW, SHUFFLED, LEARNED, PACKED, PARTS, COUNTED, PLATEAU = range(7)
QUICK_LEVEL, BEST_LEVEL = 1, 19
PROMISE = 1.2  # a quick size up to this multiple of the size to beat is worth the best level
LARGE_TILE = 1 << 16  # samples from which a quarter is looked at
LOOK_ROWS = 8
MANY = 4096  # samples by which repeats are seen
FEW, MOST = 0.3, 0.9  # shares of them that differ

Tile = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class DecodePart(Protocol):
    """Decodes a stream that is a part of another one."""

    def __call__(self, stream: memoryview, shape: tuple[int, int, int], *, special: Mask | None) -> Tile:
        """Decode the samples [p, h, w], given what is special among them."""
        ...


def is_learned(stream: bytes | memoryview) -> bool:
    """Tell whether a detail stream is of the learned method, the only one that uses predictors and base values."""
    return stream[0] == LEARNED


def uses_predictors(stream: bytes | memoryview) -> bool:
    """Tell whether a detail stream, or a part of it, may be of the learned method."""
    return len(stream) > 0 and stream[0] in (LEARNED, PARTS, PLATEAU)


def little(tile: Tile) -> Tile:
    """Convert the tile to little-endian samples."""
    return tile.astype(tile.dtype.newbyteorder("<"), copy=False)


def encode_plain(tile: Tile, beat: int | None) -> bytes:
    """Encode by the smallest plain method; pack the whole only where a quick look says it may beat ``beat`` bytes.

    It is always packed for None. Floats with the same values far apart are packed too: a quick look misses them.
    """
    best = encode_raw(tile)
    for method in (encode_shuffled, encode_packed):
        repeats = method is encode_packed and _repeats(tile)
        if beat is None or repeats or _quick_size(tile, method, PROMISE * beat) < PROMISE * beat:
            stream = method(tile, BEST_LEVEL)
            if len(stream) < len(best):
                best = stream
    return best


def _repeats(tile: Tile) -> bool:
    """Tell whether a float tile has few values, but more than the learned method can take as steps.

    So it is in mosaics of images that were scaled integers.
    """
    if tile.dtype.kind != "f" or tile.size < MANY:
        return False
    some = tile.reshape(-1)[:: tile.size // MANY]
    return FEW * some.size < list_distinct(some).size < MOST * some.size


def _quick_size(tile: Tile, method: Callable[[Tile, int], bytes], enough: float) -> float:
    """About the size of a method's stream; of a large tile from a quarter of its rows, in bands all over it.

    The rest grows it as the second half of the quarter did: not at all where a tile repeats itself. The first half is
    all that is looked at where it alone has ``enough`` bytes.
    """
    if tile.size < LARGE_TILE:
        return len(method(tile, QUICK_LEVEL))
    rows = np.flatnonzero(np.arange(tile.shape[1]) % (4 * LOOK_ROWS) < LOOK_ROWS)
    half = len(rows) // 2
    first = len(method(tile[:, rows[:half]], QUICK_LEVEL))
    if first >= enough:
        return first
    both = len(method(tile[:, rows], QUICK_LEVEL))
    return float(both + (both - first) * (tile.shape[1] - len(rows)) / (len(rows) - half))


def encode_raw(tile: Tile) -> bytes:
    """Method 0."""
    return bytes((RAW,)) + little(tile).tobytes()


def decode_raw(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], size: int) -> Tile:
    """Decode the samples of method 0."""
    if len(body) != size:
        raise CorruptError(f"detail stream: expected {size} raw bytes, found {len(body)}")
    return np.frombuffer(body, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def encode_packed(tile: Tile, level: int) -> bytes:
    """Method 3."""
    return bytes((PACKED,)) + zstandard.ZstdCompressor(level=level).compress(little(tile).tobytes())


def decode_packed(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], size: int) -> Tile:
    """Decode the samples of method 3."""
    octets = unpack_frame(body, size, what="the detail stream")
    return np.frombuffer(octets, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def encode_shuffled(tile: Tile, level: int) -> bytes:
    """Method 1."""
    octets = np.frombuffer(little(tile).tobytes(), np.uint8).reshape(-1, tile.dtype.itemsize)
    return bytes((SHUFFLED,)) + zstandard.ZstdCompressor(level=level).compress(octets.T.tobytes())


def decode_shuffled(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], size: int) -> Tile:
    """Decode the samples of method 1."""
    octets = unpack_frame(body, size, what="the detail stream")
    planes = np.frombuffer(octets, np.uint8).reshape(dtype.itemsize, -1)
    return np.frombuffer(planes.T.tobytes(), dtype.newbyteorder("<")).astype(dtype).reshape(shape)
