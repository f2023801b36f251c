"""The tiled compression of FITS, as astropy writes it (rice, hcompress, gzip2) and as fpack does (fpack-...).

Counted are the bytes of the compressed table and its heap (NAXIS1 x NAXIS2 + PCOUNT), not the header blocks around
them: an image of 300 x 300 would otherwise pay 0.8 bit a pixel for padding.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals.base import (
    Array,
    IntegerRival,
    Plane,
    Unsupported,
    pack,
    pack_specials,
    safe_error,
    tall,
    unpack,
    unpack_specials,
)


def table_bytes(file: bytes) -> bytes:
    """Table and heap of the compressed image in a FITS file of two HDUs."""
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


class Fpack:
    """RICE, HCOMPRESS or GZIP_2 from cfitsio's own fpack, decoded by its funpack.

    Floats under a bound E are quantised by fpack with the absolute step 2E (negative q), without dither. Integers are
    coded as they are, under a bound as ``rint(k / s)`` with s the largest odd step up to 2E + 1. GZIP_2 alone keeps
    floats bit for bit (-q 0). RICE takes row tiles, the default, the others the whole image, where they are smaller.
    Non-finite samples are stored apart.
    """

    def __init__(self, algorithm: str) -> None:
        self.name = f"fpack-{algorithm}"
        self.flags = {"rice": ["-r"], "hcompress": ["-h", "-w"], "gzip2": ["-g2", "-w"]}[algorithm]
        self.setting = " ".join(["fpack", *self.flags]) + "; bounded floats: -q0 -2E"
        self._file = b""

    def version(self) -> str:
        return fpack_version()

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from astropy.io import fits

        filled, specials = pack_specials(array)
        step, options = 1, list(self.flags)
        if array.dtype.kind == "f":
            if max_error is None and "-g2" not in options:
                raise Unsupported("lossless floats")
            options += ["-q", "0"] if max_error is None else ["-q0", repr(-2 * safe_error(filled, max_error))]
        elif max_error is not None:
            step = 2 * int(max_error) + 1
            filled = np.rint(filled / step).astype(array.dtype)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "image.fits"
            fits.PrimaryHDU(tall(filled)).writeto(source)
            subprocess.run(["fpack", *options, str(source)], check=True, capture_output=True)
            self._file = source.with_name("image.fits.fz").read_bytes()
        return pack(step.to_bytes(8, "little"), specials, table_bytes(self._file))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        from astropy.io import fits

        step, specials, _ = unpack(data)
        with tempfile.TemporaryDirectory() as folder:
            packed, restored = Path(folder) / "image.fits.fz", Path(folder) / "image.fits"
            packed.write_bytes(self._file)
            subprocess.run(["funpack", "-O", str(restored), str(packed)], check=True, capture_output=True)
            values = np.array(fits.getdata(restored)).reshape(shape)
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            values = np.clip(values.astype(np.int64) * int.from_bytes(step, "little"), limits.min, limits.max)
        return unpack_specials(values.astype(dtype), specials)


def fpack_version() -> str:
    """Versions of fpack and of the cfitsio it has; ImportError where it or funpack is not installed."""
    if shutil.which("fpack") is None or shutil.which("funpack") is None:
        raise ImportError("fpack and funpack are not installed (Debian: libcfitsio-bin)")
    told = subprocess.run(["fpack", "-V"], capture_output=True, text=True, check=False).stdout
    return "fpack " + " ".join(told.split()).replace("CFITSIO version", "cfitsio")


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
