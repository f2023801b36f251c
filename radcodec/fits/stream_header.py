"""The header of an image whose planes come one after the other: a user's cards behind those of its structure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from radcodec.errors import InputError
from radcodec.fits.arrays import storage_of
from radcodec.fits.cards import CARD_BYTES, CardValue, format_card, iter_cards, pad_header, parse_value
from radcodec.types import SampleType

# What the structure says itself, and what no longer holds.
_OWN = re.compile(
    rb"SIMPLE|XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|GROUPS|EXTEND|CHECKSUM|DATASUM|END|"
    rb"ZIMAGE|ZCMPTYPE|ZBITPIX|ZNAXIS[0-9]*|ZTILE[0-9]*"
)
_SCALING = (b"BSCALE", b"BZERO")
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")


def stream_header(sample_type: SampleType, shape: tuple[int, ...], header: Any) -> bytes:
    """Make the header of a primary image HDU of ``shape``, slowest axis first, with the cards of a user.

    Parameters
    ----------
    header
        None, an ``astropy.io.fits.Header``, the text or bytes of one, or a mapping of keywords to values or to pairs of
        value and comment. Cards of the structure and checksums are left out.

    Raises
    ------
    InputError
        If it is none of these, a card cannot be written, or its scaling does not go with the type of the samples.
    """
    bitpix, bzero = storage_of(sample_type)
    cards: list[tuple[str, CardValue, str]] = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", bitpix, "array data type"),
        ("NAXIS", len(shape), "number of array dimensions"),
    ]
    cards += [(f"NAXIS{n}", length, "") for n, length in enumerate(reversed(shape), start=1)]
    own = list(_cards_of(header))
    scaling = {keyword: parse_value(card) for keyword, card in own if keyword in _SCALING}
    if bzero:
        if scaling and (scaling.get(b"BSCALE", 1), scaling.get(b"BZERO", bzero)) != (1, bzero):
            raise InputError(
                f"expected planes of {sample_type.dtype_str} with BSCALE 1 and BZERO {bzero}, as FITS stores them, "
                f"found {scaling}: give the planes as they are stored, of a signed dtype, or take the cards out"
            )
        own = [(keyword, card) for keyword, card in own if keyword not in _SCALING]
        cards += [("BSCALE", 1, ""), ("BZERO", bzero, "")]
    packed = b"".join(format_card(*card) for card in cards)
    return pad_header(packed + b"".join(card for _, card in own) + b"END".ljust(CARD_BYTES))


def _cards_of(header: Any) -> Iterator[tuple[bytes, bytes]]:
    """Yield keyword and 80 bytes of the cards of a user that go into a file."""
    if header is None:
        return
    for keyword, card in _all_cards(header):
        if not _OWN.fullmatch(keyword) and (keyword or card.strip(b" ")):
            yield keyword, card.ljust(CARD_BYTES)


def _all_cards(header: Any) -> Iterator[tuple[bytes, bytes]]:
    if hasattr(header, "tostring"):  # of astropy
        header = header.tostring(sep="", endcard=False, padding=False)
    if isinstance(header, str):
        try:
            header = header.encode("latin-1")
        except UnicodeEncodeError as err:
            raise InputError(f"expected the text of a FITS header in Latin-1, found {header[err.start]!r}") from err
    if isinstance(header, bytes):
        if b"\n" in header:
            raise InputError("expected the text of a FITS header in cards of 80 characters, found line ends")
        yield from iter_cards(header)
    elif isinstance(header, Mapping):
        yield from map(_mapped_card, header.items())
    else:
        raise InputError(
            "expected a header of astropy, the text or bytes of one, or a mapping of keywords to values, found "
            f"{type(header).__name__}"
        )


def _mapped_card(item: tuple[Any, Any]) -> tuple[bytes, bytes]:
    keyword, value = item
    comment = ""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        value, comment = value
    if hasattr(value, "item"):  # a scalar of NumPy
        value = value.item()
    name = keyword.upper() if isinstance(keyword, str) else ""
    if not _KEYWORD.fullmatch(name):
        raise InputError(f"expected a FITS keyword of 1 to 8 letters, digits, - and _, found {keyword!r:.80}")
    if value is not None and not isinstance(value, (str, int, float)):
        raise InputError(f"expected text, a number or a truth value for {name}, found {value!r:.80}")
    return name.encode(), format_card(name, value, comment)
