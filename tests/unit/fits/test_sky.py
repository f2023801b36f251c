"""Fields named by their position and size on the sky, against astropy's coordinates and by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

import radcodec
from radcodec.errors import InputError
from radcodec.fits.sky import parse_position, parse_size

SHAPE = (40, 50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("150.1 2.2", (150.1, 2.2, "")),
        ("150.1,-2.2", (150.1, -2.2, "")),
        ("150.1d +2.2deg", (150.1, 2.2, "")),
        ("10:00:24 +02:12:00", (150.1, 2.2, "")),
        ("10h00m24s -00d12m00s", (150.1, -0.2, "")),
        ("10 00 24 -00 12 00", (150.1, -0.2, "")),
        ("icrs 150.1 2.2", (150.1, 2.2, "icrs")),
        ("10:00:24 +02:12:00 B1950", (150.1, 2.2, "fk4")),
        ("galactic 12:30:00 -5", (12.5, -5.0, "galactic")),
        ((150.1, 2.2), (150.1, 2.2, "")),
        (SkyCoord(150.1, 2.2, unit="deg"), (150.1, 2.2, "icrs")),
    ],
)
def test_positions(text: Any, expected: tuple[float, float, str]) -> None:
    """Degrees, sexagesimal hours and degrees, a frame before or behind, pairs and SkyCoords are read."""
    found = parse_position(text)
    np.testing.assert_allclose((found.longitude, found.latitude), expected[:2], rtol=1e-14)
    assert found.frame == expected[2]


@pytest.mark.parametrize(
    "text", ["", "150", "150 95", "400 0", "nan 2", "10:61:00 2", "a b", "1 2 3", "10h 2", None, 5, "12:00:99 1"]
)
def test_what_is_no_position(text: Any) -> None:
    """Anything else says what a position looks like."""
    with pytest.raises(InputError, match=r"expected a (position such as|longitude within 360)"):
        parse_position(text)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("2arcmin", (1 / 30, 1 / 30)),
        ("90arcsec 1arcmin", (0.025, 1 / 60)),
        ("90 36arcsec", (0.025, 0.01)),
        ("1.5', 36\"", (0.025, 0.01)),
        ("2x1arcmin", (1 / 30, 1 / 60)),
        ("1e-2deg", (0.01, 0.01)),
        (2 * units.arcmin, (1 / 30, 1 / 30)),
        ([90, 36] * units.arcsec, (0.025, 0.01)),
        ((1 * units.deg, "36arcsec"), (1.0, 0.01)),
    ],
)
def test_sizes(size: Any, expected: tuple[float, float]) -> None:
    """One or two lengths with a unit, width first, or an astropy Quantity."""
    np.testing.assert_allclose([side.value for side in parse_size(size)], expected, rtol=1e-12)
    assert not any(side.is_pixels for side in parse_size(size))


def test_sizes_in_pixels() -> None:
    """Pixels are a unit, also beside another one."""
    first, second = parse_size("64pix 36arcsec")
    assert (first.value, first.is_pixels, second.is_pixels) == (64.0, True, False)
    assert parse_size(8 * units.pix)[1].is_pixels


@pytest.mark.parametrize(
    "size", ["", "2", "2parsec", "-1arcmin", "0deg", "1 2 3deg", 2.0, None, 2 * units.s, "2arcminx"]
)
def test_what_is_no_size(size: Any) -> None:
    """Anything else, a number without unit included, says what a size looks like."""
    with pytest.raises(InputError, match="expected a size such as"):
        parse_size(size)


def sky(shape: tuple[int, ...] = SHAPE, dtype: str = "f4", **cards: Any) -> fits.PrimaryHDU:
    """An image whose values are its pixel numbers, 1 arcsec a pixel."""
    hdu = fits.PrimaryHDU(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    hdu.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=150.0, CRVAL2=2.0, CRPIX1=20.0, CRPIX2=25.0)
    hdu.header.update(CDELT1=-1 / 3600, CDELT2=1 / 3600)
    hdu.header.update(cards)
    return hdu


def packed(hdu: Any) -> bytes:
    """An HDU as a FITS file, compressed."""
    file, out = io.BytesIO(), io.BytesIO()
    hdu.writeto(file)
    radcodec.compress(io.BytesIO(file.getvalue()), out, preview=0, threads=1, verify=False)
    return out.getvalue()


def cut(data: bytes, **options: Any) -> Any:
    """The first HDU of a cut-out: its data and its header."""
    out = io.BytesIO()
    radcodec.cutout(data, out, threads=1, **options)
    with fits.open(io.BytesIO(out.getvalue())) as hdus:
        return np.array(hdus[0].data), hdus[0].header.copy()


def test_the_frame_of_the_image_and_others() -> None:
    """Bare numbers are of the image's own frame; a named frame and a SkyCoord are converted to it."""
    hdu = sky(RADESYS="FK4", EQUINOX=1950.0)
    data = packed(hdu)
    own, _ = cut(data, center="150.0 2.0", size="3pix")
    assert own[1, 1] == hdu.data[24, 19]
    there = SkyCoord(150.0, 2.0, unit="deg", frame="fk4").icrs
    for center in (f"icrs {there.ra.deg:.12f} {there.dec.deg:.12f}", there, "b1950 10:00:00 +02:00:00"):
        assert np.array_equal(cut(data, center=center, size="3pix")[0], own)
    with pytest.raises(InputError, match="expected x"):
        cut(data, center="icrs 150.0 2.0", size="3pix")
    galactic = packed(sky(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"))
    middle = SkyCoord(150.0, 2.0, unit="deg", frame="galactic")
    assert np.array_equal(cut(galactic, center=middle, size="3pix")[0], own)
    assert np.array_equal(cut(galactic, center="150:00:00 2:00:00", size="3pix")[0], own)


def test_width_is_along_x() -> None:
    """Of two lengths the first is the width; the size in pixels is the length over the scale, rounded."""
    found, header = cut(packed(sky(CDELT2=0.5 / 3600)), center="150 2", size="4arcsec 3arcsec")
    assert found.shape == (6, 4)
    assert (header["NAXIS1"], header["NAXIS2"]) == (4, 6)


def test_a_cube_keeps_its_other_axes_wherever_they_are() -> None:
    """The field is cut from the axes on the sky, also where they come last or latitude comes first."""
    cards = {"CTYPE1": "FREQ", "CRVAL1": 1.4e9, "CDELT1": 1e6, "CRPIX1": 1.0}
    cards |= {"CTYPE2": "DEC--TAN", "CRVAL2": 2.0, "CDELT2": 1 / 3600, "CRPIX2": 25.0}
    cards |= {"CTYPE3": "RA---TAN", "CRVAL3": 150.0, "CDELT3": -1 / 3600, "CRPIX3": 20.0}
    hdu = sky((50, 40, 5), **cards)
    found, header = cut(packed(hdu), center="150 2", size="3arcsec 5arcsec")
    assert np.array_equal(found, hdu.data[17:22, 23:26])
    before, after = WCS(hdu.header).all_pix2world([[0, 23, 17]], 0), WCS(header).all_pix2world([[0, 0, 0]], 0)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)


def test_the_spectrum_at_a_position() -> None:
    """Without a size the one pixel that holds the position is cut out, in all channels; a plane can be taken too."""
    hdu = sky((6, *SHAPE), CTYPE3="FREQ", CRVAL3=1.4e9, CDELT3=1e6, CRPIX3=1.0)
    found, header = cut(packed(hdu), center="150 2")
    assert np.array_equal(found[:, 0, 0], hdu.data[:, 24, 19])
    assert (found.shape, header["CRPIX1"], header["CRPIX2"]) == ((6, 1, 1), 1.0, 1.0)
    assert np.array_equal(cut(packed(hdu), center="150 2", plane=4)[0], hdu.data[4:5, 24:25, 19:20])


def test_partly_outside() -> None:
    """A field over the edge is refused, or filled with NaN; its sky is the same; one wholly outside is refused."""
    hdu = sky()
    data = packed(hdu)
    corner = WCS(hdu.header).all_pix2world([[1, 38]], 0)[0]
    center = (corner[0], corner[1] * units.deg)
    with pytest.raises(InputError, match=r"expected x within 0:50 .*--partial"):
        cut(data, center=center, size="7arcsec")
    found, header = cut(data, center=center, size="7arcsec", partial=True)
    assert np.isnan(found[5:]).all()
    assert np.isnan(found[:, :2]).all()
    assert np.array_equal(found[:5, 2:], hdu.data[35:40, 0:5])
    np.testing.assert_allclose(WCS(header).all_pix2world([[3, 3]], 0)[0], corner, rtol=0, atol=1e-9)
    with pytest.raises(InputError, match="expected y to touch 0:40"):
        cut(data, center="150 2.1", size="7arcsec", partial=True)
    with pytest.raises(InputError, match=r"outside of its projection|can place"):
        cut(data, center="330 -2", size="7arcsec", partial=True)


def test_integers_are_filled_with_blank() -> None:
    """Outside of an integer image stands its BLANK, scaled or not; without one the cut-out is refused."""
    hdu = sky(dtype="i2", BLANK=-7, BSCALE=1.0, BZERO=0.0)
    out = io.BytesIO()
    radcodec.cutout(packed(hdu), out, "-2:3,0:2", partial=True, threads=1)
    with fits.open(io.BytesIO(out.getvalue()), do_not_scale_image_data=True) as hdus:
        assert hdus[0].data.tolist() == [[-7, -7, 0, 1, 2], [-7, -7, 50, 51, 52]]
    for cards in ({}, {"BLANK": 99999}):
        with pytest.raises(InputError, match="no BLANK to fill the outside with"):
            cut(packed(sky(dtype="i2", **cards)), region="-2:3,0:2", partial=True)


def test_a_huge_outside_fills_no_memory() -> None:
    """A slip of the keyboard is refused before anything is allocated."""
    with pytest.raises(InputError, match="expected at most 268435456 pixels"):
        cut(packed(sky()), center="150 2", size="30deg", partial=True)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "expected a region such as .* a centre or a plane, found none"),
        ({"size": "2arcmin"}, "expected a centre with the size"),
        ({"center": "150 2", "region": "0:2"}, "expected a region or a centre, found both"),
        ({"center": "150 2", "size": "2"}, "expected a size such as"),
        ({"center": "x"}, "expected a position such as"),
        ({"center": "150 2", "plane": 1}, "plane of 0 to 0"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], match: str) -> None:
    """Half a request, or two of them, is refused by name."""
    with pytest.raises(InputError, match=match):
        cut(packed(sky()), **options)


def test_no_sky_no_centre() -> None:
    """A spectrum and an array have no positions: the message points to regions."""
    spectrum = fits.PrimaryHDU(np.arange(20.0))
    spectrum.header.update(CTYPE1="FREQ", CRVAL1=1.4e9, CDELT1=1e6, CRPIX1=1.0)
    for data in (packed(spectrum), radcodec.encode(np.arange(20.0))):
        with pytest.raises(InputError, match="two axes on the sky for a centre, found none: give a region"):
            cut(data, center="150 2")
    found, header = cut(packed(spectrum), region="5:9")
    assert (found.tolist(), header["CRPIX1"]) == ([5, 6, 7, 8], -4.0)


def test_coordinates_that_make_no_sense() -> None:
    """A header that wcslib refuses is an InputError for a centre, and no obstacle for a region."""
    data = packed(sky(CTYPE2="DEC--SIN"))
    with pytest.raises(InputError, match="expected world coordinates in the header that astropy can read"):
        cut(data, center="150 2")
    assert cut(data, region="1:3,2:4")[0].shape == (2, 2)


def test_hours_need_a_right_ascension() -> None:
    """In a galactic image 10h is no longitude: the frame has to be said."""
    with pytest.raises(InputError, match="as this frame has no right ascension, found '10h00m24s 02d12m00s': put icrs"):
        parse_position("10h00m24s 02d12m00s", equatorial=False)
    with pytest.raises(InputError, match="no right ascension"):
        parse_position("galactic 10h00m24s 02d12m00s")
    assert parse_position("icrs 10h00m24s 02d12m00s", equatorial=False).longitude == pytest.approx(150.1)


def test_a_minus_sign_of_typesetting() -> None:
    """Positions are copied from papers."""
    assert parse_position("10:00:24 \N{MINUS SIGN}00:30:00").latitude == -0.5
