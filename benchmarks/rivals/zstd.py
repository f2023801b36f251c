"""Zstandard of the samples, plain or after a byte shuffle."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane, Unsupported
from benchmarks.types import Array


class Zstd:
    """Zstandard, level 19; lossless only."""

    name = "zstd"
    setting = "level 19"

    def version(self) -> str:
        import zstandard

        return str(zstandard.__version__)

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import zstandard

        if max_error is not None:
            raise Unsupported("no bounded mode")
        return bytes(zstandard.ZstdCompressor(level=19).compress(array.tobytes()))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import zstandard

        return np.frombuffer(zstandard.ZstdDecompressor().decompress(data), dtype).reshape(shape)


class ShuffleZstd:
    """Bytes of equal significance brought together, then Zstandard, level 19; lossless only."""

    name = "shuffle+zstd"
    setting = "level 19"

    def version(self) -> str:
        return Zstd().version()

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        planes = array.reshape(-1).view(np.uint8).reshape(-1, array.itemsize).T
        return Zstd().encode(np.ascontiguousarray(planes), max_error=max_error)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        planes = Zstd().decode(data, shape=(dtype.itemsize, -1), dtype=np.dtype(np.uint8))
        return np.ascontiguousarray(planes.T).view(dtype).reshape(shape)


class QuantisedShuffleZstd(IntegerRival):
    """Shuffle and Zstandard, level 19, on quantised integers (mapping: IntegerRival)."""

    name = "quantise+shuffle+zstd"
    setting = "level 19"

    def version(self) -> str:
        return Zstd().version()

    def encode_plane(self, plane: Plane) -> bytes:
        return len(plane).to_bytes(4, "little") + ShuffleZstd().encode(plane, max_error=None)

    def decode_plane(self, data: bytes) -> Array:
        height = int.from_bytes(data[:4], "little")
        return ShuffleZstd().decode(data[4:], shape=(height, -1), dtype=np.dtype(np.uint16))
