"""JPEG-XL through imagecodecs (libjxl)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Array, IntegerRival, Plane, Unsupported, pack, pack_specials, tall, unpack
from benchmarks.rivals.base import unpack_specials as restore


def version_of_library() -> str:
    import imagecodecs

    return str(imagecodecs.jpegxl_version())


class JpegXl(IntegerRival):
    """Modular mode on quantised integers (mapping: IntegerRival); floats bit for bit as 32-bit float samples.

    Non-finite samples are stored apart. libjxl keeps every float32 pattern of finite numbers, also outside [0, 1];
    each decode is checked.
    """

    eight_bits = True

    def __init__(self, effort: int, *, threads: int = 1) -> None:
        self.name = f"jpegxl-e{effort}"
        self.setting = f"effort {effort}, lossless, {threads} thread{'s' if threads > 1 else ''}"
        self.effort, self.threads = effort, threads

    def version(self) -> str:
        return version_of_library()

    def _encode(self, image: Array) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(image, lossless=True, effort=self.effort, numthreads=self.threads))

    def encode_plane(self, plane: Plane) -> bytes:
        return self._encode(plane)

    def decode_plane(self, data: bytes) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=self.threads))

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        if max_error is None and array.dtype.kind == "f":
            if array.dtype != np.float32:
                raise Unsupported("float64")
            filled, specials = pack_specials(array)
            return pack(specials, self._encode(np.ascontiguousarray(tall(filled))))
        return super().encode(array, max_error=max_error)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        parts = unpack(data)
        if len(parts) == 2:
            return restore(np.array(self.decode_plane(parts[1])).reshape(shape), parts[0])
        return super().decode(data, shape=shape, dtype=dtype)
