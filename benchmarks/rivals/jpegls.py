"""JPEG-LS through imagecodecs (CharLS)."""

from __future__ import annotations

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane
from benchmarks.types import Array


class JpegLs(IntegerRival):
    """Lossless JPEG-LS on quantised integers (mapping: IntegerRival).

    Its contexts suit the whole range of 8 or 16 bits, although an image may use only a part; imagecodecs has no switch.
    """

    name = "jpegls"
    setting = "lossless, 8 bits where they do"
    eight_bits = True

    def version(self) -> str:
        import imagecodecs

        return str(imagecodecs.jpegls_version())

    def encode_plane(self, plane: Plane) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpegls_encode(plane, level=0))

    def decode_plane(self, data: bytes) -> Array:
        import imagecodecs

        return np.asarray(imagecodecs.jpegls_decode(data))
