"""The tiled compression of FITS as astropy writes it: RICE, HCOMPRESS, GZIP_2.

Counted are the bytes of the compressed table and its heap (NAXIS1 x NAXIS2 + PCOUNT), not the header blocks around
them: an image of 300 x 300 would otherwise pay 0.8 bit a pixel for padding.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from benchmarks.rivals.base import IntegerRival, Plane, Unsupported, tall
from benchmarks.types import Array


def table_bytes(file: bytes) -> bytes:
    """Return the table and heap of the compressed image in a FITS file of two HDUs."""
    from astropy.io import fits

    with fits.open(io.BytesIO(file), disable_image_compression=True) as hdus:
        header = hdus[1].header
        start = hdus[1].fileinfo()["datLoc"]
        return file[start : start + header["NAXIS1"] * header["NAXIS2"] + header["PCOUNT"]]


class TiledFits(IntegerRival):
    """RICE_1, HCOMPRESS_1 or GZIP_2 in astropy, on quantised integers (mapping: IntegerRival).

    The integers are stored as 32 bits, since the format's RICE codes 16-bit samples as signed ones.
    RICE and GZIP_2 take row tiles, the default; HCOMPRESS takes the whole image.
    """

    def __init__(self, algorithm: str) -> None:
        self.name = {"RICE_1": "rice", "HCOMPRESS_1": "hcompress", "GZIP_2": "gzip2"}[algorithm]
        self.setting = "astropy, int32, " + ("one tile" if algorithm == "HCOMPRESS_1" else "row tiles")
        self.algorithm = algorithm
        self._files: dict[bytes, bytes] = {}

    def version(self) -> str:
        import astropy

        return str(astropy.__version__)

    def encode_plane(self, plane: Plane) -> bytes:
        from astropy.io import fits

        tile_shape = plane.shape if self.algorithm == "HCOMPRESS_1" else (1, plane.shape[1])
        hdu = fits.CompImageHDU(plane.astype(np.int32), compression_type=self.algorithm, tile_shape=tile_shape)
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
        counted = table_bytes(buffer.getvalue())
        # Decoding needs the header too; it is kept aside and not counted.
        self._files = {counted: buffer.getvalue()}
        return counted

    def decode_plane(self, data: bytes) -> Array:
        from astropy.io import fits

        with fits.open(io.BytesIO(self._files[data])) as hdus:
            return np.array(hdus[1].data)

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        self._files = {}
        return super().encode(array, max_error=max_error)


class Gzip2Lossless:
    """GZIP_2 (byte shuffle, deflate) in astropy on the samples as they are, one tile; lossless only."""

    name = "gzip2-lossless"
    setting = "astropy, one tile"
    _file = b""

    def version(self) -> str:
        import astropy

        return str(astropy.__version__)

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from astropy.io import fits

        if max_error is not None:
            raise Unsupported("no bounded mode")
        image = tall(array)
        hdu = fits.CompImageHDU(image, compression_type="GZIP_2", tile_shape=image.shape, quantize_level=0)
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
        self._file = buffer.getvalue()
        return table_bytes(self._file)

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        from astropy.io import fits

        with fits.open(io.BytesIO(self._file)) as hdus:
            return np.array(hdus[1].data).astype(dtype).reshape(shape)
