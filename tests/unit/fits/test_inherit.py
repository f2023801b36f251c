"""Headers that take cards over from the primary one (INHERIT = T)."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from radcodec.fits.header import header_cards
from radcodec.fits.inherit import inherit_cards


def headers(own: dict[str, Any], primary: dict[str, Any], *, inherit: bool | None = True) -> tuple[bytes, bytes]:
    """Headers of an extension and of a primary HDU with data, with some more cards."""
    first = fits.PrimaryHDU(np.zeros((3, 4), np.int16)).header
    first.update(primary)
    extension = fits.ImageHDU(np.zeros((5, 6), np.float32), name="SCI").header
    if inherit is not None:
        extension["INHERIT"] = inherit
    extension.update(own)
    return extension.tostring().encode(), first.tostring().encode()


def read(header: bytes) -> fits.Header:
    """A header as astropy reads it."""
    assert len(header) % 2880 == 0
    return fits.Header.fromstring(header)


def test_cards_of_the_primary_header_come_along_and_never_win() -> None:
    """With INHERIT = T an extension has the primary's cards that it lacks, its own as they were, and no structure."""
    extension, primary = headers(
        {"OBJECT": "M31", "BUNIT": "Jy/beam"},
        {"OBJECT": "blank", "TELESCOP": "VLA", "RADESYS": "FK4", "EQUINOX": 1950.0, "BSCALE": 2.0, "BZERO": 3.0}
        | {"EXTVER": 7, "CHECKSUM": "x", "DATASUM": "1", "DATAMAX": 9.0, "BLANK": -1, "NEXTEND": 3},
    )
    found = read(inherit_cards(extension, primary))
    assert (found["OBJECT"], found["TELESCOP"], found["RADESYS"], found["EQUINOX"]) == ("M31", "VLA", "FK4", 1950.0)
    assert (found["NAXIS1"], found["NAXIS2"], found["BITPIX"], found["EXTNAME"]) == (6, 5, -32, "SCI")
    lost = {"SIMPLE", "EXTEND", "BSCALE", "BZERO", "EXTVER", "CHECKSUM", "DATASUM", "DATAMAX", "BLANK", "NEXTEND"}
    assert not lost & set(found)


def test_without_inherit_nothing_changes() -> None:
    """INHERIT = F, none at all, and a primary header are left as they are."""
    for inherit in (False, None):
        extension, primary = headers({}, {"TELESCOP": "VLA"}, inherit=inherit)
        assert inherit_cards(extension, primary) == extension
    assert inherit_cards(primary, primary) == primary


def test_comments_stay_where_they_are() -> None:
    """COMMENT, HISTORY and blank cards are not inherited."""
    extension, primary = headers({}, {"COMMENT": "of the primary", "HISTORY": "of the primary", "": "of the primary"})
    assert b"of the primary" not in inherit_cards(extension, primary)


def test_coordinates_of_pixels_are_taken_as_a_whole() -> None:
    """Beside its own axes an extension takes no CD, SIP or CRPIX of the primary; without any it takes them all."""
    axes = {"CTYPE1": "RA---TAN-SIP", "CRPIX1": 5.0, "CD1_1": -0.1, "A_ORDER": 2, "LTV1": 3.0, "CTYPE1A": "GLON-CAR"}
    extension, primary = headers({"CTYPE1": "RA---TAN", "CDELT1": -0.2}, {**axes, "RADESYS": "FK5"})
    found = read(inherit_cards(extension, primary))
    assert not {"CRPIX1", "CD1_1", "A_ORDER", "LTV1"} & set(found)
    assert (found["CDELT1"], found["RADESYS"], found["CTYPE1A"]) == (-0.2, "FK5", "GLON-CAR")
    extension, primary = headers({}, axes)
    found = read(inherit_cards(extension, primary))
    assert {key: found[key] for key in axes} == axes


def test_long_strings_and_hierarch_keywords() -> None:
    """A string that goes on in CONTINUE cards is taken whole or not at all; HIERARCH keywords count in full."""
    long = "a" * 150
    own, other = {"HIERARCH ESO ONE": 1, "LONGOWN": "short"}, {"HIERARCH ESO ONE": 2, "HIERARCH ESO TWO": 3}
    extension, primary = headers(own, {**other, "LONGOWN": long, "LONGNEW": long})
    found = read(inherit_cards(extension, primary))
    assert (found["ESO ONE"], found["ESO TWO"], found["LONGOWN"], found["LONGNEW"]) == (1, 3, "short", long)
    continued = [card for card in header_cards(inherit_cards(extension, primary)) if card.startswith(b"CONTINUE")]
    assert len(continued) == len([card for card in header_cards(primary) if card.startswith(b"CONTINUE")]) // 2
