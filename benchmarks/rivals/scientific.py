"""Error-bounded coders of floating-point arrays: SZ3, SPERR, ZFP, LERC, through imagecodecs.

Each gets the bound as its own absolute error; arrays of two and three axes go in as they are. Integers under a bound go
in as float64. Non-finite samples are stored apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Array, Unsupported, pack, pack_specials, safe_error, tall, unpack, unpack_specials


class FloatRival:
    """What the four share."""

    name: str
    setting = "absolute error"

    def version(self) -> str:
        import imagecodecs

        return str(getattr(imagecodecs, f"{self.name}_version")())

    def code(self, values: Array, error: float) -> bytes:
        raise NotImplementedError

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        raise NotImplementedError

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is None:
            raise Unsupported("no lossless mode")
        filled, specials = pack_specials(array)
        values = filled if array.dtype.kind == "f" else filled.astype(np.float64)
        return pack(specials, self.code(values, safe_error(filled, max_error)))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        specials, coded = unpack(data)
        kept = dtype if dtype.kind == "f" else np.dtype(np.float64)
        return unpack_specials(np.array(self.restore(coded, shape, kept)).reshape(shape), specials)


class Sz3(FloatRival):
    """SZ3, interpolation and Lorenzo predictors chosen by itself, absolute error."""

    name = "sz3"

    def code(self, values: Array, error: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(values, mode="abs", abs=error))

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, dtype))


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


class Lerc(FloatRival):
    """LERC, maximum error per pixel; stacks of planes as one tall image. Lossless where no bound is given."""

    name = "lerc"
    setting = "maximum error"

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is not None:
            return super().encode(array, max_error=max_error)
        filled, specials = pack_specials(array)
        return pack(specials, self.code(filled, 0.0))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        specials, coded = unpack(data)
        return unpack_specials(np.array(self.restore(coded, shape, dtype)).reshape(shape), specials)

    def code(self, values: Array, error: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.lerc_encode(np.ascontiguousarray(tall(values)), level=error))

    def restore(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.lerc_decode(data))
