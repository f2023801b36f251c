"""ZFP through imagecodecs: reversible, bounded, and in the lossy mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import FloatRival, Unsupported, pack, pack_specials, unpack, unpack_specials
from benchmarks.rivals.lossy import MappedRival
from benchmarks.types import F64, Array


class Zfp(FloatRival):
    """ZFP: reversible mode where no bound is given, else fixed accuracy.

    Of the latter the largest power-of-two tolerance counts whose measured error meets the bound.
    """

    name = "zfp"
    setting = "reversible; bounded: fixed accuracy, largest tolerance that holds"

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        import imagecodecs

        if max_error is not None:
            return super().encode(array, max_error=max_error)
        if array.dtype.kind != "f" and array.dtype.itemsize < 4:
            array = array.astype(np.int32)
        filled, specials = pack_specials(array)
        return pack(specials, bytes(imagecodecs.zfp_encode(filled, level=-1, mode="reversible")), b"")

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        parts = unpack(data)
        if len(parts) == 2:
            return super().decode(data, shape=shape, dtype=dtype)
        return unpack_specials(np.array(self.restore(parts[1], shape, dtype)).reshape(shape).astype(dtype), parts[0])

    def code(self, values: Array, error: float) -> bytes:
        import imagecodecs

        # Typed as taking whole numbers only.
        zfp_encode: Any = imagecodecs.zfp_encode
        tolerance = error * 16
        for _ in range(12):
            coded = bytes(zfp_encode(values, level=tolerance, mode="a", header=True))
            decoded = imagecodecs.zfp_decode(coded)
            if np.abs(decoded.astype(np.float64) - values).max() <= error:
                return coded
            tolerance /= 2
        raise Unsupported("no tolerance meets the bound")

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.zfp_decode(data))


class MappedZfp(MappedRival):
    """ZFP on y as 32-bit floats, fixed rate. Quality is bits a pixel; a block of 4 x 4 takes no less than 10 bits."""

    name = "zfp"
    setting = "float, 1 thread"
    knob = "bit-rate"
    qualities: tuple[float, ...] = (0.625, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        # Typed as taking whole numbers only.
        zfp_encode: Any = imagecodecs.zfp_encode
        return bytes(zfp_encode(image.astype(np.float32), level=quality, mode="r", header=True))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.zfp_decode(data))
