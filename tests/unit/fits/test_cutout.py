"""Tests of radcodec.fits.cutout: world coordinates of cut-outs against astropy."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from radcodec.decoding.regions import parse_region
from radcodec.errors import InputError
from radcodec.fits import cutout
from radcodec.fits.header import card_value, header_cards
from radcodec.fits.parse import parse_fits

SHAPE = (60, 80)
X, Y = (13, 50), (7, 31)


def cutout_header(
    header: bytes, *, shape: tuple[int, ...], x: tuple[int, int], y: tuple[int, int] | None, plane: int | None = None
) -> bytes:
    """Header of the ranges of x and y of an image, as `radcodec.cutout` makes it."""
    pairs = [x] if y is None else [x, y]
    return cutout.cutout_header(header, parse_region(pairs, shape, plane=plane))


def base_header(**cards: Any) -> fits.Header:
    """Header of an 80 x 60 image near the pole of a TAN projection."""
    header = fits.PrimaryHDU(np.zeros(SHAPE, np.float32)).header
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 30.25, "CRPIX2": 41.123456789012345})
    header.update({"CRVAL1": 202.4842, "CRVAL2": 47.2306, "CDELT1": -0.002, "CDELT2": 0.002})
    header.update(cards)
    return header


SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-5, "A_1_1": -1e-5, "B_0_2": 3e-5, "B_1_1": 1e-5}
HEADERS = {
    "plain": base_header(),
    "rotated": base_header(CROTA2=33.0),
    "cd": base_header(CD1_1=-1e-3, CD1_2=4e-4, CD2_1=3e-4, CD2_2=1.1e-3),
    "pc": base_header(PC1_1=0.8, PC1_2=-0.6, PC2_1=0.6, PC2_2=0.8),
    "sip": base_header(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", **SIP),
    "sin": base_header(CTYPE1="RA---SIN", CTYPE2="DEC--SIN", PV2_1=0.01, PV2_2=-0.02),
}


def world(header: bytes | fits.Header, x: Any, y: Any, alt: str = " ") -> Any:
    """World coordinates of 0-based pixels of the first two axes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = fits.Header.fromstring(header) if isinstance(header, bytes) else header
        wcs = WCS(text, key=alt)
        others = [0] * (wcs.naxis - 2)
        return np.array(wcs.all_pix2world(x, y, *others, 0))


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_wcs_is_that_of_cutout2d(name: str) -> None:
    """World coordinates of all pixels agree with those of astropy's Cutout2D to 1e-9 degrees."""
    header = HEADERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(header)
        size = (Y[1] - Y[0], X[1] - X[0])
        centre = (X[0] + (size[1] - 1) / 2, Y[0] + (size[0] - 1) / 2)
        expected = Cutout2D(np.zeros(SHAPE), centre, size, wcs=wcs)
    assert expected.origin_original == (X[0], Y[0])
    new = cutout_header(header.tostring().encode(), shape=SHAPE, x=X, y=Y)
    assert len(new) % 2880 == 0
    y, x = np.mgrid[: size[0], : size[1]]
    found = world(new, x.ravel(), y.ravel())
    np.testing.assert_allclose(found, expected.wcs.all_pix2world(x.ravel(), y.ravel(), 0), rtol=0, atol=1e-9)
    read = fits.Header.fromstring(new)
    assert (read["NAXIS1"], read["NAXIS2"]) == (37, 24)


def test_missing_reference_pixels_are_written() -> None:
    """A reference pixel that the header leaves to its default of 0 is written."""
    header = base_header()
    del header["CRPIX1"]
    new = cutout_header(header.tostring().encode(), shape=SHAPE, x=X, y=Y)
    assert card_value(new, "CRPIX1") == -13.0
    np.testing.assert_allclose(world(new, [0, 5], [0, 9]), world(header, [13, 18], [7, 16]), rtol=0, atol=1e-9)


def test_alternate_and_physical_coordinates() -> None:
    """Alternate coordinates (A to Z) and LTV are shifted as well."""
    header = base_header(CTYPE1A="GLON-CAR", CTYPE2A="GLAT-CAR", CRPIX1A=5.0, CRVAL1A=10.0, CRVAL2A=0.0, LTM1_1=0.5)
    header.update({"CDELT1A": -0.1, "CDELT2A": 0.1, "LTV1": 2.5, "LTM2_2": 0.5, "CRPIX1B": 1})
    new = cutout_header(header.tostring().encode(), shape=SHAPE, x=X, y=Y)
    np.testing.assert_allclose(
        world(new, [0, 5], [0, 9], "A"), world(header, [13, 18], [7, 16], "A"), rtol=0, atol=1e-9
    )
    assert [card_value(new, key) for key in ("LTV1", "LTV2", "CRPIX1B")] == [-10.5, -7.0, -12]


def cube_header() -> fits.Header:
    """Header of a cube with 4 channels and 2 Stokes parameters."""
    header = fits.PrimaryHDU(np.zeros((2, 4, *SHAPE), np.float32)).header
    for axis, (kind, pixel, value, step) in enumerate(
        [
            ("RA---SIN", 40.5, 10.0, -1e-3),
            ("DEC--SIN", 30.5, -30.0, 1e-3),
            ("FREQ", 2.0, 1.4e9, 1e6),
            ("STOKES", 1, 1, 1),
        ]
    ):
        header.update({f"CTYPE{axis + 1}": kind, f"CRPIX{axis + 1}": pixel})
        header.update({f"CRVAL{axis + 1}": value, f"CDELT{axis + 1}": step})
    return header


def test_all_planes_of_a_cube() -> None:
    """Without a plane the leading axes stay as they are."""
    header = cube_header().tostring().encode()
    new = cutout_header(header, shape=(2, 4, *SHAPE), x=X, y=Y)
    assert [card_value(new, f"NAXIS{n}") for n in range(1, 5)] == [37, 24, 4, 2]
    assert [card_value(new, f"CRPIX{n}") for n in range(1, 5)] == [27.5, 23.5, 2.0, 1]


@pytest.mark.parametrize("plane", range(8))
def test_one_plane_of_a_cube(plane: int) -> None:
    """Every axis but two has length 1, and frequency and Stokes parameter are those of the plane."""
    header = cube_header()
    new = cutout_header(header.tostring().encode(), shape=(2, 4, *SHAPE), x=X, y=Y, plane=plane)
    assert [card_value(new, f"NAXIS{n}") for n in range(1, 5)] == [37, 24, 1, 1]
    stokes, channel = np.unravel_index(plane, (2, 4))
    found = WCS(fits.Header.fromstring(new)).all_pix2world(3, 4, 0, 0, 0)
    expected = WCS(header).all_pix2world(16, 11, channel, stokes, 0)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-15, atol=1e-9)


def test_extension_becomes_primary() -> None:
    """The header of an extension becomes a primary one that astropy finds sound; checksums are dropped."""
    unit = fits.ImageHDU(np.zeros(SHAPE, np.int16), name="SCI")
    unit.header["INHERIT"] = True
    unit.add_checksum()
    new = cutout_header(unit.header.tostring().encode(), shape=SHAPE, x=X, y=Y)
    with fits.open(io.BytesIO(new + bytes(2880))) as hdus:
        hdus.verify("exception")
        header = hdus[0].header
        assert hdus[0].data.shape == (24, 37)
        assert header["EXTNAME"] == "SCI"
    assert not {"XTENSION", "PCOUNT", "GCOUNT", "INHERIT", "CHECKSUM", "DATASUM"} & set(header)


def test_other_cards_are_verbatim(shared_data: Path) -> None:
    """All cards of a header with unprintable bytes stay as they are but for NAXISn and CRPIXn."""
    path = min((shared_data / "first" / "val").glob("*.fits"))
    header = path.read_bytes()[:17280]
    new = cutout_header(header, shape=(300, 300), x=(100, 200), y=(50, 60))
    pairs = list(zip(header_cards(header), header_cards(new), strict=True))
    assert [old[:8] for old, card in pairs if old != card] == [b"NAXIS1  ", b"NAXIS2  ", b"CRPIX1  ", b"CRPIX2  "]
    assert [card_value(new, f"CRPIX{n}") for n in (1, 2)] == [50.5, 100.5]


@pytest.mark.parametrize("name", ["oddities/dss.14.29.56-62.41.05.fits.gz", "oddities/sip-wcs.fits"])
def test_plate_and_sip_coordinates_of_real_files(shared_data: Path, name: str) -> None:
    """Cut-outs of a sky survey plate (CNPIX) and of an image with SIP keep their coordinates."""
    data = (shared_data / name).read_bytes()
    data = gzip.decompress(data) if name.endswith(".gz") else data
    hdu = parse_fits(data)[0]
    assert hdu.image is not None
    header = data[: hdu.data_start]
    new = cutout_header(header, shape=hdu.image.shape, x=(20, 60), y=(10, 40))
    x, y = np.meshgrid(np.arange(0.0, 40, 7), np.arange(0.0, 30, 7))
    old = world(header, x.ravel() + 20, y.ravel() + 10)
    np.testing.assert_allclose(world(new, x.ravel(), y.ravel()), old, rtol=0, atol=1e-9)


def test_one_axis() -> None:
    """A spectrum is cut along its axis."""
    header = fits.PrimaryHDU(np.zeros(50)).header
    header["CRPIX1"] = 1.0
    new = cutout_header(header.tostring().encode(), shape=(50,), x=(10, 20), y=None)
    assert (card_value(new, "NAXIS1"), card_value(new, "CRPIX1")) == (10, -9.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"shape": SHAPE, "x": (0, 81), "y": Y}, "expected x within 0:80"),
        ({"shape": SHAPE, "x": X, "y": (5, 5)}, "expected y within 0:60 and not empty, found 5:5"),
        ({"shape": (2, *SHAPE), "x": X, "y": Y, "plane": 2}, "plane of 0 to 1, found 2"),
        ({"shape": (), "x": X, "y": Y}, "found none"),
        ({"shape": (80,), "x": X, "y": Y}, "one axis, found 2"),
    ],
)
def test_ranges_outside_are_refused(options: dict[str, Any], match: str) -> None:
    """Ranges and planes outside of the image raise an error that says what is allowed."""
    with pytest.raises(InputError, match=match):
        cutout_header(base_header().tostring().encode(), **options)
