"""SPERR through imagecodecs: bounded, and in the lossy mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import FloatRival, Unsupported
from benchmarks.rivals.lossy import MappedRival, ladder
from benchmarks.types import F64, Array


class Sperr(FloatRival):
    """SPERR, point-wise error mode."""

    name = "sperr"
    setting = "point-wise error"

    def code(self, values: Array, error: float) -> bytes:
        import imagecodecs

        if min(values.shape) < 2:
            raise Unsupported("an axis of one")
        return bytes(imagecodecs.sperr_encode(values, error, mode="pwe", header=True, numthreads=1))

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sperr_decode(data, header=True, numthreads=1))


class MappedSperr(MappedRival):
    """SPERR (wavelet, SPECK) on y as 32-bit floats. Quality is the bit-rate, which it keeps to."""

    name = "sperr"
    setting = "float, 1 thread"
    knob = "bit-rate"
    qualities = ladder(0.03, 3.0, 15)

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        if min(image.shape) < 2:
            raise Unsupported("an axis of one")
        return bytes(imagecodecs.sperr_encode(image.astype(np.float32), quality, "bpp", header=True, numthreads=1))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sperr_decode(data, header=True, numthreads=1))
