"""``verify --against`` of a bounded or lossy file names the HDU and the first pixel, card or byte that differs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec

IMAGE = np.random.default_rng(0).normal(size=(3, 50, 60)).astype(np.float32)
ROWS = np.arange(5, dtype=np.int32)


def original(image: np.ndarray[Any, Any] = IMAGE, *, name: str = "a", rows: np.ndarray[Any, Any] = ROWS) -> io.BytesIO:
    """Make a FITS file of a bare primary header, images SCI and ERR, and a table."""
    header = fits.Header([("OBJECT", name), ("BUNIT", "K")])
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=rows)], name="ROWS")
    images = [fits.ImageHDU(image, header, name="SCI"), fits.ImageHDU(IMAGE, header, name="ERR")]
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *images, table]).writeto(file)
    file.seek(0)
    return file


def packed(**options: Any) -> bytes:
    """Compress the unchanged file."""
    out = io.BytesIO()
    radcodec.compress(original(), out, **{"preview": 0, "threads": 1, "tile": (32, 32, 1), **options})
    return out.getvalue()


def message(data: bytes, against: io.BytesIO) -> str:
    """Return the error about an original."""
    with pytest.raises(radcodec.GuaranteeError) as caught:
        radcodec.verify(data, against=against, threads=1)
    return str(caught.value)


@pytest.fixture(scope="module")
def bounded() -> bytes:
    """Give a file within 0.5 K."""
    return packed(max_error=0.5)


def test_a_pixel_within_a_bound(bounded: bytes) -> None:
    """The first of two pixels that are off by 50 K, in the order of the file and not of its tiles, and by how much."""
    image = IMAGE.copy()
    image[1, 9, 5] += 50.0  # in the first tile of the plane
    image[1, 7, 40] += 50.0  # in the second one, but before it in the file
    text = message(bounded, original(image))
    assert text.startswith("HDU 1 (SCI): pixel x 40, y 7, axis 3 1 differs from the original by ")
    off = float(text.split("original by ")[1].split(";")[0])
    assert abs(off - 50) <= 0.51
    assert "; in its tile 1 pixels are off by up to " in text


def test_a_pixel_that_must_have_the_same_bits() -> None:
    """NaN that is a number in the original has no distance."""
    image = IMAGE.copy()
    image[0, 0, 3] = np.nan
    file = io.BytesIO()
    radcodec.compress(original(image), file, max_error=0.5, preview=0, threads=1)
    place, tile = message(file.getvalue(), original()).split("; ")
    assert place == "HDU 1 (SCI): pixel x 3, y 0, axis 3 0 differs from the original"
    assert tile == "in its tile 1 pixels are off by up to inf, more than allowed"


def test_a_special_pixel_of_a_lossy_file() -> None:
    """In lossy mode only special pixels are compared."""
    image = IMAGE.copy()
    image[2, 4, 6] = np.nan
    place, tile = message(packed(lossy=True), original(image)).split("; ")
    assert place == "HDU 1 (SCI): pixel x 6, y 4, axis 3 2 differs from the original"
    assert tile == "in its tile 1 special pixels differ from the original"


@pytest.mark.parametrize("options", [{"max_error": 0.5}, {"lossy": True}])
def test_a_card(options: dict[str, Any]) -> None:
    """The card is counted from 0 in the original's header, as in the message for a lossless file, and named."""
    against = original(name="b")
    with fits.open(against) as hdus:
        number = list(hdus[1].header).index("OBJECT")
    against = original(name="b")
    text = message(packed(**options), against)
    assert text == f"HDU 1 (SCI): card {number} of its header (OBJECT) differs from the original"


def test_a_card_that_the_original_lacks(bounded: bytes) -> None:
    """A card at the end of the header that is not in the original is named."""
    with fits.open(original()) as hdus:
        del hdus[2].header["EXTNAME"]
        file = io.BytesIO()
        hdus.writeto(file)
        number = len(hdus[2].header)
    file.seek(0)
    assert message(bounded, file) == (
        f"HDU 2 (without a name): card {number} of its header (EXTNAME) differs from the original"
    )


def test_a_byte_of_a_table(bounded: bytes) -> None:
    """A byte of what is no image is named within its data, with its place in the file."""
    rows = ROWS.copy()
    rows[2] = 77
    against = original(rows=rows)
    place = against.getvalue().index(rows.astype(">i4").tobytes()) + 11
    text = message(bounded, against)
    assert text == f"HDU 3 (ROWS): byte 11 of its data differs from the original (byte {place} of the file)"


def test_padding_behind_an_image(bounded: bytes) -> None:
    """Padding that is not that of the original is named so."""
    against = bytearray(original().getvalue())
    end = against.index(b"XTENSION= 'IMAGE", against.index(b"'SCI ")) - 1
    against[end] = 1
    text = message(bounded, io.BytesIO(against))
    assert text == f"HDU 1 (SCI): its padding differs from the original (byte {end} of the file)"


def test_another_type_names_the_hdu(bounded: bytes) -> None:
    """An image of another type is named by its HDU."""
    with fits.open(original()) as hdus:
        hdus[1].data = hdus[1].data.astype(np.float64)
        file = io.BytesIO()
        hdus.writeto(file)
    file.seek(0)
    assert message(bounded, file).startswith("HDU 1 (SCI): ")


def test_an_array() -> None:
    """A file of kind array names the image of the FITS file that it is compared with."""
    image = IMAGE.copy()
    image[1, 7, 9] += 50.0
    data = radcodec.encode(IMAGE, max_error=0.5, threads=1)
    assert message(data, original(image)).startswith(
        "HDU 1 (SCI): pixel x 9, y 7, axis 3 1 differs from the original by "
    )
