"""pcodec on samples as they are, and on quantised integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane, Unsupported
from benchmarks.types import Array


class Pcodec:
    """pcodec, level 12 (its best), samples in raster order; lossless only.

    8-bit samples, which it does not take, become 16-bit ones.
    """

    name = "pcodec"
    setting = "level 12"

    def version(self) -> str:
        from importlib.metadata import version

        import pcodec  # noqa: F401

        return version("pcodec")

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from pcodec import ChunkConfig, standalone

        if max_error is not None:
            raise Unsupported("no bounded mode")
        flat = np.ascontiguousarray(array.reshape(-1))
        if array.itemsize == 1:
            flat = flat.astype(np.uint16 if array.dtype.kind == "u" else np.int16)
        return bytes(standalone.simple_compress(flat, ChunkConfig(compression_level=12)))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        from pcodec import standalone

        return np.asarray(standalone.simple_decompress(data)).reshape(shape).astype(dtype, copy=False)


class QuantisedPcodec(IntegerRival):
    """pcodec, level 12, on quantised integers in raster order (mapping: IntegerRival)."""

    name = "quantise+pcodec"
    setting = "level 12"

    def version(self) -> str:
        return Pcodec().version()

    def encode_plane(self, plane: Plane) -> bytes:
        return len(plane).to_bytes(4, "little") + Pcodec().encode(plane, max_error=None)

    def decode_plane(self, data: bytes) -> Array:
        height = int.from_bytes(data[:4], "little")
        return Pcodec().decode(data[4:], shape=(height, -1), dtype=np.dtype(np.uint16))
