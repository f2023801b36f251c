"""A cut-out of a file with several tables of beams takes the one of its image."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import radcodec

AXES = {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CTYPE3": "FREQ", "CASAMBM": True}


def _file(order: str, versions: bool) -> io.BytesIO:
    """Images and tables of beams in the order of letters; the beams of table b are 10, those of B 20 arcsec and up."""
    units: list[fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU] = [fits.PrimaryHDU()]
    for letter in order:
        version = 2 if letter.isupper() and versions else 1
        if letter in "iI":
            hdu = fits.ImageHDU(np.zeros((5, 8, 8), np.float32), fits.Header(AXES), name="SCI", ver=version)
        else:
            beams = np.arange(5, dtype=np.float32) + (20 if letter == "B" else 10)
            columns = [fits.Column(name, "1E", unit="arcsec", array=beams) for name in ("BMAJ", "BMIN")]
            columns += [fits.Column("BPA", "1E", unit="deg", array=beams), fits.Column("CHAN", "1J", array=range(5))]
            hdu = fits.BinTableHDU.from_columns(columns, name="BEAMS", ver=version)
        units.append(hdu)
    content = io.BytesIO()
    fits.HDUList(units).writeto(content)
    return io.BytesIO(content.getvalue())


@pytest.mark.parametrize(
    ("order", "versions", "hdu", "beams"),
    [
        ("ibIB", True, 1, [11, 12]),
        ("ibIB", True, 3, [21, 22]),
        ("bBIi", True, 3, [21, 22]),
        ("bBIi", True, 4, [11, 12]),
        ("ibIB", False, 1, [11, 12]),
        ("ibIB", False, 3, [21, 22]),
        ("ib", True, 1, [11, 12]),
        ("bI", True, 2, [11, 12]),
    ],
)
def test_the_table_of_the_image(order: str, versions: bool, hdu: int, beams: list[int]) -> None:
    """EXTVER says which; where it does not, the table that follows the image; one table alone is for all."""
    packed, cut = io.BytesIO(), io.BytesIO()
    radcodec.compress(_file(order, versions), packed, preview=0, threads=1)
    radcodec.cutout(packed.getvalue(), cut, ":,:,1:3", hdu=hdu)
    with fits.open(io.BytesIO(cut.getvalue())) as hdus:
        assert [unit.name for unit in hdus] == ["SCI", "BEAMS"]
        assert hdus["BEAMS"].data["BMAJ"].tolist() == beams
