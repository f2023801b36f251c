"""RICE of cfitsio's fpack at an absolute step, with its subtractive dither or without."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals.base import Array, Unsupported, pack, pack_specials, tall, unpack, unpack_specials
from benchmarks.rivals.tiled_fits import table_bytes


class FpackSteps:
    """``fpack -r``: floats in steps of 2E (negative q), dithered with -q (its default kind), plain with -q0; funpack
    decodes. What counts are the bytes of table and heap."""

    def __init__(self, *, dither: bool) -> None:
        self.name = "fpack-rice-dither" if dither else "fpack-rice"
        self.option = "-q" if dither else "-q0"
        self.setting = f"fpack -r {self.option} -2E"
        self._file = b""

    def version(self) -> str:
        if shutil.which("fpack") is None or shutil.which("funpack") is None:
            raise ImportError("fpack and funpack are not installed (Debian: libcfitsio-bin)")
        told = subprocess.run(["fpack", "-V"], capture_output=True, text=True, check=False).stdout
        return " ".join(told.split())[:60]

    def encode(self, array: Array, *, max_error: float | None) -> bytes:
        from astropy.io import fits

        if array.dtype.kind != "f" or max_error is None:
            raise Unsupported("bounded floats only")
        filled, specials = pack_specials(array)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "image.fits"
            fits.PrimaryHDU(tall(filled)).writeto(source)
            command = ["fpack", "-r", self.option, repr(-2.0 * max_error), str(source)]
            subprocess.run(command, check=True, capture_output=True)
            self._file = source.with_name("image.fits.fz").read_bytes()
        return pack(specials, table_bytes(self._file))

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        from astropy.io import fits

        specials, _ = unpack(data)
        with tempfile.TemporaryDirectory() as folder:
            packed, restored = Path(folder) / "image.fits.fz", Path(folder) / "image.fits"
            packed.write_bytes(self._file)
            subprocess.run(["funpack", "-O", str(restored), str(packed)], check=True, capture_output=True)
            values = np.array(fits.getdata(restored), dtype)
        return unpack_specials(values.reshape(shape), specials)
