"""Signed bytes in tile-compressed images: BZERO is -128 there, and readers have applied it once too often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

import radcodec


def test_signed_bytes_in_tiles(tmp_path: Path) -> None:
    """The values of int8 pixels that astropy compressed come back from a recompressed file."""
    values = np.arange(-60, 60, dtype=np.int8).reshape(10, 12)
    source = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values)]).writeto(source)
    radcodec.compress(source, tmp_path / "a.rcz", recompress=True, preview=0, threads=1)
    with radcodec.open(tmp_path / "a.rcz") as file, file.hdulist() as hdul:
        found = next(hdu.data for hdu in hdul if hdu.data is not None)
        assert np.array_equal(found, values)
