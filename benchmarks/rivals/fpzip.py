"""fpzip: floats bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Unsupported
from benchmarks.types import Array


class Fpzip:
    """fpzip at full precision, two or three axes as they are; floats only, lossless only."""

    name = "fpzip"
    setting = "full precision"

    def version(self) -> str:
        from importlib.metadata import version

        import fpzip  # noqa: F401

        return version("fpzip")

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import fpzip

        if max_error is not None or array.dtype.kind != "f":
            raise Unsupported("lossless floats only")
        return bytes(fpzip.compress(np.ascontiguousarray(array), precision=0, order="C"))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import fpzip

        return np.asarray(fpzip.decompress(data, order="C")).reshape(shape).astype(dtype, copy=False)
