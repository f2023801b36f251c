"""HDUs as users name them: by number, name, or name and EXTVER, as astropy finds them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.errors import InputError
from radcodec.fits.select import find_hdu, find_hdus, hdu_name, parse_hdu
from radcodec.types import HduChoice

HDUS = [("PRIMARY", 1), ("SCI", 1), ("DQ", 1), ("SCI", 2), ("", 1)]


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        (0, (0,)),
        ("3", (3,)),
        (np.int64(4), (4,)),
        ("sci", (1, 3)),
        ("SCI,2", (3,)),
        ("sci , 1", (1,)),
        (("sci", 2), (3,)),
        ("primary", (0,)),
    ],
)
def test_hdus_are_found(choice: HduChoice, numbers: tuple[int, ...]) -> None:
    """A number means itself, a name all HDUs of that name in any case, a name with EXTVER one."""
    assert find_hdus(HDUS, parse_hdu(choice)) == numbers
    assert find_hdu(HDUS, parse_hdu(choice)) == numbers[0]


@pytest.mark.parametrize("choice", ["", " ", "-1", -1, True, 1.0, None, ("SCI",), ("SCI", "2"), ",2", b"SCI"])
def test_what_names_no_hdu_is_refused(choice: HduChoice) -> None:
    """Empty text, negative numbers, floats, booleans and unsound pairs are no HDUs."""
    with pytest.raises(InputError, match="HDU"):
        parse_hdu(choice)


@pytest.mark.parametrize(
    ("choice", "match"), [("X", "no HDU 'X'"), ("2", "'2', which is no image"), (9, "no HDU '9'"), ("SCI,3", "'SCI,3'")]
)
def test_the_images_there_are_named(choice: HduChoice, match: str) -> None:
    """An HDU that is not there, or is no image, is refused with the list of images, EXTVER where names repeat."""
    with pytest.raises(InputError, match=match) as caught:
        find_hdu(HDUS, parse_hdu(choice), images=[1, 3])
    assert "1 SCI,1; 3 SCI,2" in str(caught.value)


def test_a_long_list_is_cut() -> None:
    """Of a file with a thousand images twenty are listed."""
    with pytest.raises(InputError, match="and 980 more"):
        find_hdu([("A", 1)] * 1000, parse_hdu("B"), images=range(1000))


def test_names_are_those_of_astropy() -> None:
    """EXTNAME and EXTVER are read as astropy reads them, for each HDU of a file that it wrote."""
    data = np.zeros((2, 2), np.int16)
    named = [fits.ImageHDU(data, name="sci", ver=ver) for ver in (1, 2)]
    hdus = fits.HDUList([fits.PrimaryHDU(data), *named, fits.ImageHDU(data)])
    out = io.BytesIO()
    hdus.writeto(out)
    with fits.open(io.BytesIO(out.getvalue())) as opened:
        for number, hdu in enumerate(opened):
            assert hdu_name(hdu.header.tostring().encode("ascii"), number) == (hdu.name, hdu.ver)


def test_tile_compressed_images_are_named_as_such() -> None:
    """Whoever names one finds how to get at its pixels."""
    with pytest.raises(InputError, match=r"found 'SCI', which is a tile-compressed image \(recompress decodes it"):
        find_hdu([("PRIMARY", 1), ("SCI", 1)], parse_hdu("SCI"), images=[], compressed=[1])
    content, packed = io.BytesIO(), io.BytesIO()
    image = fits.CompImageHDU(np.zeros((9, 9), np.int16), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(content)
    with pytest.raises(InputError, match="tile-compressed image"):
        radcodec.compress(io.BytesIO(content.getvalue()), packed, max_error=1, hdu="SCI", threads=1)
    radcodec.compress(io.BytesIO(content.getvalue()), packed, threads=1)
    with pytest.raises(InputError, match="tile-compressed image"):
        radcodec.decode(packed.getvalue(), hdu="SCI")
