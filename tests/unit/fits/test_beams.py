"""Tables of beams cut with their channels: CASA's BEAMS and AIPS's CG, read back by astropy."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.errors import UnsupportedDataError


def beams(n_chan: int, n_pol: int, *, unit: str = "arcsec", chan: bool = True) -> fits.BinTableHDU:
    """A table as CASA writes it: BMAJ is 5 + channel + 100 * polarisation."""
    channel, pol = (part.ravel() for part in np.meshgrid(np.arange(n_chan), np.arange(n_pol)))
    columns = [
        fits.Column("BMAJ", "1E", unit, array=5.0 + channel + 100 * pol),
        fits.Column("BMIN", "1E", unit, array=4.0 + channel),
        fits.Column("BPA", "1E", "deg", array=10.0 * channel),
    ]
    if chan:
        columns += [fits.Column("CHAN", "1J", array=channel), fits.Column("POL", "1J", array=pol)]
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    table.header["NCHAN"], table.header["NPOL"] = n_chan, n_pol
    table.add_checksum()
    return table


def packed(
    table: fits.BinTableHDU | None, n_chan: int, n_pol: int, axes: tuple[str, str] = ("FREQ", "STOKES")
) -> bytes:
    """A small cube with CASAMBM = T and a table beside it, compressed."""
    shape = (n_pol, n_chan, 12, 12) if axes[0] == "FREQ" else (n_chan, n_pol, 12, 12)
    first = fits.PrimaryHDU(np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
    first.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3=axes[0], CTYPE4=axes[1], CASAMBM=True)
    file, out = io.BytesIO(), io.BytesIO()
    fits.HDUList([first, *([] if table is None else [table])]).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), out, preview=0, threads=1, verify=False)
    return out.getvalue()


def cut(data: bytes, region: Any, **options: Any) -> fits.HDUList:
    """A cut-out, its checksums checked."""
    out = io.BytesIO()
    radcodec.cutout(data, out, region, threads=1, **options)
    hdus = fits.open(io.BytesIO(out.getvalue()), checksum=True)
    hdus.verify("exception")
    return hdus


def test_a_range_of_channels_keeps_their_rows() -> None:
    """Channels 2 to 4 of 6 keep the rows of both polarisations, counted from 0."""
    with cut(packed(beams(6, 2), 6, 2), "1:5,1:5,2:5") as hdus:
        assert (hdus[0].header["CASAMBM"], "BMAJ" in hdus[0].header) == (True, False)
        table = hdus["BEAMS"]
        assert table.data["CHAN"].tolist() == [0, 1, 2, 0, 1, 2]
        assert table.data["POL"].tolist() == [0, 0, 0, 1, 1, 1]
        assert table.data["BMAJ"].tolist() == [7, 8, 9, 107, 108, 109]
        assert (table.header["NCHAN"], table.header["NPOL"], table.header["NAXIS2"]) == (3, 2, 6)


def test_the_axes_are_found_by_name() -> None:
    """Where Stokes comes before frequency the right rows are kept."""
    with cut(packed(beams(3, 2), 3, 2, ("STOKES", "FREQ")), ":,:,1:2,1:3") as hdus:
        assert hdus["BEAMS"].data["BMAJ"].tolist() == [106, 107]
        assert hdus["BEAMS"].data["POL"].tolist() == [0, 0]
        assert hdus["BEAMS"].data["CHAN"].tolist() == [0, 1]


def test_all_channels_keep_the_table_as_it_is() -> None:
    """Without a cut in frequency the table is the one that was there, checksums included."""
    table = beams(4, 1)
    with cut(packed(table, 4, 1), "1:5") as hdus:
        assert hdus["BEAMS"].data.tolist() == table.data.tolist()
        assert hdus["BEAMS"].header.tostring() == table.header.tostring()


@pytest.mark.parametrize(("unit", "factor"), [("arcsec", 1 / 3600), ("deg", 1.0), ("arcmin", 1 / 60)])
def test_one_channel_has_its_beam_in_the_header(unit: str, factor: float) -> None:
    """A single plane has BMAJ, BMIN and BPA in degrees, and neither table nor CASAMBM."""
    with cut(packed(beams(6, 1, unit=unit), 6, 1), None, plane=4) as hdus:
        header = hdus[0].header
        np.testing.assert_allclose([header["BMAJ"], header["BMIN"], header["BPA"]], [9 * factor, 8 * factor, 40.0])
        assert ("CASAMBM" in header, len(hdus)) == (False, 1)


def test_one_channel_of_unknown_unit_keeps_a_row() -> None:
    """Where the unit is not known the header is left alone and the one row is carried."""
    with cut(packed(beams(6, 1, unit="pc"), 6, 1), None, plane=4) as hdus:
        assert hdus["BEAMS"].data["BMAJ"].tolist() == [9]
        assert hdus["BEAMS"].data["CHAN"].tolist() == [0]
        assert hdus[0].header["CASAMBM"] is True


def test_no_promise_of_a_table_that_is_not_there() -> None:
    """CASAMBM = T goes where the file has no table, or none of its rows are in the cut-out."""
    with cut(packed(None, 3, 1), "1:5") as hdus:
        assert "CASAMBM" not in hdus[0].header
    table = fits.BinTableHDU(beams(6, 1).data[:2], name="BEAMS")
    table.columns["BMAJ"].unit = "arcsec"
    with cut(packed(table, 6, 1), ":,:,3:5") as hdus:
        assert ("CASAMBM" in hdus[0].header, len(hdus)) == (False, 1)


def test_rows_without_numbers_are_the_channels_in_order() -> None:
    """A table such as AIPS's CG has a row a channel; where it has not, cutting in frequency is refused."""
    table = beams(5, 1, chan=False)
    table.name = "AIPS CG"
    with cut(packed(table, 5, 1), ":,:,1:4") as hdus:
        assert hdus["AIPS CG"].data["BMAJ"].tolist() == [6, 7, 8]
    with pytest.raises(UnsupportedDataError, match="column CHAN or 5 rows in the table of beams, found 4 rows"):
        cut(packed(beams(4, 1, chan=False), 5, 1), ":,:,1:4")
