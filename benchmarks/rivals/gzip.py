"""gzip of the big-endian samples, as a .fits.gz holds them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from benchmarks.rivals.base import Unsupported
from benchmarks.types import Array


class Gzip:
    """Deflate, level 9; lossless only."""

    name = "gzip"
    setting = "level 9"

    def version(self) -> str:
        return zlib.ZLIB_VERSION

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is not None:
            raise Unsupported("no bounded mode")
        return zlib.compress(array.astype(array.dtype.newbyteorder(">")).tobytes(), 9)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        big = np.frombuffer(zlib.decompress(data), dtype.newbyteorder(">"))
        return big.reshape(shape).astype(dtype)
