"""JPEG-XL through imagecodecs (libjxl)."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane, Unsupported, pack, pack_specials, tall, unpack, unpack_specials
from benchmarks.rivals.lossy import MappedRival, Mapping, from_unit, ladder, to_unit
from benchmarks.types import F64, Array


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
        import imagecodecs

        return str(imagecodecs.jpegxl_version())

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
            return unpack_specials(np.array(self.decode_plane(parts[1])).reshape(shape), parts[0])
        return super().decode(data, shape=shape, dtype=dtype)


class MappedJpegXl(MappedRival):
    """JPEG XL (libjxl), VarDCT, on y scaled to [0, 1] as 32-bit floats; least and greatest y are stored.

    Quality is the Butteraugli distance, at most 25. It models the eye, so the range of y matters. At half the contrast
    (1/4 to 3/4) it reaches lower rates, and is better at most of them. Effort 9 gives what 8 gives; modular lossy mode,
    which imagecodecs has no switch for, is worse at every rate.
    """

    name = "jpegxl"
    setting = "VarDCT, effort 8, float, 1 thread"
    knob = "distance"

    def __init__(self, mapping: Mapping, *, contrast: float = 1.0) -> None:
        super().__init__(mapping)
        self.contrast = contrast
        self.qualities = ladder(0.08 if mapping is Mapping.PLAIN else 0.3 * contrast, 25.0, 15)
        if contrast != 1.0:
            self.variant += f", contrast {contrast:g}"

    def code(self, image: F64, quality: float) -> bytes:
        import imagecodecs

        head, unit = to_unit(image)
        shown = (0.5 + (unit - 0.5) * self.contrast).astype(np.float32)
        stream = imagecodecs.jpegxl_encode(shown, distance=quality, effort=8, lossless=False, numthreads=1)
        return head + bytes(stream)

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        import imagecodecs

        shown = np.asarray(imagecodecs.jpegxl_decode(data[8:], numthreads=1))
        return from_unit(data[:8], 0.5 + (shown.astype(np.float64) - 0.5) / self.contrast)
