"""Blosc2 with Zstandard."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Unsupported
from benchmarks.types import Array


class Blosc2:
    """Blosc2 with Zstandard level 9: byte shuffle, or bit shuffle where that is smaller; lossless only."""

    name = "blosc2"
    setting = "zstd 9, best of byte and bit shuffle"

    def version(self) -> str:
        import blosc2

        return str(blosc2.__version__)

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import blosc2

        if max_error is not None:
            raise Unsupported("no bounded mode")
        filters = (blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE)
        data = array.tobytes()
        coded = [
            blosc2.compress2(
                data,
                typesize=array.itemsize,
                codec=blosc2.Codec.ZSTD,
                clevel=9,
                nthreads=1,
                filters=[blosc2.Filter.NOFILTER] * 5 + [chosen],
                filters_meta=[0] * 6,
            )
            for chosen in filters
        ]
        return bytes(min(coded, key=len))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import blosc2

        return np.frombuffer(blosc2.decompress2(data), dtype).reshape(shape)
