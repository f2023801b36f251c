"""Distortion and coordinate tables that go with a cut-out, against astropy's world coordinates."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Wcsprm

import radcodec
from radcodec.fits.companions import TableNeed, needed_tables

X0, Y0 = 37, 21
POINTS = np.array([[0.0, 0.0], [20.0, 50.0], [42.0, 77.0], [3.5, 60.25]])


def image(**cards: Any) -> fits.PrimaryHDU:
    """An image of 128 x 128 pixels with a SIN projection."""
    values = np.random.default_rng(0).normal(size=(128, 128)).astype(np.float32)
    hdu = fits.PrimaryHDU(values)
    hdu.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CRVAL1=150.0, CRVAL2=2.0, CDELT1=-1e-3, CDELT2=1e-3)
    hdu.header.update(CRPIX1=64.5, CRPIX2=60.0)
    hdu.header.update(cards)
    return hdu


def records(header: fits.Header, keyword: str, *values: str) -> None:
    """Record-valued cards, such as DP1 = 'EXTVER: 1.0'."""
    for value in values:
        header.append((keyword, value), end=True)


def table(values: np.ndarray, name: str, ver: int, step: float, **cards: Any) -> fits.ImageHDU:
    """A lookup table of pixel offsets whose first entry is that of pixel 1."""
    hdu = fits.ImageHDU(values.astype(np.float32), name=name, ver=ver)
    hdu.header.update(CRPIX1=1.0, CRPIX2=1.0, CRVAL1=1.0, CRVAL2=1.0, CDELT1=step, CDELT2=step)
    hdu.header.update(cards)
    hdu.add_checksum()
    return hdu


def compare(hdus: fits.HDUList, region: str = f"{X0}:80,{Y0}:99", **options: Any) -> fits.HDUList:
    """The cut-out, after a check that its sky is that of the original to 1e-9 degrees."""
    file, packed, cut = io.BytesIO(), io.BytesIO(), io.BytesIO()
    hdus.writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=0, threads=1, verify=False)
    radcodec.cutout(packed.getvalue(), cut, region, threads=1, **options)
    before, after = fits.open(io.BytesIO(file.getvalue())), fits.open(io.BytesIO(cut.getvalue()), checksum=True)
    number = options.get("hdu", 0)
    expected = WCS(before[number].header, before).all_pix2world(POINTS + [X0, Y0], 0)
    np.testing.assert_allclose(WCS(after[0].header, after).all_pix2world(POINTS, 0), expected, rtol=0, atol=1e-9)
    return after


YY, XX = np.mgrid[:16, :16]


def test_lookup_tables_go_along_and_move() -> None:
    """Both WCSDVARR tables are in the cut-out, their data untouched, and the sky is the same."""
    hdu = image(CPDIS1="LOOKUP", CPDIS2="Lookup")
    for axis in (1, 2):
        records(hdu.header, f"DP{axis}", f"EXTVER: {axis}.0", "NAXES: 2.0", "AXIS.1: 1.0", "AXIS.2: 2.0")
    tables = [table(values * 0.06, "WCSDVARR", ver, 8.0) for ver, values in ((1, XX), (2, YY**1.5))]
    other = fits.ImageHDU(np.zeros((4, 4), np.int16), name="DQ")
    found = compare(fits.HDUList([hdu, other, *tables]))
    assert [(part.name, part.ver) for part in found] == [("PRIMARY", 1), ("WCSDVARR", 1), ("WCSDVARR", 2)]
    assert np.array_equal(found[2].data, tables[1].data)
    assert (found[1].header["CRVAL1"], found[1].header["CRVAL2"]) == (1.0 - X0, 1.0 - Y0)
    assert found[0].header["EXTEND"] is True


@pytest.mark.slow
def test_detector_tables_go_along_and_move() -> None:
    """A D2IMARR table, of one row as HST has it, is shifted along x; a missing CRVAL2 is written."""
    hdu = image(D2IMDIS1="Lookup")
    records(hdu.header, "D2IM1", "EXTVER: 3", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2")
    wave = table(np.sin(np.arange(128.0))[None], "D2IMARR", 3, 1.0)
    del wave.header["CRVAL2"]
    found = compare(fits.HDUList([hdu, wave]))
    assert found["D2IMARR", 3].header["CRVAL2"] == -Y0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The use of ``AXISCORR``")
def test_detector_tables_of_the_old_form() -> None:
    """A D2IMARR table of one axis, named by AXISCORR alone, is shifted as well."""
    wave = fits.ImageHDU(np.sin(np.arange(128.0)).astype(np.float32), name="D2IMARR")
    wave.header.update(CRPIX1=1.0, CRVAL1=1.0, CDELT1=1.0)
    found = compare(fits.HDUList([image(AXISCORR=1), wave]))
    assert found["D2IMARR"].header["CRVAL1"] == 1.0 - X0


@pytest.mark.slow
def test_the_tables_of_an_extension() -> None:
    """An image in an extension brings its own tables and not those of its neighbour."""
    first, parts = fits.PrimaryHDU(), []
    for number in (1, 2):
        source = image(CPDIS1="LOOKUP", CPDIS2="LOOKUP")
        part = fits.ImageHDU(source.data, source.header, name="SCI", ver=number)
        for axis in (1, 2):
            records(part.header, f"DP{axis}", f"EXTVER: {number}.0", "NAXES: 2.0", "AXIS.1: 1.0", "AXIS.2: 2.0")
        parts.append(part)
    tables = [table(XX * 0.02 * ver, "WCSDVARR", ver, 8.0) for ver in (1, 2)]
    found = compare(fits.HDUList([first, *parts, *tables]), hdu=2)
    assert [(part.name, part.ver) for part in found[1:]] == [("WCSDVARR", 2)]


def test_coordinate_tables_go_along() -> None:
    """A -TAB axis finds its table in the cut-out, and the channel its value there."""
    cube = fits.PrimaryHDU(np.zeros((8, 6, 6), np.float32))
    cube.header.update(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", CTYPE3="WAVE-TAB", CRPIX3=1.0, CRVAL3=1.0, CDELT3=1.0)
    cube.header.update(CUNIT3="m", PS3_0="WCS-TAB", PS3_1="COORDS", PS3_2="INDEX", PV3_1=2)
    cube.header.update(CRVAL1=10.0, CDELT1=-1e-3, CDELT2=1e-3)
    waves = 1e-6 * (1 + np.arange(8.0) ** 2)
    columns = [
        fits.Column("COORDS", "8D", dim="(1,8)", array=waves.reshape(1, 8, 1)),
        fits.Column("INDEX", "8D", array=np.arange(1.0, 9.0).reshape(1, 8)),
    ]
    tab = fits.BinTableHDU.from_columns(columns, name="WCS-TAB", ver=2)
    other = fits.BinTableHDU.from_columns(columns[1:], name="WCS-TAB", ver=1)
    file, packed, cut = io.BytesIO(), io.BytesIO(), io.BytesIO()
    fits.HDUList([cube, other, tab]).writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=0, threads=1, verify=False)
    radcodec.cutout(packed.getvalue(), cut, "1:3,2:6,5:8", threads=1)
    with fits.open(io.BytesIO(cut.getvalue())) as found:
        assert [(part.name, part.ver) for part in found[1:]] == [("WCS-TAB", 2)]
        values = WCS(found[0].header, found).all_pix2world([[0, 0, n] for n in range(3)], 0)[:, 2]
        np.testing.assert_allclose(values, waves[5:8], rtol=1e-12)


def places(header: fits.Header, points: np.ndarray) -> np.ndarray:
    """World coordinates as wcslib has them; astropy's own class knows no distortions by a function."""
    text = header.tostring(sep="", endcard=False, padding=False)
    return np.array(Wcsprm(text.encode(), relax=True).p2s(points, 0)["world"])


@pytest.mark.parametrize("kind", ["TPD", "Polynomial"])
def test_distortions_by_a_function_count_from_the_same_pixel(kind: str) -> None:
    """A polynomial of the pixel, with and without an OFFSET on record, keeps the sky."""
    hdu = image(CPDIS1=kind, CPDIS2=kind)
    for axis, offset in ((1, ["OFFSET.1: 40.0", "OFFSET.2: 50.0"]), (2, [])):
        terms = ["TPD.FWD.0: 0.3", "TPD.FWD.1: 1e-3", "TPD.FWD.4: 1e-5", "TPD.FWD.6: 2e-5"]
        if kind == "Polynomial":
            terms = ["NTERMS: 2"]
            terms += ["TERM.1.COEFF: 1e-5", "TERM.1.VAR.1: 2.0", "TERM.2.COEFF: 1e-5", "TERM.2.VAR.2: 2.0"]
        records(hdu.header, f"DP{axis}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2", *offset, *terms)
    straight = WCS(image().header).all_pix2world(POINTS + [X0, Y0], 0)
    bent = places(hdu.header, POINTS + [X0, Y0])
    assert np.abs(straight - bent).max() > 1e-5
    file, packed, cut = io.BytesIO(), io.BytesIO(), io.BytesIO()
    hdu.writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=0, threads=1, verify=False)
    radcodec.cutout(packed.getvalue(), cut, f"{X0}:80,{Y0}:99", threads=1)
    with fits.open(io.BytesIO(cut.getvalue())) as found:
        np.testing.assert_allclose(places(found[0].header, POINTS), bent, rtol=0, atol=1e-9)


def test_which_tables_are_needed() -> None:
    """Tables are named once each; a header without any needs none, nor does a polynomial."""
    header = image(CPDIS1="LOOKUP", CPDIS2="lookup", CQDIS1="LOOKUP", PS3_0="tab", AXISCORR=1, CPDIS1A="TPD").header
    records(header, "DP2", "EXTVER: 1")
    records(header, "DQ1", "EXTVER: 4")
    assert set(needed_tables(header.tostring().encode())) == {
        TableNeed(name="WCSDVARR", extver=1, in_pixels=True),
        TableNeed(name="WCSDVARR", extver=4, in_pixels=False),
        TableNeed(name="TAB", extver=1, in_pixels=False),
        TableNeed(name="D2IMARR", extver=1, in_pixels=True),
    }
    assert needed_tables(image().header.tostring().encode()) == ()


@pytest.mark.slow
def test_a_table_that_the_file_lacks_is_no_error() -> None:
    """A cut-out of an image whose table is missing is written without it, as the original is."""
    hdu, packed, cut = image(CPDIS1="LOOKUP"), io.BytesIO(), io.BytesIO()
    file = io.BytesIO()
    hdu.writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), packed, preview=0, threads=1, verify=False)
    radcodec.cutout(packed.getvalue(), cut, "0:9,0:9", threads=1)
    with fits.open(io.BytesIO(cut.getvalue())) as found:
        assert (len(found), found[0].header["CPDIS1"]) == (1, "LOOKUP")
