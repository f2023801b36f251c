"""The tiled compression of FITS as cfitsio's own fpack does it; bytes are counted as in ``tiled_fits``."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals.base import Unsupported, pack, pack_specials, safe_error, tall, unpack, unpack_specials
from benchmarks.rivals.tiled_fits import table_bytes
from benchmarks.types import Array


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

    def float_options(self, filled: Array, max_error: float | None) -> list[str]:
        """Return the options that quantise finite floats; Unsupported for a mode that fpack does not have."""
        if max_error is None:
            if "-g2" not in self.flags:
                raise Unsupported("lossless floats")
            return ["-q", "0"]
        return ["-q0", repr(-2 * safe_error(filled, max_error))]

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from astropy.io import fits

        filled, specials = pack_specials(array)
        step, options = 1, list(self.flags)
        if array.dtype.kind == "f":
            options += self.float_options(filled, max_error)
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
    """Return the versions of fpack and of its cfitsio.

    Raises ImportError if fpack or funpack is not installed.
    """
    if shutil.which("fpack") is None or shutil.which("funpack") is None:
        raise ImportError("fpack and funpack are not installed (Debian: libcfitsio-bin)")
    printed = subprocess.run(["fpack", "-V"], capture_output=True, text=True, check=False).stdout
    return "fpack " + " ".join(printed.split()).replace("CFITSIO version", "cfitsio")
