"""Lossless coders of numeric arrays: fpzip, pcodec, blosc2."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.rivals.base import Array, IntegerRival, Plane, Unsupported


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


class Pcodec:
    """pcodec, level 12 (its best), samples in raster order; lossless only.

    8-bit samples, which it does not take, become 16-bit ones.
    """

    name = "pcodec"
    setting = "level 12"

    def version(self) -> str:
        from importlib.metadata import version

        import pcodec  # noqa: F401

        return version("pcodec")

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from pcodec import ChunkConfig, standalone

        if max_error is not None:
            raise Unsupported("no bounded mode")
        flat = np.ascontiguousarray(array.reshape(-1))
        if array.itemsize == 1:
            flat = flat.astype(np.uint16 if array.dtype.kind == "u" else np.int16)
        return bytes(standalone.simple_compress(flat, ChunkConfig(compression_level=12)))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        from pcodec import standalone

        return np.asarray(standalone.simple_decompress(data)).reshape(shape).astype(dtype, copy=False)


class QuantisedPcodec(IntegerRival):
    """pcodec, level 12, on quantised integers in raster order (mapping: IntegerRival)."""

    name = "quantise+pcodec"
    setting = "level 12"

    def version(self) -> str:
        return Pcodec().version()

    def encode_plane(self, plane: Plane) -> bytes:
        return len(plane).to_bytes(4, "little") + Pcodec().encode(plane, max_error=None)

    def decode_plane(self, data: bytes) -> Array:
        height = int.from_bytes(data[:4], "little")
        return Pcodec().decode(data[4:], shape=(height, -1), dtype=np.dtype(np.uint16))


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
