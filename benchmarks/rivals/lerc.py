"""LERC through imagecodecs: lossless and bounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import FloatRival, pack, pack_specials, tall, unpack, unpack_specials
from benchmarks.types import Array


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
