"""SZ3 through imagecodecs: bounded, and in the lossy mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import FloatRival
from benchmarks.rivals.lossy import MappedRival, ladder
from benchmarks.types import F64, Array


class Sz3(FloatRival):
    """SZ3, interpolation and Lorenzo predictors chosen by itself, absolute error."""

    name = "sz3"

    def code(self, values: Array, error: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(values, mode="abs", abs=error))

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, dtype))


class MappedSz3(MappedRival):
    """SZ3 on y as 32-bit floats. Quality is the largest absolute error of y."""

    name = "sz3"
    setting = "float, 1 thread"
    knob = "largest error of y"
    qualities = (0.02, 0.04, 0.08, *ladder(0.15, 10.0, 15))

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(image.astype(np.float32), mode="abs", abs=quality))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, np.dtype(np.float32)))
